# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings overlay: what turns any Django project into a deployed one without an edit of its code.

Two modules lie in a build's `overlay` directory: the settings, which import the project's own and then set what a
server needs, and the WSGI entry, which makes sure that these settings are the ones in use, even when somebody starts
`uwsgi --ini` by hand.
"""

from __future__ import annotations

import pprint
from typing import Any

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

WSGI = '''\
"""The WSGI entry of the site {name}. Written by pyweb.stack: change the inventory instead."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "{overlay_module}"

from {module} import {callable} as application

try:
    import uwsgi
except ImportError:  # somebody else's server, or manage.py
    pass
else:
    _after_fork = getattr(uwsgi, "post_fork_hook", None)

    def _warm_up():
        """Import the project's views before the first request wants them; in each worker, as Django itself does it."""
        if _after_fork:
            _after_fork()
        from django.urls import get_resolver

        get_resolver().url_patterns

    uwsgi.post_fork_hook = _warm_up
'''

SETTINGS_MODULE = "pyweb_settings"
WSGI_MODULE = "pyweb_wsgi"


def settings(site: dict[str, Any], settings_module: str) -> str:
    """The text of the settings overlay of a completed site."""
    static, media = site["nginx"]["static"], site["nginx"]["media"]
    files = STATIC.format(url=repr(static["url"] if static else "/static/"))
    if media:
        files += MEDIA.format(url=repr(media["url"]), path=repr(site["paths"]["media"]))
    database = ""
    if site["database"]:
        database = DATABASE_URL
    else:
        # Code that is used in place may have its data beside it already: they stay there.
        in_place = site["source"]["kind"] == "path"
        database = SQLITE.format(state=repr(site["paths"]["state"]), in_place=in_place)
    own = "".join(f"{name} = {_literal(value)}\n" for name, value in sorted(site["settings"].items()))
    return SETTINGS.format(
        name=site["name"],
        settings_module=settings_module,
        secret_key=repr(f"{site['paths']['config']}/secret_key"),
        allowed_hosts=_literal([one[1:] if one.startswith("*.") else one for one in site["domains"]]),
        origins=_literal(site["origins"]),
        files=files,
        database=database,
        settings="\n" + own if own else "",
    )


def wsgi(site: dict[str, Any], entry: str) -> str:
    """The text of the WSGI entry for `entry`, 'module' or 'module:callable'."""
    module, _colon, name = entry.partition(":")
    return WSGI.format(name=site["name"], overlay_module=SETTINGS_MODULE, module=module, callable=name or "application")


def _literal(value: Any) -> str:
    return pprint.pformat(value, width=110, sort_dicts=False)
