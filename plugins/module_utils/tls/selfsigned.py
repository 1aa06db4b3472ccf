# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Create a self-signed pair: for tests, for hosts behind others, and until a CA has issued one."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Sequence

from ..host import files
from ..host.shell import Shell
from ..model import schemes
from . import openssl
from .pairs import Pair

# The maximum validity in days that browsers accept (CA/Browser Forum, until 2026-03).
DAYS = 397
# A pair that ends within this many days is replaced.
RENEWED_BEFORE = 30
# RFC 5280, ub-common-name.
COMMON_NAME = 64


def make(shell: Shell, domains: Sequence[str], days: int = DAYS) -> Pair:
    """Return a new pair for these domains. Raises `StepError`."""
    key = openssl.new_key(shell)
    # The program reads the key and the configuration from files, in a directory that only root can enter.
    with tempfile.TemporaryDirectory(prefix="pyweb-tls-") as folder:
        files.put(f"{folder}/key", key.encode(), 0o600, os.geteuid(), os.getegid())
        files.put(f"{folder}/request", request(shell.site, domains).encode(), 0o600, os.geteuid(), os.getegid())
        return Pair(openssl.sign(shell, f"{folder}/key", f"{folder}/request", days), key)


def stays(found: openssl.Certificate, domains: Iterable[str], now: float = 0.0) -> bool:
    """Return whether our pair is still valid: self-signed, for exactly these domains, and not about to end."""
    left = found.ends - (now or time.time())
    wanted = {openssl.plain_name(domain) for domain in domains}
    return found.self_signed and set(found.names) == wanted and left > RENEWED_BEFORE * 86400


def request(site: str, domains: Sequence[str]) -> str:
    """Return the contents of the certificate, as a configuration of openssl."""
    common = next((domain for domain in domains if len(domain) <= COMMON_NAME), site)
    names, counts = [], {"DNS": 0, "IP": 0}
    for domain in dict.fromkeys(map(openssl.plain_name, domains)):
        kind = "IP" if schemes.is_address(domain) else "DNS"
        counts[kind] += 1
        names.append(f"{kind}.{counts[kind]} = {domain}")
    return "\n".join(
        [
            "[req]",
            "distinguished_name = subject",
            "x509_extensions = server",
            "prompt = no",
            "[subject]",
            f"CN = {common}",
            "[server]",
            "basicConstraints = critical, CA:FALSE",
            "keyUsage = critical, digitalSignature",
            "extendedKeyUsage = serverAuth",
            "subjectKeyIdentifier = hash",
            "subjectAltName = @names",
            "[names]",
            *names,
            "",
        ]
    )
