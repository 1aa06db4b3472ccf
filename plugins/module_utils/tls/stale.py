# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether nginx serves its current certificate: it reads the file only when it starts or reloads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ..model import schemes
from ..model.layout import Layout
from . import acme_served, openssl, pairs


def is_stale(site: Mapping[str, Any]) -> bool:
    """Return whether nginx answers with another certificate than the live pair's. False if nothing answers."""
    name, wanted = asked(site), openssl.leaf_fingerprint(pairs.read(Layout.of(site)).certificate)
    if not name or not wanted:
        return False
    proxied = bool(site["nginx"].get("proxy_protocol"))
    found = [served(listen["address"], listen["port"], name, proxied) for listen in site["nginx"]["listen_tls"]]
    return any(one not in ("", wanted) for one in found)


def asked(site: Mapping[str, Any]) -> str:
    """Return a name to request; '' if a site has only IP addresses, which no client sends (RFC 6066, 3)."""
    names = [name for name in site["domains"] if not schemes.is_address(name)]
    return next((name for name in names if "*" not in name), names[0].replace("*", "pyweb-check", 1) if names else "")


def served(address: str, port: int, name: str, proxied: bool = False) -> str:
    """Return the SHA-256 of the certificate that is served for a name; '' if none is.

    `address` is one of this host, '' for all of them. With `proxied`, the listener expects the PROXY protocol.
    """
    host = address.strip("[]") or ("127.0.0.1" if os.path.exists("/proc/net/fib_trie") else "::1")
    try:
        found = acme_served.handshake(host, port, name, proxied)
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(found).hexdigest() if found else ""
