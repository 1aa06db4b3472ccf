# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""URLs as the collection sees them: fetched or not, with or without credentials."""

from __future__ import annotations

import re


def is_url(text: str) -> bool:
    """Say whether an archive is fetched from the web; otherwise it is a file."""
    return text.startswith(("http://", "https://"))


def credentials(text: str) -> list[str]:
    """Return what stands before the host (user, password, token) in every URL of a text."""
    return re.findall(r"//([^/@\s]*)@", text)


def without_credentials(text: str) -> str:
    """Return a text with its URLs as they may be shown."""
    return re.sub(r"//[^/@]*@", "//", text)
