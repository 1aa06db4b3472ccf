# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""URLs as the collection sees them: fetched or not, with or without credentials."""

from __future__ import annotations

import re


def is_url(text: str) -> bool:
    """Say whether an archive is fetched from the web; otherwise it is a file."""
    return text.startswith(("http://", "https://"))


# User, password or token before a host. A password may have an @ in it, and, unescaped, a slash: after a colon that no
# port follows all counts up to the last @.
CREDENTIALS = re.compile(r"//([^/?#\s]*|[^/?#\s:@\[]+:(?![0-9]*(?:[/?#\s]|$))\S*)@")


def credentials(text: str) -> list[str]:
    """Return what stands before the host (user, password, token) in every URL of a text."""
    return CREDENTIALS.findall(text)


def without_credentials(text: str) -> str:
    """Return a text with its URLs as they may be shown."""
    return CREDENTIALS.sub("//", text)
