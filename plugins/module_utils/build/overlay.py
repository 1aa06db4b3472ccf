# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings overlay: what turns any Django project into a deployed one without an edit of its code.

Two modules lie in a build's `overlay` directory: the settings, which import the project's own and then set what a
server needs, and the WSGI entry, which makes sure that these settings are the ones in use, even when somebody starts
`uwsgi --ini` by hand.
"""

from __future__ import annotations

import pprint
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

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

import contextlib
import os
import signal
import sys
import threading
from wsgiref.util import setup_testing_defaults

os.environ["DJANGO_SETTINGS_MODULE"] = "{overlay_module}"

from {module} import {callable} as application


def _warm_up():
    """Do what the first visitors would wait for: import the views, and answer a few pages, whatever the answer is.

    In each worker, as Django itself does it: what is open before a fork is shared by all workers.
    """
    # uWSGI has a worker ignore it until it takes requests, so whoever stops the site now would wait for ever.
    with contextlib.suppress(ValueError):  # not the main interpreter
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    from django.urls import get_resolver

    get_resolver().url_patterns
    # A page may hang, and a worker that waits for it serves nobody.
    asking = threading.Thread(target=_ask_itself, daemon=True)
    asking.start()
    asking.join({seconds})


def _ask_itself():
    from django.db import connections

    try:
        for path, query in {paths}:
            environ = {{"PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": {host}, "REMOTE_ADDR": "127.0.0.1"}}
            environ.update({{"HTTP_USER_AGENT": "pyweb.stack", "wsgi.errors": sys.stderr}})
            setup_testing_defaults(environ)
            answer = application(environ, lambda *_status: None)
            try:
                b"".join(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
    finally:
        connections.close_all()


try:
    import uwsgi
except ImportError:  # somebody else's server, or manage.py
    pass
else:
    _after_fork = getattr(uwsgi, "post_fork_hook", None)

    def _hook():
        if _after_fork:
            _after_fork()
        if uwsgi.worker_id():  # not a mule or the spooler, which serve nobody
            _warm_up()

    uwsgi.post_fork_hook = _hook
    if uwsgi.worker_id():  # with lazy-apps this is a worker already, and the time of hooks is past
        _warm_up()
'''

SETTINGS_MODULE = "pyweb_settings"
WSGI_MODULE = "pyweb_wsgi"
# How long a worker waits for its own first answers before it takes requests: one that was killed is to be back within
# two seconds.
WARM_UP_SECONDS = 1


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
    asked = [one.partition("?")[::2] for one in site["warm_up"]]
    return WSGI.format(
        name=site["name"],
        overlay_module=SETTINGS_MODULE,
        module=module,
        callable=name or "application",
        host=repr(host(site)),
        # As bytes in the guise of Latin-1, which is how WSGI has it (PEP 3333).
        paths=repr([(unquote_to_bytes(path).decode("latin-1"), query) for path, query in asked]),
        seconds=WARM_UP_SECONDS,
    )


def host(site: Mapping[str, Any]) -> str:
    """The Host under which a site asks itself: its first domain, with the port where that is not the usual one."""
    port = site["nginx"]["listen"][0]["port"]
    return str(site["domains"][0]).replace("*", "www", 1) + ("" if port in (80, 443) else f":{port}")


def _literal(value: Any) -> str:
    return pprint.pformat(value, width=110, sort_dicts=False)
