# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a Django project from the inside: in the site's own interpreter, as its user, with its environment.

`site_doctor` sends this file's text, and that of `settings_facts`, to that interpreter's standard input; nothing here
may need Ansible. Every finding is printed as one line of JSON as soon as it is known, so that what hangs is the step
after the last line. It reads only, and no value of a setting that may be a secret is ever printed.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..build.settings_facts import settings_facts  # whose text is sent in front of this one

STARTED = time.monotonic()


def main(module: str, name: str, wanted: str) -> None:
    """Load `module`, take `name` of it, then look at the settings for the requests in `wanted` (JSON)."""
    say("python", version=sys.version.split()[0], cwd=os.getcwd())
    try:
        import django
    except ImportError as error:
        say("failed", at="django", error=one_line(error))
        return
    say("django", version=django.get_version())
    try:
        application = getattr(load(module), name)
    except BaseException as error:  # a project may call sys.exit
        say("failed", at="app", error=one_line(error), missing=getattr(error, "name", None) or "", where=where(error))
        return
    say("app", callable=callable(application))
    from django.conf import settings

    try:
        django.setup()
        look_at_settings(settings, json.loads(wanted))
        look_at_files(settings)
    except Exception as error:
        say("failed", at="settings", error=one_line(error))
        return
    look_at_database()
    prepared = getattr(sys.modules.get("pyweb_environment"), "__file__", None)
    code = os.path.join(os.path.dirname(os.path.dirname(prepared)), "src") if prepared else os.getcwd()
    try:
        say("facts", **settings_facts(settings, code))
    except Exception as error:
        say("failed", at="facts", error=one_line(error))


def load(module: str) -> Any:
    """Import `module`, a dotted name or the path of a file."""
    if not module.endswith(".py"):
        return importlib.import_module(module)
    spec: Any = importlib.util.spec_from_file_location("uwsgi_file", module)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def look_at_settings(settings: Any, wanted: dict[str, Any]) -> None:
    from django.http.request import split_domain_port, validate_host

    allowed = list(settings.ALLOWED_HOSTS)
    refused = [host for host in wanted["hosts"] if not validate_host(split_domain_port(host)[0], allowed)]
    if settings.DEBUG and not allowed:
        refused = [host for host in refused if not validate_host(host, [".localhost", "127.0.0.1", "[::1]"])]
    say(
        "settings",
        module=os.environ.get("DJANGO_SETTINGS_MODULE", ""),
        debug=bool(settings.DEBUG),
        allowed_hosts=allowed,
        refused=refused,
        origins=untrusted(settings, wanted["requests"], set(refused)),
        ssl_redirect=bool(settings.SECURE_SSL_REDIRECT),
        proxy_header=[str(word) for word in settings.SECURE_PROXY_SSL_HEADER or ()],
    )


def untrusted(settings: Any, requests: list[dict[str, Any]], refused: set[str]) -> list[dict[str, str]]:
    """Return the origins whose forms Django's own check would refuse, as the headers reach it through nginx."""
    if not any("CsrfViewMiddleware" in path for path in settings.MIDDLEWARE):
        return []
    from django.core.handlers.wsgi import WSGIRequest
    from django.middleware.csrf import CsrfViewMiddleware

    middleware = CsrfViewMiddleware(lambda request: None)
    if not hasattr(middleware, "_origin_verified"):  # before Django 4.0 no Origin was looked at
        return []
    bad = []
    for form in requests:
        if form["domain"] in refused:
            continue
        environ = {"REQUEST_METHOD": "POST", "HTTP_HOST": form["host"], "HTTP_ORIGIN": form["origin"], **form["meta"]}
        scheme = "https" if form["secure"] else "http"
        request = WSGIRequest({**environ, "wsgi.url_scheme": scheme, "wsgi.input": io.BytesIO()})
        if not middleware._origin_verified(request):
            bad.append({"origin": form["origin"], "sees": f"{request.scheme}://{request.get_host()}"})
    return bad


def look_at_files(settings: Any) -> None:
    static_root, media_root = str(settings.STATIC_ROOT or ""), str(settings.MEDIA_ROOT or "")
    say(
        "files",
        static_used="django.contrib.staticfiles" in settings.INSTALLED_APPS,
        static_url=str(settings.STATIC_URL or ""),
        static_root=static_root,
        sample=sample(static_root),
        media_url=str(settings.MEDIA_URL or ""),
        media_root=media_root,
        media_writable=os.access(media_root, os.W_OK | os.X_OK) if os.path.isdir(media_root) else None,
    )


def sample(folder: str) -> str:
    """Return a file below `folder`, relative to it: a style sheet where there is one; '' when there is none."""
    first = ""
    looked = 0
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            looked += 1
            relative = os.path.relpath(os.path.join(root, name), folder)
            if name.endswith(".css"):
                return relative
            if not name.startswith(".") and name != "staticfiles.json":
                first = first or relative
        if looked > 2000:
            break
    return first


def look_at_database() -> None:
    """Connect, read, compare the migrations; no table is made for asking."""
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    for alias in connections:
        connection = connections[alias]
        given = connection.settings_dict
        vendor, name = connection.vendor, str(given.get("NAME", ""))
        address = f"{given.get('HOST') or 'the local socket'}:{given.get('PORT') or 'default port'}"
        is_file = vendor == "sqlite" and name and ":" not in name
        say(
            "database",
            alias=alias,
            vendor=vendor,
            file=name if is_file else "",
            address="" if vendor == "sqlite" else address,
            exists=os.path.exists(name) if is_file else None,
            file_writable=os.access(name, os.W_OK) if is_file and os.path.exists(name) else None,
            folder_writable=os.access(os.path.dirname(name) or ".", os.W_OK | os.X_OK) if is_file else None,
        )
        if is_file and not os.path.exists(name):
            say("failed", at="database", alias=alias, error=f"there is no file {name}")
            continue  # connecting would make it
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes()) if alias == "default" else []
            say("migrations", alias=alias, unapplied=[str(migration) for migration, _backwards in plan])
        except Exception as error:
            say("failed", at="database", alias=alias, error=one_line(error))


def one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def where(error: BaseException) -> str:
    """Return the file and line of the project that raised the error: the innermost one outside of Python itself."""
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if "/lib/python" not in frame.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


def say(step: str, **found: object) -> None:
    print(
        "pyweb-look " + json.dumps({"step": step, "after": round(time.monotonic() - STARTED, 2), **found}), flush=True
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
