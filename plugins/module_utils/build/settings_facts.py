# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collect facts about a project's settings, in one process of the site's own interpreter and user.

The text of this file is sent to the interpreter before that of `django_probe` and of the doctor's `django_look`, so it
needs only Python and Django. The facts contain no setting whose value may be secret. `build/settings_findings.py`
evaluates them.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from typing import Any

# The maximum length of a list of lines or files, and of a line of code.
FACTS_MAX, CODE_MAX = 5, 60
# Prefixes of cookie names that browsers accept over https only, whatever else the cookie contains (RFC 6265bis).
HTTPS_NAMES = ("__Secure-", "__Host-")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "")


def settings_facts(settings: Any, code: str) -> dict[str, Any]:
    """Return the facts; `code` is the directory of the project's code, to which paths are relative.

    Must be called after `django.setup()`, when the handlers that log into files are known.
    """
    code = os.path.realpath(code)
    project = project_settings(settings)
    return {
        "debug_lines": debug_lines(project, code),
        "memory": [name for name, given in settings.DATABASES.items() if is_in_memory(given)],
        "database": database_of(settings),
        "sessions": session_store(settings),
        "cache_tables": missing_cache_tables(settings),
        "mail": mail_of(settings, project),
        "secure": [
            name
            for name in ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
            if getattr(settings, name, False)
        ]
        + [
            name
            for name in ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME")
            if str(getattr(settings, name, "")).startswith(HTTPS_NAMES)
        ],
        "https_header": bool(settings.SECURE_PROXY_SSL_HEADER),
        "logs": logs_in(code),
        "unused": {"database": unused_database(settings, code), "media": unused_media(project, code)},
        "written": written_in(settings),
    }


def project_settings(settings: Any) -> Any:
    """Return the module of the project's own settings, as it was imported; None if it is unknown."""
    prepared = sys.modules.get("pyweb_environment")
    name = getattr(prepared, "PROJECT", "") or getattr(settings, "SETTINGS_MODULE", "")
    return sys.modules.get(name)


def debug_modules(project: Any) -> list[Any]:
    """Return the modules of the project's settings in which DEBUG is true; a production module may change it later."""
    if project is None:
        return []
    package = project.__name__.rpartition(".")[0]
    packages = [project.__name__, *([package] if "." in package or "settings" in package else [])]
    return [
        module
        for name, module in sorted(sys.modules.items())
        if module is project
        or name.startswith(tuple(f"{package}." for package in packages))
        or "settings" in name.rpartition(".")[2]
        if getattr(module, "DEBUG", False)
    ]


def debug_lines(project: Any, code: str) -> list[str]:
    """Return FILE:LINE and the code of the lines of the settings that read DEBUG while it is true."""
    found = []
    for module in debug_modules(project):
        path = os.path.realpath(getattr(module, "__file__", None) or "/")
        if path.startswith(f"{code}/") and path.endswith(".py"):
            found += [f"{os.path.relpath(path, code)}:{line}" for line in lines_with_debug(path)]
    return found[:FACTS_MAX]


