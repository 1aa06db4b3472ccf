# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a site is served over HTTPS, and where visitors find it. Kept small: it is sent to hosts.

All functions take a completed site, or the part of one that a release records; records of earlier versions have no
`tls`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any


def has_tls(site: Mapping[str, Any]) -> bool:
    """Return whether nginx itself serves the site over HTTPS."""
    return kind(site) != "none"


def kind(site: Mapping[str, Any]) -> str:
    """Return the source of the certificate: none, selfsigned, certificate, path or acme."""
    return str(site.get("tls", {}).get("kind", "none"))


def scheme(site: Mapping[str, Any]) -> str:
    """Return the scheme that visitors use in the end."""
    return "https" if has_tls(site) else "http"


def tls_listeners(site: Mapping[str, Any]) -> list[Any]:
    """Return where nginx listens for HTTPS: by default 443, and nowhere without TLS."""
    return list(site["nginx"]["listen_tls"]) or [{"address": "", "port": 443}] if has_tls(site) else []


def authority(site: Mapping[str, Any]) -> str:
    """Return the Host of requests for the site, with its port if it is not the scheme's default."""
    name = str(site.get("canonical") or site["domains"][0])
    listeners = site["nginx"]["listen_tls"] if has_tls(site) else site["nginx"]["listen"]
    port = listeners[0]["port"] if listeners else 80
    # Without TLS, a site on 443 is behind a server that has it.
    usual = (443,) if has_tls(site) else (80, 443)
    return name if port in usual else f"{name}:{port}"


def asks_for_files(site: Mapping[str, Any]) -> bool:
    """Return whether a CA requests a file from the site over HTTP to verify its domains."""
    return kind(site) == "acme" and bool(site["tls"]["acme"]["challenge"]["kind"] == "http")


def is_address(domain: str) -> bool:
    """Return whether one of the domains of a site is an IP address."""
    try:
        ipaddress.ip_address(domain.strip("[]"))
    except ValueError:
        return False
    return True
