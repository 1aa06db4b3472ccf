# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values that nobody may see: what shells and reports hide. Small, because it is sent to hosts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from .types import Secrets
from .urls import credentials, query_secrets

# Secrets that are URLs of which only the credentials are secret: the keys with `credentials` in the table of keys.
URLS = ("git", "archive", "tarball")
# Secrets that are environments, of which not every value is one.
ENVIRONMENTS = ("env", "dns_environment")
# A line of a secret that is shorter than this may be any word; a key's lines are longer.
SECRET_LINE = 8
# A user in a URL that is as long as this is a token.
TOKEN = 20
# What of `env` is no secret, whatever it is called: hiding these would hide nothing, and make every message unreadable.
# `build/pyweb_errors.py` has the same two patterns; a test holds them together.
WORDS = re.compile(r"(?i)true|false|yes|no|on|off|none|null")
# Below the directories that every system has (hier(7)), or of several plain words: a key in base64 may begin with a
# slash, too.
PATH = re.compile(
    r"/(?:bin|boot|dev|etc|home|lib|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)(?:/[\w.+@-]+)*/?"
    r"|(?:/[a-z][a-z._-]*[0-9]{0,3}){2,}/?",
    re.ASCII,
)
# Variables of the steps that install whose values are secrets, such as UV_INDEX_OURS_PASSWORD or NPM_TOKEN.
SECRET_NAME = re.compile(r"(?i)password|passphrase|passwd|secret|token|_auth")
# Variables whose values are names, of modules and of places.
NAMES = ("DJANGO_SETTINGS_MODULE", "DJANGO_CONFIGURATION", "LANG", "TZ")


def hidden_values(
    secrets: Secrets, environment: Mapping[str, str] | None = None, names: Collection[str] = ()
) -> list[str]:
    """Return all texts that may not be shown of a site and of `environment`, that of the steps that install.

    Every value of the secrets is hidden in all its forms, and so is each value in a file of credentials; of a
    repository's URL and of the environment's URLs (a proxy, a package index) only the credentials are, and of its other
    values those that are secrets by their names. Of `env` what `is_shown` says stays; `names` are the site's
    `own_names`.
    """
    given = environment or {}
    whole = [text for name, value in secrets.items() if name not in (*URLS, *ENVIRONMENTS) for text in _texts(value)]
    whole += [text for text in _values(secrets.get("dns_credentials", "")) if not is_shown(text, names)]
    urls = [text for name, value in secrets.items() if name in URLS for text in _texts(value)]
    parts = [part for text in [*urls, *given.values()] for part in _of_url(text)]
    named = [value for name, value in given.items() if SECRET_NAME.search(name) and not is_shown(value, names)]
    own = hidden_variables(secrets["env"], names)
    own += hidden_variables(secrets.get("dns_environment", {}), names)
    parts = [part for part in parts if part not in names]
    return [text for text in dict.fromkeys(own + all_forms([*whole, *named]) + parts) if text]


def shown_environment(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return what of an environment may stand on a command line: no secret but the password of a proxy."""
    given = {str(name): str(value) for name, value in environment.items()}
    return {
        name: value
        for name, value in given.items()
        if name.lower().endswith("_proxy") or not (SECRET_NAME.search(name) or _of_url(value))
    }


def hidden_variables(env: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Return the texts that may not be shown of a site's environment."""
    secret = [str(value) for name, value in env.items() if name not in NAMES and not is_shown(str(value), names)]
    return [text for text in all_forms(secret) if not is_shown(text, names)]


def is_shown(value: str, names: Collection[str]) -> bool:
    """Say whether a value of `env` is no secret: a truth value, a path, or one of the `own_names` of the site."""
    return value in names or WORDS.fullmatch(value) is not None or PATH.fullmatch(value) is not None


def own_names(site: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of a site that stand in its messages: of a completed site, or of what a release recorded."""
    wsgi = str(site.get("wsgi") or "")
    modules = [str(site.get("settings_module") or ""), wsgi, wsgi.partition(":")[0]]
    packages = [module.partition(".")[0] for module in modules]
    paths = dict(site.get("paths") or {}).values()
    found = [site.get("name", ""), site.get("user", ""), *site.get("domains", []), *paths, *modules, *packages]
    return frozenset(name for name in found if name)


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


def _of_url(url: str) -> list[str]:
    """Return what of a URL may not be shown: a tool may write a password as it was given, or as it is sent."""
    found = []
    for part in credentials(url):
        user, _colon, password = part.partition(":")
        # A user without a password is a token, and so is a long one: else it is a name, which may be any word.
        token = not password or len(user) >= TOKEN
        found += [part, password, unquote(password), *([user, unquote(user)] if token else [])]
    return [*found, *query_secrets(url)]


def _values(text: str) -> list[str]:
    """Return what stands behind the = of each line of a file of credentials."""
    return [value for line in text.splitlines() if (value := line.partition("=")[2].strip())]


def _texts(value: Any) -> list[str]:
    values = value.values() if isinstance(value, Mapping) else [value]
    return [str(text) for text in values]
