# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a Django project from the inside: in the site's own interpreter, as its user, with its environment.

`site_doctor` sends this file's text, behind those of `settings_facts`, `django_data`, `django_assets`, `django_advice`
and `django_load`, to that interpreter's standard input; nothing here may need Ansible. Every finding is printed as one
line of JSON as soon as it is known. A look that ends in an exception ends no other one, and databases are looked at
beside all the rest. It reads only, and no value of a setting that may be a secret is ever printed.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    # Their text is sent in front of this one.
    from ..build.settings_facts import settings_facts
    from .django_advice import deploy_checks, foreign_cookies, lines_of, locale_of, mail_server, trusted_over_https
    from .django_assets import assets
    from .django_data import watch_databases
    from .django_load import load

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
        say("failed", at="app", error=with_cause(error), missing=missing_module(error), where=where(error))
        return
    say("app", callable=callable(application))
    from django.conf import settings

    try:
        django.setup()
    except Exception as error:
        say("failed", at="settings", error=one_line(error))
        return
    asked = json.loads(wanted)
    apart("settings", lambda: look_at_settings(settings, asked))
    apart("urls", lambda: look_at_urls(settings))
    finish: list[Callable[[], None]] = []
    apart("databases", lambda: finish.append(watch_databases(say)))
    look_around(settings, asked)
    for wait in finish:
        wait()


def look_around(settings: Any, asked: dict[str, Any]) -> None:
    """Look at all but the settings that make requests fail, and the databases. What may take long comes last."""
    prepared = getattr(sys.modules.get("pyweb_environment"), "__file__", None)
    code = os.path.join(os.path.dirname(os.path.dirname(prepared)), "src") if prepared else os.getcwd()
    apart("files", lambda: look_at_files(settings))
    apart("lines", lambda: say("lines", at=lines_of(settings)))
    apart("locale", lambda: say("locale", **locale_of()))
    apart("cookies", lambda: say("cookies", **cookies(settings, asked["hosts"])))
    apart("facts", lambda: say("facts", **settings_facts(settings, code)))
    apart("assets", lambda: say("assets", **assets(settings)))
    apart("mail", lambda: say("mail", **mail_server(settings)))
    apart("checks", lambda: say("checks", found=deploy_checks()))


def cookies(settings: Any, hosts: list[str]) -> dict[str, Any]:
    return {"trusted": trusted_over_https(settings, hosts), "foreign": foreign_cookies(settings, hosts)}


def apart(at: str, look: Callable[[], object]) -> None:
    """Take a look that ends no other one, whatever comes of it: code of the project may call sys.exit."""
    try:
        look()
    except BaseException as error:
        say("failed", at=at, kind=type(error).__name__, error=one_line(error), where=where(error))


def with_cause(error: BaseException) -> str:
    """Return an exception, and what logging says of none of its own: the one that it was raised from."""
    cause = error.__cause__ if str(error).startswith("Unable to ") else None
    return f"{one_line(error)}: {one_line(cause)}" if cause else one_line(error)


def missing_module(error: BaseException) -> str:
    """Return the module that is not there; '' for another error. A NameError has a name as well."""
    return (error.name or "") if isinstance(error, ImportError) else ""


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


def look_at_urls(settings: Any) -> None:
    """Import what Django imports at the first request only."""
    from django.urls import get_resolver

    say("urls", patterns=len(get_resolver(settings.ROOT_URLCONF).url_patterns))


def untrusted(settings: Any, requests: list[dict[str, Any]], refused: set[str]) -> list[dict[str, str]]:
    """Return the origins whose forms Django's own check would refuse, as the headers reach it through nginx."""
    if not any("CsrfViewMiddleware" in path for path in settings.MIDDLEWARE):
        return []
    from django.core.exceptions import DisallowedHost
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
        try:
            request.get_host()
        except DisallowedHost:  # every request of that way gets 400
            continue
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


def one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def where(error: BaseException) -> str:
    """Return the file and line of the project that raised the error: the innermost one outside of Python itself."""
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith("/"):
        return f"{error.filename}:{error.lineno}"
    import traceback

    if isinstance(error, SyntaxError) and error.filename and error.filename[:1] != "<":
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if "/lib/python" not in frame.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


def say(step: str, **found: object) -> None:
    line = "pyweb-look " + json.dumps({"step": step, "after": round(time.monotonic() - STARTED, 2), **found})
    # In one piece: databases are looked at by several threads.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
