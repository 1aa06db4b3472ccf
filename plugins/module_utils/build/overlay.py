# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings overlay: it deploys a Django project without a change of its code.

A build's `overlay` directory contains three modules. The settings import the project's own and then set what a server
needs. The WSGI entry makes sure that these settings are used, even if `uwsgi --ini` is started by hand. The third
module writes unhandled exceptions to the journal.
"""

from __future__ import annotations

import importlib.util
import posixpath
import pprint
import re
import textwrap
from importlib.abc import InspectLoader
from typing import TYPE_CHECKING, Any, TypedDict, cast
from urllib.parse import unquote_to_bytes

from ..build import runtime
from ..model import schemes
from ..model.layout import Layout
from ..model.prefixes import below
from ..model.types import Site

if TYPE_CHECKING:
    # Read, but never imported here. Ansible sends a module to the host if an import names it.
    from . import pyweb_errors, pyweb_wsgi  # noqa: F401 - named so that Ansible sends them

SETTINGS = '''\
"""Settings of the site {name}, over those of the project. Written by pyweb.stack: change the inventory instead."""

import os
from pathlib import Path
{prepared}
{project}
_build = Path(__file__).resolve().parent.parent
_project = globals()

DEBUG = False
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or Path({secret_key}).read_text(encoding="utf-8").strip()
ALLOWED_HOSTS = {allowed_hosts}
CSRF_TRUSTED_ORIGINS = [*_project.get("CSRF_TRUSTED_ORIGINS", []), *{origins}]
{files}{database}
# Without this an error in production would be mailed to nobody and logged nowhere.
if not _project.get("LOGGING"):
    LOGGING = {{
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {{"stderr": {{"class": "logging.StreamHandler"}}}},
        "root": {{"handlers": ["stderr"], "level": "INFO"}},
    }}
{settings}'''

PATHS = """\
import sys
from pathlib import Path

# What the project's manage.py adds to it.
sys.path += [path for path in {paths} if path not in sys.path]

"""

# The importer makes settings of the class when the module in DJANGO_SETTINGS_MODULE is imported. A class without
# settings replaces it, because a worker of the project may have the importer read this module too.
CONFIGURATION = """\
from configurations import importer as _importer

{default}os.environ["DJANGO_SETTINGS_MODULE"] = {module}
_importer.install()

from {settings_module} import *

os.environ["DJANGO_SETTINGS_MODULE"] = __name__


class _Made:
    pre_setup = setup = post_setup = staticmethod(lambda: None)


globals()[os.environ["DJANGO_CONFIGURATION"]] = _Made
"""

ENTRY = '''\
"""The WSGI entry of the project of the site {name}. Written by pyweb.stack: change the inventory instead."""

{paths}{entry}
'''
MADE_ENTRY = """\
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()"""

STATIC = """
# A STATIC_URL on another host (a CDN) is the project's own business.
if "//" not in str(_project.get("STATIC_URL") or ""):
    STATIC_URL = {url}
STATIC_ROOT = str(_build / "static")
"""

MEDIA = """
if "//" not in str(_project.get("MEDIA_URL") or ""):
    MEDIA_URL = {url}
    MEDIA_ROOT = {path}
"""

SQLITE = """
# An SQLite file inside the code would be lost with every deploy: it lives with the data.
_code = (_build / "src").resolve()
for _database in _project.get("DATABASES", {{}}).values():
    _file = str(_database.get("NAME", ""))
    if _database.get("ENGINE", "").endswith({engines}) and _file and ":" not in _file:
        if not Path(_file).is_absolute() or _code in Path(_file).resolve().parents:
            _moved = Path({state}) / Path(_file).name
            if not ({in_place} and Path(_file).exists() and not _moved.exists()):
                _database["NAME"] = str(_moved)
"""

DATABASE_URL = """
import dj_database_url

DATABASES = {**_project.get("DATABASES", {}), "default": dj_database_url.config(conn_max_age=60)}
"""

PREFIX = """
# Links begin with the path that the site is served below, and its cookies stay there.
FORCE_SCRIPT_NAME = {prefix!r}
_pages = {{"LOGIN_URL": "/accounts/login/", "LOGIN_REDIRECT_URL": "/accounts/profile/", "LOGOUT_REDIRECT_URL": None}}
for _name, _page in _pages.items():
    _page = _project.get(_name, _page)
    # reverse_lazy() is no text yet; it finds the prefix by itself.
    if isinstance(_page, str) and _page.startswith("/") and not _page.startswith(("//", FORCE_SCRIPT_NAME + "/")):
        _project[_name] = FORCE_SCRIPT_NAME + _page
