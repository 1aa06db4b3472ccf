# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings overlay: what turns any Django project into a deployed one without an edit of its code.

Three modules lie in a build's `overlay` directory: the settings, which import the project's own and then set what a
server needs; the WSGI entry, which makes sure that these settings are the ones in use, even when somebody starts
`uwsgi --ini` by hand; and what writes unhandled exceptions into the journal.
"""

from __future__ import annotations

import importlib.util
import pprint
import re
from importlib.abc import InspectLoader
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_to_bytes

from ..model.layout import Layout
from ..model.types import Site

if TYPE_CHECKING:
    # Never imported, only read: Ansible ships to the host what is named in an import.
    from . import pyweb_errors, pyweb_wsgi  # noqa: F401 - named so that Ansible ships them, used by nobody

SETTINGS = '''\
"""Settings of the site {name}, over those of the project. Written by pyweb.stack: change the inventory instead."""

import os
from pathlib import Path

from {settings_module} import *

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
    if _database.get("ENGINE", "").endswith("sqlite3") and _file and ":" not in _file:
        if not Path(_file).is_absolute() or _code in Path(_file).resolve().parents:
            _moved = Path({state}) / Path(_file).name
            if not ({in_place} and Path(_file).exists() and not _moved.exists()):
                _database["NAME"] = str(_moved)
"""

DATABASE_URL = """
import dj_database_url

DATABASES = {**_project.get("DATABASES", {}), "default": dj_database_url.config(conn_max_age=60)}
"""

SETTINGS_MODULE = "pyweb_settings"
WSGI_MODULE = "pyweb_wsgi"
ERRORS_MODULE = "pyweb_errors"
# How long a worker waits for its own first answers before it takes requests: one that was killed is to be back within
# two seconds.
WARM_UP_SECONDS = 1
# uWSGI takes a stop that comes between its start and hook-master-start for a reload. One that has its application back
# so soon after it was loaded is such a stop: the master takes a second to see that its workers are gone.
RELOAD_SECONDS = 5


def settings(site: Site, settings_module: str) -> str:
    """Return the text of the settings overlay of a completed site."""
    layout, static, media = Layout.of(site), site["nginx"]["static"], site["nginx"]["media"]
    files = STATIC.format(url=repr(static["url"] if static else "/static/"))
    if media:
        files += MEDIA.format(url=repr(media["url"]), path=repr(layout.media))
    database = ""
    if site["database"]:
        database = DATABASE_URL
    else:
        # Code that is used in place may have its data beside it already: they stay there.
        in_place = site["source"]["kind"] == "path"
        database = SQLITE.format(state=repr(layout.state), in_place=in_place)
    own = "".join(f"{name} = {_literal(value)}\n" for name, value in sorted(site["settings"].items()))
    return SETTINGS.format(
        name=site["name"],
        settings_module=settings_module,
        secret_key=repr(layout.secret_key),
        allowed_hosts=_literal([domain[1:] if domain.startswith("*.") else domain for domain in site["domains"]]),
        origins=_literal(site["origins"]),
        files=files,
        database=database,
        settings="\n" + own if own else "",
    )


def wsgi(site: Site, entry: str) -> str:
    """Return the text of the WSGI entry for `entry`, 'module' or 'module:callable'."""
    module, _colon, name = entry.partition(":")
    asked = [page.partition("?")[::2] for page in site["warm_up"]]
    values = {
        "SITE_NAME": site["name"],
        "OVERLAY_MODULE": SETTINGS_MODULE,
        "entry_module": module,
        "entry_callable": name or "application",
        "SITE_HOST": repr(host(site)),
        # As bytes in the guise of Latin-1, which is how WSGI has it (PEP 3333).
        "WARM_UP_PAGES": repr([(unquote_to_bytes(path).decode("latin-1"), query) for path, query in asked]),
        "WARM_UP_SECONDS": str(WARM_UP_SECONDS),
        "RELOAD_SECONDS": str(RELOAD_SECONDS),
    }
    # All at once: a value may have the name of a stand-in in it.
    return re.sub(rf"\b({'|'.join(values)})\b", lambda match: values[match[0]], _text_of(WSGI_MODULE))


def errors() -> str:
    """Return the text of the module that writes unhandled exceptions into the journal. It is the same for all sites."""
    return _text_of(ERRORS_MODULE)


def host(site: Site) -> str:
    """Return the Host under which a site asks itself: its first domain, with the port where that is no usual one."""
    port = site["nginx"]["listen"][0]["port"]
    return site["domains"][0].replace("*", "www", 1) + ("" if port in (80, 443) else f":{port}")


def _text_of(module: str) -> str:
    """Return the text of a file of this folder below its header, wherever Python keeps it: on a host in a zip file."""
    name = f"{__package__}.{module}"
    spec = importlib.util.find_spec(name)
    # Every loader of files has this, though not each says that it is an InspectLoader (zipimport does not).
    source = cast(InspectLoader, spec.loader).get_source(name) if spec else None
    if source is None:
        raise ImportError(f"the text of {name} is missing")
    return re.split(r"^# -{20,}\n", source, maxsplit=1, flags=re.MULTILINE)[1]


def _literal(value: Any) -> str:
    return pprint.pformat(value, width=110, sort_dicts=False)
