# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of additional nginx settings: limits, headers, hashed names, protected files, logins and error pages.

A value that could end its directive, its quotes or its line is refused, or escaped in `nginx/extras.py`.
"""

from __future__ import annotations

import re
from typing import Any

from .checks import Wrong, accepts, host_path, is_plain_path
from .errors import nearest, shown, shown_name
from .option_checks import CONTROL, LINE_ENDS

# Added if the application does not send them itself. None of them breaks the admin, whose popups and frames have its
# own origin. Permissions-Policy lists features that few sites need.
RECOMMENDED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Headers that nginx or the application sets for each answer (RFC 9110), and headers that another key sets.
OWNED_HEADERS = {
    **dict.fromkeys(
        [
            *("connection", "content-encoding", "content-length", "content-range", "content-type", "date", "etag"),
            *("expires", "keep-alive", "last-modified", "location", "retry-after", "server", "set-cookie", "trailer"),
            *("transfer-encoding", "upgrade", "vary", "www-authenticate"),
        ],
        "",
    ),
    "strict-transport-security": "set nginx.hsts",
}
# Names with a hash of their content, in addition to Django's. A hash of vite uses 64 different characters, so a word of
# eight lowercase letters (`icon-calendar.svg` of the admin) is unlikely to be one, and does not match.
BUILDERS = {
    "django": r"\.[0-9a-f]{12}\.[^/]+$",
    "vite": r"-(?=[A-Za-z0-9_-]*[A-Z0-9_])[A-Za-z0-9_-]{8}\.[^/]+$",
    "webpack": r"[./][0-9a-f]{8,20}\.[^/]+$",
}
ERRORS = ("502", "503", "504")
_URL = r"/([A-Za-z0-9._~-]+/)*"
_REGEX_MAX = 512  # nginx's own limit for a word is 4096 bytes


@accepts("a mapping of paths to rates such as {/: 20r/s, /accounts/login/: 10r/m}")
def request_limits(value: Any) -> dict[str, dict[str, Any]]:
    """Request limits: path -> rate, optionally followed by `burst=N`."""
    if not isinstance(value, dict):
        raise Wrong
    return {_limited_path(path): _rate(path, given) for path, given in value.items()}


def _limited_path(path: Any) -> str:
    if not isinstance(path, str) or not re.fullmatch(r"/[A-Za-z0-9._~/-]*", path) or ".." in path.split("/"):
        raise Wrong(f"paths that begin with /, of letters, digits and ._~- (found {shown(path)})")
    return str(path)


def _rate(path: str, given: Any) -> dict[str, Any]:
    found = (
        re.fullmatch(r"([1-9][0-9]{0,4})r/([sm])(?: burst=([0-9]{1,5}))?", given) if isinstance(given, str) else None
    )
    if not found:
        raise Wrong(f"a rate such as 20r/s, 10r/m or '20r/s burst=50' for {shown(path)}")
    number = int(found[1])
    # Two seconds' worth, or one minute's, at once: a page requests several files, and users mistype passwords.
    burst = int(found[3]) if found[3] else number * 2 if found[2] == "s" else number
    return {"rate": f"{number}r/{found[2]}", "burst": burst}


@accepts("recommended, or a mapping of headers to text, in which null drops a recommended one")
def headers(value: Any) -> dict[str, str]:
    """Headers of answers: the recommended ones, with the changes of a mapping."""
    if value == "recommended":
        return dict(RECOMMENDED)
    if not isinstance(value, dict):
        raise Wrong
    result = dict(RECOMMENDED)
    for name, given in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
            raise Wrong(f"names of headers, of letters, digits and - (found {shown(name)})")
        if name.lower() in OWNED_HEADERS:
            fix = OWNED_HEADERS[name.lower()] or "nginx or the application sets it for each answer"
            raise Wrong(f"no {name} here", fix)
        for known in [known for known in result if known.lower() == name.lower()]:
            del result[known]
        if given is not None:
            result[str(name)] = _header_value(name, given)
    return result


def _header_value(name: str, given: Any) -> str:
    text = str(given)
    wrong = isinstance(given, (dict, list, bool)) or not text.strip() or not text.isascii()
    # nginx cannot write a $ into a header
    if wrong or re.search(rf"{CONTROL}|[$\\]", text):
        raise Wrong(rf"text on one line, without $ and \, for {name}")
    return text.strip()


@accepts("django, vite, webpack, or a regular expression without spaces")
def hashed_name(value: Any) -> str:
    """How to recognise a file name with a hash: the name of a build tool, or a regular expression for the path."""
    if not isinstance(value, str) or not value or len(value) > _REGEX_MAX:
        raise Wrong
    if value in BUILDERS:
        return str(value)
    if re.fullmatch(r"[A-Za-z]+", value):
        raise Wrong(fix=nearest(value, BUILDERS).lstrip("; "))
    if re.search(rf"\s|{CONTROL}|{LINE_ENDS}", value) or not value.isascii():
        raise Wrong
    # A named group would become a variable of nginx; callouts and verbs exist only in PCRE.
    if re.search(r"\(\?(?:P?<(?![=!])|'|P[=>&]|C|R|&|[0-9+-]|\()|\(\*|\\[QEKRXgkCGNHhVvuU]", value):
        raise Wrong("a regular expression of plain groups, classes and repetitions", f"found {shown(value)}")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise Wrong(fix=f"found {shown(value)}: {error}") from None
    return str(value)


@accepts("a mapping of urls to paths such as {/invoices/: invoices}")
def protected(value: Any) -> dict[str, str]:
    """Directories that only the application may send: url -> a path on the host, or one below the site's data."""
    if not isinstance(value, dict):
        raise Wrong
    result = {}
    for url, path in value.items():
        if not isinstance(url, str) or url == "/" or not re.fullmatch(_URL, url) or ".." in url.split("/"):
            raise Wrong(f"a url that begins and ends with / such as /invoices/ (found {shown(url)})")
        if is_plain_path(path) and path.strip("/"):
            result[str(url)] = str(host_path(path))
        elif isinstance(path, str) and is_plain_path(f"/{path}") and path.strip("/."):
            result[str(url)] = path.strip("/")
        else:
            raise Wrong(f"an absolute path, or one below the site's data, for {shown(url)} (found {shown(path)})")
    return result