for _name in ("SESSION_COOKIE_PATH", "CSRF_COOKIE_PATH", "LANGUAGE_COOKIE_PATH"):
    if _project.get(_name, "/") == "/":
        _project[_name] = FORCE_SCRIPT_NAME
# A site above it has a session of its own, whose cookie comes here as well.
if _project.get("SESSION_COOKIE_NAME", "sessionid") == "sessionid":
    SESSION_COOKIE_NAME = {session!r}
"""

PROXY = """
# nginx says in this header by which scheme the client came, whatever the client says there.
if not _project.get("SECURE_PROXY_SSL_HEADER"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
"""

FORWARDED_HOST = """
# nginx passes on the Host that a trusted proxy names, and removes what anybody else says.
USE_X_FORWARDED_HOST = True
"""

HTTPS = """
# nginx redirects to https, so no cookie has to go over http.
SECURE_SSL_REDIRECT = False
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
LANGUAGE_COOKIE_SECURE = True
"""

# A browser uses the first of two headers (RFC 6797, section 8.1).
HSTS = """
# nginx sends Strict-Transport-Security, for static files too.
SECURE_HSTS_SECONDS = 0
"""

SILENCED = """
SILENCED_SYSTEM_CHECKS = [
    *_project.get("SILENCED_SYSTEM_CHECKS", []),
    # SECURE_HSTS_SECONDS is not set: nginx sends the header, for as long as nginx.hsts says.
    "security.W004",
    # Nor for all subdomains: the inventory knows of this site alone.
    "security.W005",{redirected}
    # Nor for the list in browsers: whoever is on it cannot go back to http for months.
    "security.W021",
]
"""

REDIRECTED = """
    # SECURE_SSL_REDIRECT is not True: nginx redirects, and Django would do it in a loop or to another port.
    "security.W008","""

BELOW = '''

_project = application
PREFIX = {prefix!r}


def application(environ, start_response):
    """Show the project what is below the prefix: clients, nginx and health checks name whole paths."""
    path = environ.get("PATH_INFO", "")
    if path.startswith(PREFIX + "/"):
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = PREFIX, path[len(PREFIX) :]
        return _project(environ, start_response)
    if path == PREFIX:
        query = environ.get("QUERY_STRING", "")
        start_response("301 Moved Permanently", [("Location", PREFIX + "/" + ("?" + query if query else ""))])
        return [b""]
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [f"This site is served below {{PREFIX}}/.\\n".encode()]'''

# How many seconds a worker waits for its own first answers before it accepts requests: after a worker was killed, its
# replacement must be ready within two seconds.
WARM_UP_SECONDS = 1
# uWSGI treats a stop signal between its start and hook-master-start as a reload. If the application is loaded again
# within this time, it was such a stop: the master takes a second to notice that its workers have ended.
RELOAD_SECONDS = 5


class Found(TypedDict):
    """What the overlay needs to know of the project, see `project.Discovered`."""

    chdir: str
    settings_module: str
    wsgi: str
    paths: list[str]
    configurations: bool
    configuration: str


def settings(site: Site, settings_module: str, found: Found | None = None) -> str:
    """Return the text of the settings overlay of a completed site.

    Without `found`, return the text that depends only on the inventory, which is an input of the build's ID. With it,
    the text first imports `pyweb_environment`; this does not change the ID of builds that 0.1 made.
    """
    layout, static, media = Layout.of(site), site["nginx"]["static"], site["nginx"]["media"]
    files = STATIC.format(url=repr(static["url"] if static else below(site["prefix"], "/static/")))
    if media:
        files += MEDIA.format(url=repr(media["url"]), path=repr(layout.media))
    database = ""
    if site["database"]:
        database = DATABASE_URL
    else:
        # Code in place may already have its data beside it: they stay there.
        in_place = site["source"]["kind"] == "path"
        engines = '("sqlite3", "spatialite")' if found else '"sqlite3"'
        database = SQLITE.format(state=repr(layout.state), in_place=in_place, engines=engines)
    if site["prefix"]:
        session = "sessionid" + re.sub(r"\W+", "_", site["prefix"])
        database += PREFIX.format(prefix=site["prefix"], session=session)
    own = "".join(f"{name} = {_literal(value)}\n" for name, value in sorted(site["settings"].items()))
    return SETTINGS.format(
        name=site["name"],
        prepared="\nimport pyweb_environment\n" if found else "",
        project=_project(site, settings_module, found),
        secret_key=repr(layout.secret_key),
        allowed_hosts=_literal([domain[1:] if domain.startswith("*.") else domain for domain in site["domains"]]),
        origins=_literal(site["origins"]),
        files=files,
        database=database + _behind(site),
        settings="\n" + own if own else "",
    )


def entry(site: Site, found: Found) -> str:
    """Return the text of the module with the project's WSGI entry; '' if the project's own can be imported."""
    if found["wsgi"] and not found["paths"] and not site["prefix"]:
        return ""
    module, _colon, name = found["wsgi"].partition(":")
    lines = f"from {module} import {name or 'application'} as application" if found["wsgi"] else MADE_ENTRY
    lines += BELOW.format(prefix=site["prefix"]) if site["prefix"] else ""
    return ENTRY.format(name=site["name"], paths=_paths(found), entry=lines)


def wsgi(site: Site, entry: str) -> str:
    """Return the text of the WSGI entry for `entry`, 'module' or 'module:callable'."""
    module, _colon, name = entry.partition(":")
    asked = [page.partition("?")[::2] for page in site["warm_up"]]
    values = {
        "SITE_NAME": site["name"],
        "OVERLAY_MODULE": runtime.SETTINGS_MODULE,
        "entry_module": module,
        "entry_callable": name or "application",
        "SITE_HOST": repr(runtime.host(site)),
        "OVER_HTTPS": repr({"HTTPS": "on", "HTTP_X_FORWARDED_PROTO": "https"}),
        # As bytes decoded as Latin-1, as WSGI represents them (PEP 3333).
        "WARM_UP_PAGES": repr([(unquote_to_bytes(path).decode("latin-1"), query) for path, query in asked]),
        "WARM_UP_SECONDS": str(WARM_UP_SECONDS),
        "RELOAD_SECONDS": str(RELOAD_SECONDS),
    }
    text = _text_of(runtime.WSGI_MODULE)
    if not schemes.has_tls(site):
        text = re.sub(r"^.*\bOVER_HTTPS\b.*\n", "", text, flags=re.MULTILINE)
    # All at once: a value may contain the name of a placeholder.
    return re.sub(rf"\b({'|'.join(values)})\b", lambda match: values[match[0]], text)


def errors() -> str:
    """Return the text of the module that writes unhandled exceptions to the journal. It is the same for all sites."""
    return _text_of(runtime.ERRORS_MODULE)


def _project(site: Site, settings_module: str, found: Found | None) -> str:
    """Return the lines that import the project's settings."""
    imported = f"from {settings_module} import *\n"
    if not found:
        return imported
    if found["configurations"]:
        chosen = found["configuration"]
        default = f'os.environ.setdefault("DJANGO_CONFIGURATION", {chosen!r})\n' if chosen else ""
        imported = CONFIGURATION.format(default=default, module=repr(settings_module), settings_module=settings_module)
    return _paths(found) + imported


def _behind(site: Site) -> str:
    """Return the lines for the servers in front of Django; '' if that is only nginx over plain HTTP."""
    tls, nginx = schemes.has_tls(site), site["nginx"]
    text = PROXY if tls or nginx["trusted_proxies"] else ""
    text += FORWARDED_HOST if nginx["trusted_proxies"] else ""
    if tls:
        text += HTTPS if nginx["redirect"] else ""
        text += HSTS if nginx["hsts"] else ""
        text += SILENCED.format(redirected=REDIRECTED if nginx["redirect"] else "")
    return text


def _paths(found: Found) -> str:
    """Return the lines that add the project's directories to sys.path."""
    if not found["paths"]:
        return ""
    places = [posixpath.normpath(f"src/{found['chdir']}/{path}") for path in found["paths"]]
    root = "Path(__file__).resolve().parent.parent"
    paths = f"[str({root} / place) for place in {places!r}]"
    return PATHS.format(paths=paths)


def _text_of(module: str) -> str:
    """Return the text of a file of this package below its header. On a host, the file is in a zip archive."""
    name = f"{__package__}.{module}"
    spec = importlib.util.find_spec(name)
    # Every file loader has this method, though not each declares itself an InspectLoader (zipimport does not).
    # Ansible's loader of collections returns bytes (ansible.utils.collection_loader), which only a controller has.
    found = cast("str | bytes | None", cast(InspectLoader, spec.loader).get_source(name) if spec else None)
    if found is None:
        raise ImportError(f"the text of {name} is missing")
    source = found.decode() if isinstance(found, bytes) else found
    text = re.split(r"^# -{20,}\n(?:if __name__ == .__main__.:\n)?", source, maxsplit=1, flags=re.MULTILINE)[1]
    return textwrap.dedent(text)


def _literal(value: Any) -> str:
    return pprint.pformat(value, width=110, sort_dicts=False)