def lines_with_debug(path: str) -> list[str]:
    """Return the number and the code of each line of a file that reads the name DEBUG."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    lines = text.splitlines()
    numbers = {
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name) and node.id == "DEBUG" and isinstance(node.ctx, ast.Load)
    }
    return [f"{number}: {lines[number - 1].strip()[:CODE_MAX]}" for number in sorted(numbers)]


# --- databases, sessions, caches ---


def is_in_memory(given: dict[str, Any]) -> bool:
    name = str(given.get("NAME", ""))
    if not given.get("ENGINE", "").endswith(("sqlite3", "spatialite")):
        return False
    return ":memory:" in name or "mode=memory" in name


def database_of(settings: Any) -> dict[str, str]:
    """Return the engine of the default database and, for SQLite, its file."""
    given = settings.DATABASES.get("default", {})
    engine = str(given.get("ENGINE", ""))
    is_file = engine.endswith(("sqlite3", "spatialite")) and not is_in_memory(given)
    return {"engine": engine, "file": str(given.get("NAME", "")) if is_file else ""}


def session_store(settings: Any) -> dict[str, str]:
    """Return where sessions are stored and, for a cache, its backend; {} without sessions."""
    if not any("SessionMiddleware" in str(path) for path in settings.MIDDLEWARE or []):
        return {}
    alias = settings.SESSION_CACHE_ALIAS
    cache = settings.CACHES.get(alias, {})
    return {"engine": str(settings.SESSION_ENGINE), "alias": alias, "cache": str(cache.get("BACKEND", ""))}


def missing_cache_tables(settings: Any) -> list[str]:
    """Return the database tables of caches that do not exist; none if the database cannot be reached."""
    wanted = [
        str(given.get("LOCATION", ""))
        for given in settings.CACHES.values()
        if str(given.get("BACKEND", "")).endswith("DatabaseCache")
    ]
    if not wanted:
        return []
    from django.db import connection

    name = database_of(settings)["file"]
    if name and not os.path.exists(name):  # connecting would create it
        return wanted
    try:
        there = connection.introspection.table_names()
    except Exception:
        return wanted
    finally:
        connection.close()
    return [table for table in wanted if table not in there]


# --- mail ---


def mail_of(settings: Any, project: Any) -> dict[str, Any]:
    """Return the mail backend, its port if it is on this host, and whether a server listens there.

    `wanted` means that none listens although the project appears to send mail. {} if nothing is known.
    """
    mailers = getattr(settings, "MAILERS", None)
    try:
        if mailers:  # Django 6.1
            given = mailers.get("default", {})
            options = given.get("OPTIONS", {})
            backend, host, port = given.get("BACKEND", ""), options.get("host", "localhost"), options.get("port", 25)
        else:
            backend, host, port = settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT
        found: dict[str, Any] = {"backend": str(backend), "port": 0}
        if str(backend).endswith("smtp.EmailBackend") and str(host or "") in LOCAL_HOSTS:
            served = listens(int(port))
            # Whether the project sends mail depends on its URLs, and matters only if no server listens.
            found.update(port=int(port), served=served, wanted=not served and sends_mail(settings, project))
    except (AttributeError, TypeError, ValueError):
        return {}
    return found


def sends_mail(settings: Any, project: Any) -> bool:
    """Return whether a project appears to send mail: it configures mail, has admins, or password reset pages."""
    own = [name for name in vars(project) if name.startswith("EMAIL_") or name == "MAILERS"] if project else []
    if own or getattr(settings, "ADMINS", None) or "allauth.account" in settings.INSTALLED_APPS:
        return True
    from django.urls import reverse

    try:
        reverse("password_reset")
    except Exception:  # another step reports errors in the project's URLs
        return False
    return True


def listens(port: int) -> bool:
    import socket

    for host in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((host, port), 1).close()
        except OSError:
            continue
        return True
    return False


# --- files in the code ---


def logs_in(code: str) -> list[str]:
    """Return the files inside the code that LOGGING writes."""
    import logging

    handlers = [reference() for reference in getattr(logging, "_handlerList", [])]
    paths = {os.path.abspath(str(getattr(handler, "baseFilename", "") or "/")) for handler in handlers}
    real = {os.path.realpath(path) for path in paths}  # a link may lead out of the code
    return sorted(os.path.relpath(path, code) for path in real if path.startswith(f"{code}/"))[:FACTS_MAX]


def written_in(settings: Any) -> list[str]:
    """Return the directories in the settings that the site writes to: databases, media, caches, logs, mail."""
    import logging

    given = list(settings.DATABASES.values())
    files = [
        str(one.get("NAME", "")) for one in given if str(one.get("ENGINE", "")).endswith(("sqlite3", "spatialite"))
    ]
    handlers = [reference() for reference in getattr(logging, "_handlerList", [])]
    files += [str(getattr(handler, "baseFilename", "") or "") for handler in handlers]
    folders = [
        str(one.get("LOCATION", ""))
        for one in settings.CACHES.values()
        if str(one.get("BACKEND", "")).endswith("FileBasedCache")
    ]
    stores = (getattr(settings, "STORAGES", None) or {}).values()
    folders += [str((one.get("OPTIONS") or {}).get("location", "")) for one in stores]
    names = ("MEDIA_ROOT", "FILE_UPLOAD_TEMP_DIR", "EMAIL_FILE_PATH", "SESSION_FILE_PATH")
    folders += [str(getattr(settings, name, None) or "") for name in names]
    folders += [os.path.dirname(path) for path in files if path.startswith("/")]
    return sorted({os.path.normpath(path) for path in folders if path.startswith("/")})


def unused_database(settings: Any, code: str) -> str:
    """Return the SQLite file with tables in the code that has the name of the site's database; '' if there is none.

    '' also if the site already has a database.
    """
    target = database_of(settings)["file"]
    if not target or os.path.realpath(target).startswith(f"{code}/"):
        return ""
    if os.path.exists(target) and os.path.getsize(target):
        return ""
    for path in files_below(code, 3):
        if os.path.basename(path) == os.path.basename(target) and is_database(path):
            return os.path.relpath(path, code)
    return ""


def unused_media(project: Any, code: str) -> str:
    """Return the project's own media directory in the code, if it contains files; else ''."""
    folder = os.path.realpath(str(getattr(project, "MEDIA_ROOT", "") or "/"))
    if folder.startswith(f"{code}/") and any(True for _path in files_below(folder, 5)):
        return os.path.relpath(folder, code)
    return ""


def files_below(folder: str, depth: int) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        if os.path.relpath(root, folder).count("/") >= depth:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith((".", "node_modules")))
        yield from (os.path.join(root, name) for name in sorted(names) if not name.startswith("."))


def is_database(path: str) -> bool:
    """Return whether a file is an SQLite database with tables."""
    import sqlite3

    try:
        with open(path, "rb") as stream:
            if stream.read(16) != b"SQLite format 3\0":
                return False
        connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        try:
            return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        finally:
            connection.close()
    except (OSError, sqlite3.Error):
        return False
