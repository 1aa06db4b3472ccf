# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read certificates with the host's program `openssl` (1.1.1 and newer), because hosts have no library for it.

Certificates and keys are passed to the program through its standard input, never on its command line.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import ssl
import time
from dataclasses import dataclass

from ..host.shell import Shell, StepError

STEP = "certificate"
# Seconds; the program reads a few kilobytes.
TIMEOUT = 30
BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_NAME = re.compile(r"(DNS|IP Address):([^\s,]+)")


@dataclass(frozen=True)
class Certificate:
    """The facts of one certificate.

    `names` are those of subjectAltName, in lowercase, IP addresses in their shortest form. `begins` and `ends` are
    seconds since 1970, `fingerprint` is the SHA-256 of the certificate in hexadecimal, `key` the public key as PEM.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: int
    ends: int
    fingerprint: str
    key: str

    @property
    def self_signed(self) -> bool:
        return self.subject == self.issuer

    @property
    def date(self) -> str:
        """Return the day on which it ends, in UTC."""
        return day(self.ends)

    def covers(self, domain: str) -> bool:
        """Return whether a client of `domain` accepts the certificate (RFC 6125, 6.4.3)."""
        wanted = plain_name(domain)
        return wanted in self.names or (f"*.{wanted.partition('.')[2]}" in self.names and "*" not in wanted)

    def uncovered(self, domains: list[str]) -> list[str]:
        """Return the domains that the certificate does not cover."""
        return [domain for domain in domains if not self.covers(domain)]


def day(seconds: float) -> str:
    """Return the day of a time, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def plain_name(domain: str) -> str:
    """Return a domain in lowercase, or an IP address, with or without brackets, in its shortest form."""
    try:
        return str(ipaddress.ip_address(domain.strip("[]")))
    except ValueError:
        return domain.lower()


def blocks(text: str) -> list[str]:
    """Return the certificates of a PEM text, the site's own first."""
    return [f"{block}\n" for block in BLOCK.findall(text)]


def fingerprint(block: str) -> str:
    """Return the SHA-256 of a certificate in PEM format; '' if it is none."""
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(block.strip())).hexdigest()
    except ValueError:
        return ""


def leaf_fingerprint(text: str) -> str:
    """Return the SHA-256 of the first certificate of a PEM text; '' if there is none."""
    return next((fingerprint(block) for block in blocks(text)), "")


def certificate(shell: Shell, block: str) -> Certificate:
    """Return the facts of one certificate. Raises `StepError` if openssl cannot read it."""
    # The UTF-8 of names is kept; RFC 2253 is the order that other programs use.
    options = ["-noout", "-subject", "-issuer", "-dates", "-pubkey", "-nameopt", "RFC2253,-esc_msb,utf8"]
    told = _openssl(shell, ["x509", *options], block)
    found = dict(re.findall(r"(?m)^(subject|issuer|notBefore|notAfter)=\s*(.*)$", told))
    key = re.search(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n", told, re.DOTALL)
    # A certificate without the extension is an error only to some versions.
    also = _run(shell, ["x509", "-noout", "-ext", "subjectAltName"], block)[1]
    return Certificate(
        subject=found.get("subject", ""),
        issuer=found.get("issuer", ""),
        names=tuple(plain_name(name) for _kind, name in _NAME.findall(also)),
        begins=ssl.cert_time_to_seconds(found["notBefore"]),
        ends=ssl.cert_time_to_seconds(found["notAfter"]),
        fingerprint=fingerprint(block),
        key=key[0] if key else "",
    )


def chain(shell: Shell, text: str) -> list[Certificate]:
    """Return the facts of all certificates of a PEM text. Raises `StepError` if there is none."""
    found = blocks(text)
    if not found:
        raise StepError(shell.site, STEP, "it contains no certificate; expected -----BEGIN CERTIFICATE-----")
    return [certificate(shell, block) for block in found]


def leaf(shell: Shell, text: str) -> Certificate:
    """Return the facts of the first certificate of a PEM text. Raises `StepError` if there is none."""
    return chain(shell, "".join(blocks(text)[:1]))[0]


def public_key(shell: Shell, key: str) -> str:
    """Return the public half of a private key, both PEM. Raises `StepError` if openssl cannot read it."""
    return _openssl(shell, ["pkey", "-pubout", "-passin", "pass:"], key)


def fits(shell: Shell, text: str, key: str) -> bool:
    """Return whether a private key is that of the first certificate of a PEM text. Raises `StepError`."""
    return leaf(shell, text).key.split() == public_key(shell, key).split()


def new_key(shell: Shell) -> str:
    """Return a new private key, ECDSA P-256, as PEM. Raises `StepError`."""
    return _openssl(shell, ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "")


def sign(shell: Shell, key: str, request: str, days: int) -> str:
    """Return a certificate self-signed with the key at a path; `request` is the path of a configuration."""
    options = ["-x509", "-new", "-sha256", "-days", str(days), "-key", key, "-config", request]
    return _openssl(shell, ["req", *options], "")


def missing_issuer(shell: Shell, text: str) -> str:
    """Return the issuer of the last certificate of the chain, if neither the text nor the host has its certificate.

    '' if a client that trusts the host's CAs reaches one of them, and if the text has more than the site's own
    certificate and ends below a root that the host does not know: a private CA's. Raises `StepError`.
    """
    own, *others = chain(shell, text)
    last, left = own, list(others)
    while not last.self_signed:
        above = next((one for one in left if one.subject == last.issuer), None)
        if above is None:
            break
        left.remove(above)
        last = above
    if last.self_signed or last is not own or _trusted(shell, text):
        return ""
    return last.issuer


def _trusted(shell: Shell, text: str) -> bool:
    """Return whether the host knows the CA directly above the site's own certificate."""
    return _run(shell, ["verify"], blocks(text)[0])[0] == 0


def _openssl(shell: Shell, arguments: list[str], given: str) -> str:
    status, out, err = _run(shell, arguments, given)
    if status:
        why = re.sub(r"^[0-9A-F]+:error:|^unable to ", "cannot ", (err.strip() or out.strip()).split("\n")[0])
        raise StepError(shell.site, STEP, f"openssl {arguments[0]} fails: {why}", err)
    return out


def _run(shell: Shell, arguments: list[str], given: str) -> tuple[int, str, str]:
    try:
        done = shell.run(STEP, ["openssl", *arguments], stdin=given, timeout=TIMEOUT, check=False)
    except StepError as error:
        if "No such file" in error.cause:
            raise StepError(shell.site, STEP, "openssl is not installed; install the package openssl") from None
        raise
    return done.returncode, done.stdout, done.stderr
