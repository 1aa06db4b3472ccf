# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge a pair that the inventory names: whether nginx can serve it, and visitors accept it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..host.shell import Shell, StepError
from . import openssl, pairs
from .openssl import STEP, Certificate
from .pairs import Pair

# So many days before the end of somebody else's certificate a run says so.
ENDS_SOON = 14


def of_host(shell: Shell, tls: Mapping[str, Any]) -> Pair:
    """Return the pair that lies in files of the host. Raises `StepError`, which names the key and the path."""
    return Pair(*(_read(shell, key, tls[f"{key}_path"]) for key in ("certificate", "key")))


def judged(shell: Shell, pair: Pair, domains: Sequence[str], tls: Mapping[str, Any], now: float = 0.0) -> Certificate:
    """Return the facts of a pair that is good for the domains. Raises `StepError`, which says what is wrong with it."""
    now = now or time.time()
    certificate, key = _named(tls, "certificate"), _named(tls, "key")
    if not openssl.blocks(pair.certificate):
        raise _fault(
            shell, certificate, "there is no certificate in it; expected PEM text, -----BEGIN CERTIFICATE-----"
        )
    try:
        found = openssl.leaf(shell, pair.certificate)
    except StepError as error:
        raise _fault(shell, certificate, f"{error.cause}; expected a certificate as PEM text") from None
    try:
        own = openssl.public_key(shell, pair.key)
    except StepError as error:
        what = f"{error.cause}; expected a private key as PEM text, without a passphrase"
        raise _fault(shell, key, what) from None
    if own.split() != found.key.split():
        what = f"the key does not fit the certificate of {found.subject}; expected its own, so renew both together"
        raise _fault(shell, key, what)
    if found.ends <= now:
        raise _fault(shell, certificate, f"it ended on {found.date}; expected one that is valid now, so renew it")
    if found.begins > now:
        what = (
            f"it is valid from {openssl.day(found.begins)}; expected one that is valid now; is the host's clock right?"
        )
        raise _fault(shell, certificate, what)
    if missing := found.uncovered(list(domains)):
        what = f"it is for {', '.join(found.names) or 'no name'}; expected {', '.join(missing)} as well"
        raise _fault(shell, certificate, f"{what}: have it issued for all domains, or take these out of domains")
    return found


def notes(shell: Shell, pair: Pair, found: Certificate, tls: Mapping[str, Any], now: float = 0.0) -> list[str]:
    """Return what a person should know of a pair that is good."""
    told, name = [], _named(tls, "certificate")
    left = int((found.ends - (now or time.time())) // 86400)
    if left < ENDS_SOON:
        told.append(f"site '{shell.site}': {name}: it ends on {found.date}, in {left} days; renew it")
    if issuer := openssl.missing_issuer(shell, pair.certificate):
        told.append(
            f"site '{shell.site}': {name}: neither it nor the host has the certificate of its issuer, {issuer}; "
            "clients may refuse it: append that of the issuer to the file"
        )
    return told


def _read(shell: Shell, key: str, path: str) -> str:
    try:
        text = pairs.text(path)
    except OSError as error:
        what = f"{error.strerror}; expected a file that root can read; write it before the run, or correct the path"
        raise _fault(shell, f"tls.{key} is {path}", what) from None
    return text


def _named(tls: Mapping[str, Any], key: str) -> str:
    """Return how a key of the inventory is called in messages, with its path where it is one."""
    path = tls.get(f"{key}_path")
    return f"tls.{key} is {path}" if path else f"tls.{key}"


def _fault(shell: Shell, named: str, what: str) -> StepError:
    return StepError(shell.site, STEP, f"{named}: {what}")
