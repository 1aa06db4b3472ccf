# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names that are never in the public DNS."""

from __future__ import annotations

import re

# RFC 2606, RFC 6761, RFC 6762, and what home routers use.
_RESERVED = ("test", "example", "invalid", "localhost", "local", "internal", "lan", "home")


def reserved(domain: str) -> bool:
    """Return whether a name is never in the public DNS: a reserved one, an address, a single label."""
    if re.fullmatch(r"[0-9.]+|\[?[0-9a-f:]+\]?", domain) or "." not in domain:
        return True
    labels = domain.lower().rstrip(".").split(".")
    return labels[-1] in _RESERVED or (labels[-2] == "example" and labels[-1] in ("com", "net", "org"))
