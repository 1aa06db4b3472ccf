# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Maintenance of a site: nginx answers its visitors with 503. Kept small: it is sent to hosts."""

from __future__ import annotations

import os

from . import names


def told(name: str) -> str:
    """Return the note about a site in maintenance; '' if it is not."""
    if not os.path.exists(names.beside_site(name, "maintenance")):
        return ""
    end = f"pyweb.stack.maintenance -e maintenance_site={name} -e maintenance=false"
    return f"site '{name}': maintenance is on, and visitors get 503; to end it: {end}"
