# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The secret values of a site, which shells and reports hide. Kept small, because it is sent to hosts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from .types import Secrets
from .urls import credentials, query_secrets

# Secret URLs of which only the credentials are secret: the keys with `credentials` in the table of keys.
URLS = ("git", "archive", "tarball")
# Secret environments, in which not every value is secret.
ENVIRONMENTS = ("env", "dns_environment")
# A shorter line of a secret may be an ordinary word; a key's lines are longer.
SECRET_LINE = 8
# A user in a URL of this length is a token.
TOKEN = 20
# Values of `env` that are not secret, whatever their name: hiding them would protect nothing and make messages
# unreadable. `build/pyweb_errors.py` has the same two patterns; a test compares them.
WORDS = re.compile(r"(?i)true|false|yes|no|on|off|none|null")
# Below the directories of every system (hier(7)), or of several plain words: a key in base64 may also begin with a
# slash.
PATH = re.compile(
    r"/(?:bin|boot|dev|etc|home|lib|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)(?:/[\w.+@-]+)*/?"
    r"|(?:/[a-z][a-z._-]*[0-9]{0,3}){2,}/?",
    re.ASCII,
)
# Names of variables of the installing steps with secret values, such as UV_INDEX_OURS_PASSWORD or NPM_TOKEN.
SECRET_NAME = re.compile(r"(?i)password|passphrase|passwd|secret|token|_auth")
# Variables whose values are names of modules and of places.
NAMES = ("DJANGO_SETTINGS_MODULE", "DJANGO_CONFIGURATION", "LANG", "TZ")


def hidden_values(
    secrets: Secrets, environment: Mapping[str, str] | None = None, names: Collection[str] = ()
) -> list[str]:
    """Return all secret texts of a site and of `environment`, that of the steps that install.

    Every value of the secrets is hidden in all its forms, and so is each value in a file of credentials. Of a
    repository's URL and of the environment's URLs (a proxy, a package index), only the credentials are hidden; of its
    other values, those with secret names. Of `env`, values for which `is_shown` is true are not hidden; `names` are the
    site's `own_names`.
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
    """Return the part of an environment that may be on a command line: no secret, not even the password of a proxy."""
    given = {str(name): str(value) for name, value in environment.items()}
    return {
        name: value
        for name, value in given.items()
        if name.lower().endswith("_proxy") or not (SECRET_NAME.search(name) or _of_url(value))
    }


def hidden_variables(env: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Return the secret texts of a site's environment."""
    secret = [str(value) for name, value in env.items() if name not in NAMES and not is_shown(str(value), names)]
    return [text for text in all_forms(secret) if not is_shown(text, names)]


def is_shown(value: str, names: Collection[str]) -> bool:
    """Return whether a value of `env` is not secret: a boolean, a path, or one of the site's `own_names`."""
    return value in names or WORDS.fullmatch(value) is not None or PATH.fullmatch(value) is not None


def own_names(site: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of a site that its messages contain: of a completed site, or of a release's record."""
    wsgi = str(site.get("wsgi") or "")
    modules = [str(site.get("settings_module") or ""), wsgi, wsgi.partition(":")[0]]
    packages = [module.partition(".")[0] for module in modules]
    paths = dict(site.get("paths") or {}).values()
    found = [site.get("name", ""), site.get("user", ""), *site.get("domains", []), *paths, *modules, *packages]
    return frozenset(name for name in found if name)


def all_forms(secrets: Iterable[str]) -> list[str]:
    """Return the texts that may show secrets: the secrets, credentials in their URLs, and their lines."""
    found = []
    for secret in secrets:
        found.append(secret.strip("\n"))
        for part in credentials(secret):
            # A driver's error contains the password as the server gets it, without the URL's escapes.
            password = part.partition(":")[2]
            found += [part, password, unquote(password)]
        lines = secret.splitlines()
        # The journal has an entry for each line, and may have cut what precedes it.
        found += [line for line in lines if len(line) >= SECRET_LINE and len(lines) > 1]
    return [text for text in dict.fromkeys(found) if text]


def _of_url(url: str) -> list[str]:
    """Return the secrets of a URL; tools may print a password as given, or as sent."""
    found = []
    for part in credentials(url):
        user, _colon, password = part.partition(":")
        # A user without a password is a token, and so is a long one; otherwise it is a name, which may be any word.
        token = not password or len(user) >= TOKEN
        found += [part, password, unquote(password), *([user, unquote(user)] if token else [])]
    return [*found, *query_secrets(url)]


def _values(text: str) -> list[str]:
    """Return the values after the = in each line of a file of credentials."""
    return [value for line in text.splitlines() if (value := line.partition("=")[2].strip())]


def _texts(value: Any) -> list[str]:
    values = value.values() if isinstance(value, Mapping) else [value]
    return [str(text) for text in values]
