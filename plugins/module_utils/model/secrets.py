# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values that nobody may see: what shells and reports hide. Small, because it is sent to hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from .types import Secrets
from .urls import credentials

# Secrets that are URLs of which only the credentials are secret: the keys with `credentials` in the table of keys.
URLS = ("git",)
# A line of a secret that is shorter than this may be any word; a key's lines are longer.
SECRET_LINE = 8


def hidden_values(secrets: Secrets, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return all texts that may not be shown of a site and of `environment`, that of the steps that install.

    Every value of the secrets is hidden in all its forms; of a repository's URL and of the environment's URLs (a proxy,
    a package index) only the credentials are.
    """
    whole = [text for name, value in secrets.items() if name not in URLS for text in _texts(value)]
    urls = [text for name, value in secrets.items() if name in URLS for text in _texts(value)]
    parts = [part for text in [*urls, *(environment or {}).values()] for part in credentials(text)]
    return [text for text in dict.fromkeys(all_forms(whole) + parts) if text]


def all_forms(secrets: Iterable[str]) -> list[str]:
    """Return the texts in which secrets may show up: they, the credentials in URLs, and the lines of longer ones."""
    found = []
    for secret in secrets:
        found.append(secret.strip("\n"))
        for part in credentials(secret):
            # A driver's error shows the password as the server gets it, without the URL's escapes.
            password = part.partition(":")[2]
            found += [part, password, unquote(password)]
        lines = secret.splitlines()
        # The journal has an entry for each line, and may have cut what comes before.
        found += [line for line in lines if len(line) >= SECRET_LINE and len(lines) > 1]
    return [text for text in dict.fromkeys(found) if text]


def _texts(value: Any) -> list[str]:
    values = value.values() if isinstance(value, Mapping) else [value]
    return [str(text) for text in values]
