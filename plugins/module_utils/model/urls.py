# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""URLs of the collection: whether they are downloaded, and how their credentials are hidden."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl


def is_url(text: str) -> bool:
    """Return whether an archive is downloaded; otherwise it is a file."""
    return text.startswith(("http://", "https://"))


# User, password or token before a host. A password may contain an @ and, unescaped, a slash: after a colon without a
# port, everything up to the last @ counts.
_CREDENTIALS = re.compile(r"//([^/?#\s]*|[^/?#\s:@\[]+:(?![0-9]*(?:[/?#\s]|$))\S*)@")


def credentials(text: str) -> list[str]:
    """Return what precedes the host (user, password, token) in every URL of a text."""
    return _CREDENTIALS.findall(text)


def without_credentials(text: str) -> str:
    """Return a text without the credentials of its URLs."""
    return _CREDENTIALS.sub("//", text)


# What follows the path of a URL: it may contain a token, too (`?private_token=`, `?X-Amz-Signature=`).
_QUERY = re.compile(r"(?<=://)([^\s?#'\"]*)[?#][^\s'\"]*")
# A shorter value of a query may be any word, such as `main`; the whole query is always hidden.
QUERY_VALUE = 8


def public(url: str) -> str:
    """Return a URL that can be shown and stored: without credentials, query and fragment."""
    return _QUERY.sub(r"\1", without_credentials(url))


def without_tokens(text: str) -> str:
    """Return a text, such as a message, with its URLs made safe to show; a mark replaces what was removed."""
    return _QUERY.sub(r"\1?********", _CREDENTIALS.sub("//********@", text))


def query_secrets(url: str) -> list[str]:
    """Return the secrets in a URL's query: the query, and its longer values, with and without escapes."""
    if "://" not in url:
        return []
    found = []
    for part in url.partition("?")[2].split("#", 1):
        raw = [pair.partition("=")[2] for pair in part.split("&")]
        values = [*raw, *(value for _name, value in parse_qsl(part))]
        found += [part, *(value for value in values if len(value) >= QUERY_VALUE)]
    return [text for text in dict.fromkeys(found) if text]
