# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the certificates of the inventory for everything that a browser would refuse. Runs on the controller only.

It needs the library `cryptography`, which ansible-core depends on and hosts do not have. Faults name the key without
the prefix `tls.`, and never quote a private key.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import listed

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # ansible-doc shows the filters without it; nothing below is called then
    pass

# CA/Browser Forum, Baseline Requirements 6.1.5 and 7.1.3.2.
RSA_BITS = 2048
CURVES = ("secp256r1", "secp384r1", "secp521r1")
WEAK_HASHES = ("md5", "sha1")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


class Unreadable(ValueError):
    """Text that looks like PEM but is invalid."""


def of_itself(tls: Mapping[str, Any]) -> list[str]:
    """Return the faults of the certificates of a parsed key `tls`, regardless of domains.

    `tls` is in the model's form; paths on the host are not checked.
    """
    if tls["kind"] == "acme" and "BEGIN" in tls["acme"]["ca"]:
        try:
            _read(tls["acme"]["ca"], "acme.ca")
        except Unreadable as wrong:
            return [str(wrong)]
    if not _is_text(tls):
        return []
    try:
        certificates = _read(tls["certificate"], "certificate")
        key = _read_key(tls["key"])
    except Unreadable as wrong:
        return [str(wrong)]
    place = _place(certificates, key)
    if place > 0:  # certificates before it are not its chain
        return [
            f"certificate contains the certificate of key as number {place + 1}; expected it first, and the one that "
            "signed it next; put it first"
        ]
    pair = [] if place == 0 else [_other(certificates[0], key)]
    return [*pair, *_chain(certificates), *_dates(certificates), *_strength(certificates)]


def of_names(tls: Mapping[str, Any], domains: Sequence[str]) -> list[str]:
    """Return whether the certificate lacks one of these domains; nothing if it cannot be parsed."""
    if not _is_text(tls):
        return []
    with contextlib.suppress(Unreadable):
        certificates = _read(tls["certificate"], "certificate")
        place = _place(certificates, _read_key(tls["key"]))
        names, addresses = _names(certificates[max(place, 0)])
        missing = [domain for domain in domains if not _covers(domain, names, addresses)]
        if missing:
            known = listed([*names, *map(str, addresses)]) or "no name, without a subjectAltName"
            return [
                f"certificate is for {known}; expected one for every domain of the site, and {listed(missing)} is "
                "missing; get one for all of them, or remove the domain"
            ]
    return []


def _is_text(tls: Mapping[str, Any]) -> bool:
    return bool(tls["kind"] == "certificate" and "BEGIN" in tls["certificate"] and "BEGIN" in tls["key"])


def _read(text: str, key: str) -> list[x509.Certificate]:
    found = []
    for number, block in enumerate(_PEM.findall(text), 1):
        try:
            found.append(x509.load_pem_x509_certificate(block.encode()))
            # The library parses these parts on access, and only then reports that they are damaged.
            _parts = found[-1].subject, found[-1].issuer, found[-1].extensions
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            raise Unreadable(
                f"{key} cannot be read: certificate {number} in it is damaged; copy the complete file again"
            ) from None
    return found


def _read_key(text: str) -> Any:
    try:
        return serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unreadable("key cannot be read: it is damaged, or has a passphrase; copy its file again") from None


# --- what is asked ---


def _place(certificates: list[x509.Certificate], key: Any) -> int:
    """Return which of the certificates matches a key; -1 for none."""
    own = _public(key.public_key())
    return next((place for place, found in enumerate(certificates) if _public(_key_of(found)) == own), -1)


def _other(certificate: x509.Certificate, key: Any) -> str:
    return (
        f"key does not match certificate: it is {_described(key.public_key())}, and the certificate of "
        f"{_subject(certificate)} is for {_described(_key_of(certificate))}; expected the key that the certificate was "
        "requested with; set that one, or its own certificate"
    )


def _chain(certificates: list[x509.Certificate]) -> Iterator[str]:
    """Yield where the chain to the root is broken."""
    leaf = certificates[0]
    if len(certificates) == 1 and not _signed(leaf, leaf):
        yield (
            f"certificate lacks its intermediate: {_subject(leaf)} is signed by {_issuer(leaf)}, whose certificate "
            "does not follow; browsers that do not have it refuse the site; append it: use fullchain.pem of the CA, or "
            "append the certificate of your own CA"
        )
    for number, (certificate, above) in enumerate(zip(certificates, certificates[1:]), 1):
        if _signed(certificate, above):
            continue
        others = [place for place, other in enumerate(certificates, 1) if _signed(certificate, other)]
        if others == [number]:
            yield (
                f"certificate continues after a root: number {number}, {_subject(certificate)}, is signed by itself; "
                "remove what follows it"
            )
        elif others:
            yield (
                f"certificate is in the wrong order: number {number}, {_subject(certificate)}, is signed by number "
                f"{others[0]}; expected the one that signed it next; put that one after it"
            )
        else:
            yield (
                f"certificate lacks its intermediate: number {number}, {_subject(certificate)}, is signed by "
                f"{_issuer(certificate)}, and number {number + 1} is {_subject(above)}; put the certificate of the "
                "first between them"
            )
        return


