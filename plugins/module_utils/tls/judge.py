# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check a pair that the inventory names: whether nginx can serve it, and clients accept it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..host.shell import Shell, StepError
from . import openssl, pairs
from .openssl import STEP, Certificate
from .pairs import Pair

# How many days before the end of a certificate managed by others a run warns.
ENDS_SOON = 14


def of_host(shell: Shell, tls: Mapping[str, Any]) -> Pair:
    """Return the pair in files of the host. Raises `StepError`, which names the key and the path."""
    return Pair(*(_read(shell, key, tls[f"{key}_path"]) for key in ("certificate", "key")))


def judged(shell: Shell, pair: Pair, domains: Sequence[str], tls: Mapping[str, Any], now: float = 0.0) -> Certificate:
    """Return the facts of a pair that is valid for the domains. Raises `StepError` with its fault."""
    now = now or time.time()
    certificate, key = _named(tls, "certificate"), _named(tls, "key")
    if not openssl.blocks(pair.certificate):
        raise _fault(shell, certificate, "it contains no certificate; expected PEM text, -----BEGIN CERTIFICATE-----")
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
        what = f"the key does not match the certificate of {found.subject}; expected its own key; renew both together"
        raise _fault(shell, key, what)
    if found.ends <= now:
        raise _fault(shell, certificate, f"it ended on {found.date}; expected one that is valid now; renew it")
    if found.begins > now:
        what = f"it is valid from {openssl.day(found.begins)}; expected one that is valid now; check the host's clock"
        raise _fault(shell, certificate, what)
    if missing := found.uncovered(list(domains)):
        what = f"it is for {', '.join(found.names) or 'no name'}; expected {', '.join(missing)} as well"
        raise _fault(shell, certificate, f"{what}: request one for all domains, or remove these from domains")
    return found


def notes(shell: Shell, pair: Pair, found: Certificate, tls: Mapping[str, Any], now: float = 0.0) -> list[str]:
    """Return warnings about a valid pair."""
    told, name = [], _named(tls, "certificate")
    left = int((found.ends - (now or time.time())) // 86400)
    if left < ENDS_SOON:
        told.append(f"site '{shell.site}': {name}: it ends on {found.date}, in {left} days; renew it")
    if issuer := openssl.missing_issuer(shell, pair.certificate):
        told.append(
            f"site '{shell.site}': {name}: neither the file nor the host contains the certificate of its issuer, "
            f"{issuer}; "
            "clients may refuse it: append the issuer's certificate to the file"
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
    """Return the name of a key of the inventory for messages, with its path if it is one."""
    path = tls.get(f"{key}_path")
    return f"tls.{key} is {path}" if path else f"tls.{key}"


def _fault(shell: Shell, named: str, what: str) -> StepError:
    return StepError(shell.site, STEP, f"{named}: {what}")
