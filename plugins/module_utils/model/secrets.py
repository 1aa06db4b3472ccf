# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values that nobody may see: what shells and reports hide. Small, because it is sent to hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .types import Secrets
from .urls import credentials

# Secrets that are URLs of which only the credentials are secret: the keys with `credentials` in the table of keys.
URLS = ("git",)


def hidden_values(secrets: Secrets, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return all texts that may not be shown of a site and of `environment`, that of the steps that install.

    Every value of the secrets is hidden whole; of a repository's URL and of the environment's URLs (a proxy, a package
    index) only the credentials are.
    """
    whole = [text for name, value in secrets.items() if name not in URLS for text in _texts(value)]
    urls = [text for name, value in secrets.items() if name in URLS for text in _texts(value)]
    parts = [part for text in [*urls, *(environment or {}).values()] for part in credentials(text)]
    return [text for text in dict.fromkeys(whole + parts) if text]


def _texts(value: Any) -> list[str]:
    values = value.values() if isinstance(value, Mapping) else [value]
    return [str(text) for text in values]