def _dates(certificates: list[x509.Certificate], now: datetime.datetime | None = None) -> Iterator[str]:
    """Yield the certificates that are not valid now."""
    now = now or _now()
    for number, certificate in enumerate(certificates, 1):
        begin, end = _date(certificate, "not_valid_before"), _date(certificate, "not_valid_after")
        which = f"number {number} of it, {_subject(certificate)}," if number > 1 else f"that of {_subject(certificate)}"
        if end <= now:
            yield f"certificate has expired: {which} was valid to {end:%Y-%m-%d %H:%M} UTC; renew it"
        elif begin > now:
            yield (
                f"certificate is not valid yet: {which} begins at {begin:%Y-%m-%d %H:%M} UTC, and it is "
                f"{now:%Y-%m-%d %H:%M} on the controller; wait, or correct its clock"
            )


def _strength(certificates: list[x509.Certificate]) -> Iterator[str]:
    """Yield keys and signatures that browsers no longer accept, and a certificate for another purpose."""
    for number, certificate in enumerate(certificates, 1):
        which = f"number {number} of it, {_subject(certificate)}," if number > 1 else f"that of {_subject(certificate)}"
        key = _key_of(certificate)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS:
            yield (
                f"certificate is weak: {which} has an RSA key of {key.key_size} bits; expected at least {RSA_BITS}; "
                "create a new key, and request a certificate for it"
            )
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in CURVES:
            yield (
                f"certificate is not for browsers: {which} has a key of the curve {key.curve.name}; expected P-256 or "
                "P-384; create a new key, and request a certificate for it"
            )
        algorithm = _hash(certificate)
        # Clients do not verify the signature of a known root.
        if algorithm in WEAK_HASHES and (number == 1 or not _signed(certificate, certificate)):
            yield f"certificate is weak: {which} is signed with {algorithm.upper()}; expected SHA-256; get a new one"
    with contextlib.suppress(x509.ExtensionNotFound):
        usages = certificates[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages):
            yield (
                f"certificate is for another purpose: that of {_subject(certificates[0])} is for no server (its "
                "extendedKeyUsage lacks serverAuth); get one for a web server"
            )


# --- names: RFC 9525, 6.3 and 6.5 ---


def _names(certificate: x509.Certificate) -> tuple[list[str], list[Any]]:
    """Return the names and the IP addresses of a certificate; the common name is ignored, as in browsers."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return [], []
    names = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    return names, list(found.get_values_for_type(x509.IPAddress))


def _covers(domain: str, names: Sequence[str], addresses: Sequence[Any]) -> bool:
    """Return whether a certificate with these names is valid for a domain. A * means one label, the first."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(domain.strip("[]")) in addresses
    first, _dot, rest = domain.partition(".")
    return domain in names or (first != "*" and bool(rest) and f"*.{rest}" in names)


# --- what the library says ---


def _signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    """Return whether a certificate is signed by another one; by their names if the library does not support it."""
    if _hash(certificate) in WEAK_HASHES:
        return certificate.issuer == by.subject
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _date(certificate: x509.Certificate, name: str) -> datetime.datetime:
    """Return when a certificate begins or ends; before cryptography 42 without a zone, and always in UTC."""
    found: datetime.datetime = getattr(certificate, f"{name}_utc", None) or getattr(certificate, name)
    return found.replace(tzinfo=datetime.timezone.utc)


def _hash(certificate: x509.Certificate) -> str:
    """Return the hash of a certificate's signature; '' if it has none, as Ed25519, or an unknown one."""
    try:
        algorithm: hashes.HashAlgorithm | None = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return algorithm.name if algorithm else ""


def _key_of(certificate: x509.Certificate) -> Any:
    """Return the public key of a certificate, None if the library does not support its kind."""
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _public(key: Any) -> bytes:
    """Return a public key in a comparable form."""
    if key is None:
        return b""
    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found


def _described(key: Any) -> str:
    """Return a description of a public key: its kind, and the beginning of its SHA-256."""
    if key is None:
        return "a key of an unknown kind"
    digest = hashes.Hash(hashes.SHA256())
    digest.update(_public(key))
    kind = type(key).__name__.strip("_").replace("PublicKey", "").replace("EllipticCurve", "EC")
    size = f" with {key.key_size} bits" if hasattr(key, "key_size") else ""
    return f"the {kind} key{size} {digest.finalize().hex()[:12]}"


def _subject(certificate: x509.Certificate) -> str:
    names, addresses = _names(certificate)
    return listed([*names, *map(str, addresses)][:1]) or listed([_name(certificate.subject)])


def _issuer(certificate: x509.Certificate) -> str:
    return listed([_name(certificate.issuer)])


def _name(name: x509.Name) -> str:
    """Return the common name of a subject or an issuer, or all of it where there is none."""
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value if common else name.rfc4514_string())