@accepts("a mapping of users to passwords")
def logins(value: Any) -> dict[str, str]:
    """The users who may access the site: user -> password. No message shows a password."""
    if not isinstance(value, dict):
        raise Wrong
    result = {}
    for user, password in value.items():
        if not isinstance(user, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", user):
            raise Wrong(f"users of letters, digits and ._@+- (found {shown_name(user)})")
        if isinstance(password, (dict, list, bool)) or password is None or re.search(CONTROL, str(password)):
            raise Wrong(f"text on one line as the password of {user}")
        if not str(password):
            raise Wrong(f"a password for {user}", "an empty one would allow everyone")
        result[str(user)] = str(password)
    return result


@accepts(f"a mapping of {', '.join(ERRORS)} to HTML, or to a path on the host")
def error_pages(value: Any) -> dict[str, str]:
    """Pages instead of nginx's own: status -> HTML, or the absolute path of a file on the host."""
    if not isinstance(value, dict):
        raise Wrong
    result = {}
    for status, page in value.items():
        if isinstance(status, bool) or str(status) not in ERRORS:
            raise Wrong(
                (f"one of {', '.join(ERRORS)} (found {shown(status)})"), "the application sends the others itself"
            )
        if not isinstance(page, str) or not page.strip() or "\0" in page:
            raise Wrong(f"HTML, or an absolute path on the host, for {status}")
        if re.fullmatch(r"[\w./~-]+\.html?", page) and not page.startswith("/"):
            found = f"{{{{ lookup('ansible.builtin.file', inventory_dir ~ {'/' + page!r}) }}}}"
            fix = f"found {shown(page)}; for a file beside the inventory: {found}"
            raise Wrong(f"HTML, or an absolute path on the host, for {status}", fix)
        result[str(status)] = str(host_path(page)) if page.startswith("/") else str(page)
    return result
