# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""URLs as the collection sees them: fetched or not, with or without credentials."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl


def is_url(text: str) -> bool:
    """Say whether an archive is fetched from the web; otherwise it is a file."""
    return text.startswith(("http://", "https://"))


# User, password or token before a host. A password may have an @ in it, and, unescaped, a slash: after a colon that no
# port follows all counts up to the last @.
_CREDENTIALS = re.compile(r"//([^/?#\s]*|[^/?#\s:@\[]+:(?![0-9]*(?:[/?#\s]|$))\S*)@")


def credentials(text: str) -> list[str]:
    """Return what stands before the host (user, password, token) in every URL of a text."""
    return _CREDENTIALS.findall(text)


def without_credentials(text: str) -> str:
    """Return a text with its URLs as they may be shown."""
    return _CREDENTIALS.sub("//", text)


# What follows the path of a URL: servers take a token there, too (`?private_token=`, `?X-Amz-Signature=`).
_QUERY = re.compile(r"(?<=://)([^\s?#'\"]*)[?#][^\s'\"]*")
# A value of a query that is shorter may be any word, such as `main`; the query as a whole is hidden in any case.
QUERY_VALUE = 8


def public(url: str) -> str:
    """Return one URL as it may be shown and stored: without credentials, query and fragment."""
    return _QUERY.sub(r"\1", without_credentials(url))


def without_tokens(text: str) -> str:
    """Return a text, such as a message, with its URLs as they may be shown, and a mark where something was."""
    return _QUERY.sub(r"\1?********", _CREDENTIALS.sub("//********@", text))


def query_secrets(url: str) -> list[str]:
    """Return what of a URL's query may not be shown: the query, and its longer values, with and without escapes."""
    if "://" not in url:
        return []
    found = []
    for part in url.partition("?")[2].split("#", 1):
        raw = [pair.partition("=")[2] for pair in part.split("&")]
        values = [*raw, *(value for _name, value in parse_qsl(part))]
        found += [part, *(value for value in values if len(value) >= QUERY_VALUE)]
    return [text for text in dict.fromkeys(found) if text]
