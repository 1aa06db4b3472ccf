# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A program of its own, not part of a module: it prints its result.
# pylint: disable=ansible-bad-function
"""Request pages that failed from an application in a separate process, and report what it raised.

`site_doctor` sends this file's text, behind that of `django_load`, to the site's own interpreter, as its user, with its
environment; nothing here may need Ansible. Django answers an exception with 500 and sends it to receivers of its signal
`got_request_exception`; the project's LOGGING may drop it. Only GET, without cookies and query strings.
"""

from __future__ import annotations

import inspect
import io
import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Its text is sent in front of this one.
    from .django_load import load

PREFIX = "pyweb-again "


def main(module: str, name: str, wanted: str) -> None:
    """Request paths (`wanted`, JSON: host, secure, paths) from `name` of `module`; print a line of JSON for each."""
    given = json.loads(wanted)
    application = in_wsgi(getattr(load(module), name))
    from django.core.signals import got_request_exception

    raised: list[BaseException] = []

    def note(**_more: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None:
            raised.append(error)

    got_request_exception.connect(note, weak=False)
    for path in given["paths"]:
        raised.clear()
        status = 0
        try:
            status = ask(application, path, given["host"], given["secure"])
        except Exception as error:
            raised.append(error)
        found = {"path": path, "status": status, "error": "", "where": ""}
        if raised:
            found.update(error=words(raised[0]), where=where(raised[0]))
        print(PREFIX + json.dumps(found), flush=True)


def in_wsgi(application: Any) -> Any:
    """Return a WSGI application: Django's own handler if the given one is for ASGI."""
    if not any(inspect.iscoroutinefunction(part) for part in (application, getattr(application, "__call__", None))):  # noqa: B004 - not whether, but what it is
        return application
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()


def ask(application: Any, path: str, host: str, secure: bool) -> int:
    """GET a path as a WSGI server does; return the status."""
    seen: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        seen.append(status)
        return lambda text: None

    name, _colon, port = host.partition(":")
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": name,
        "SERVER_PORT": port or ("443" if secure else "80"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": host,
        "HTTP_USER_AGENT": "pyweb.stack",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if secure else "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if secure:
        environ.update(HTTPS="on", HTTP_X_FORWARDED_PROTO="https")
    answer = application(environ, start_response)
    try:
        for number, _block in enumerate(answer):
            if number > 1000:
                break
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return int(seen[-1].split()[0]) if seen else 0


def words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}: {lines[0] if lines else ''}".rstrip(": ")[:300]


def where(error: BaseException) -> str:
    """Return the file and line of the project that raised the error: the innermost one outside of Python itself."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if "/lib/python" not in frame.filename and "-packages/" not in frame.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


if __name__ == "__main__":
    main(*sys.argv[1:])
