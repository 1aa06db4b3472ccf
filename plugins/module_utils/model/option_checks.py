# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of options for other programs: environments, Django settings, uWSGI, systemd and nginx.

A value that could end its line, its directive or its quotes is refused, never escaped.
"""

from __future__ import annotations

import re
from typing import Any

from .checks import Check, Wrong, accepts, data, host_path, refuse_noncharacters
from .errors import shown, shown_name
from .uwsgi_options import OWNED

CONTROL = r"[\x00-\x1f\x7f]"
# Other line ends of Python, which matter because nginx's templates indent each line.
LINE_ENDS = r"[\x85\u2028\u2029]"
# systemd directives that the collection sets for uWSGI.
OWNED_DIRECTIVES = ("ExecStart", "User", "Group", "Type", "EnvironmentFile", "KillMode")


@accepts("a mapping of variables to text")
def environment(value: Any) -> dict[str, str]:
    """Environment variables: name -> text. Line ends are allowed (keys, certificates), NUL is not."""
    if not isinstance(value, dict):
        raise Wrong
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Wrong(f"names of letters, digits and _ (found {shown_name(name)})")
        if name.startswith("UWSGI_"):
            raise Wrong(f"no {name}: uWSGI reads UWSGI_* as options", "use uwsgi.options")
        if isinstance(text, (dict, list)) or text is None or "\0" in str(text):
            # The value itself is not in the message, because it may be secret.
            raise Wrong(f"text as the value of {name}")
        refuse_noncharacters(str(text), f"as the value of {name}")
    return {str(name): _scalar(text) for name, text in value.items()}


@accepts("a mapping of the user model's fields to text, numbers, true or false")
def user_fields(value: Any) -> dict[str, Any]:
    """Values of a model's fields: name -> text on one line, a number, true or false."""
    if not isinstance(value, dict):
        raise Wrong
    for name, given in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
            raise Wrong(f"names of fields such as full_name (found {shown(name)})")
        if not isinstance(given, (str, int, float)) or re.search(CONTROL, str(given)):
            dated = "quote a date" if hasattr(given, "isoformat") else ""
            raise Wrong(f"text on one line, a number, true or false for {name}", dated)
    if "password" in value:
        raise Wrong("no password here", "set superuser.password, which is never shown")
    return dict(data(value))


@accepts("a mapping of Django settings")
def settings(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong
    for name in value:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise Wrong(f"names in capitals (found {shown(name)})")
        if name == "SECRET_KEY":
            raise Wrong("no SECRET_KEY here: settings are not secret", "set env: {DJANGO_SECRET_KEY: ...}")
    return dict(data(value))


@accepts("a mapping of uWSGI options")
def ini_options(value: Any) -> dict[str, Any]:
    """uWSGI options: name -> text, number, true/false, a list of these, or null to drop a default."""
    if not isinstance(value, dict):
        raise Wrong
    result: dict[str, Any] = {}
    for name, given in value.items():
        option = str(name).replace("_", "-")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", option):
            raise Wrong(f"option names of lowercase letters, digits and - (found {shown(name)})")
        if option in OWNED:
            raise Wrong(f"no {option} here", f"set {OWNED[option]}")
        for item in _listed(given):
            if isinstance(item, (dict, list)) or (item is None and isinstance(given, list)):
                raise Wrong(f"text, a number or true/false for {option}")
            if isinstance(item, str) and (re.search(rf"{CONTROL}|\$\(|@\(", item) or item != item.strip()):
                raise Wrong(f"one line without '$(' and '@(' for {option}", "uWSGI would expand it")
        result[option] = data(given)
    return result


@accepts("a mapping of systemd directives")
def unit_options(value: Any) -> dict[str, list[str]]:
    """systemd directives of the [Service] section: name -> text or a list of texts."""
    if not isinstance(value, dict):
        raise Wrong
    for name, given in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Z][A-Za-z]*", name):
            raise Wrong(f"systemd's names, such as LimitNOFILE (found {shown(name)})")
        if name in OWNED_DIRECTIVES:
            raise Wrong(f"no {name} here: the collection sets it")
        for item in _listed(given):
            # A backslash at the end would join the next line to this one.
            if item is None or isinstance(item, (dict, list)) or re.search(rf"{CONTROL}|\\\Z", str(item)):
                raise Wrong(f"text on one line for {name}")
            refuse_noncharacters(str(item), f"for {name}")
    return {str(name): [_scalar(item) for item in _listed(given)] for name, given in value.items()}


@accepts("arguments without ; { } # outside of quotes, and quotes in pairs")
def nginx_words(value: Any) -> str:
    """The arguments of one nginx directive. Quoted parts may contain anything but line ends; others no ; { } #."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)
    if isinstance(value, (dict, list)) or value is None or re.search(rf"{CONTROL}|{LINE_ENDS}", text):
        raise Wrong("text on one line")
    # nginx's tokens: double-quoted, single-quoted, or unquoted (without quotes, ; { } and #; ${variable} is allowed).
    # Only spaces separate them: to nginx, a no-break space is a letter, and a quote after it would not quote anything.
    word = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|(?:\$\{\w+\}|[^ ;{}#\"'\\])+"
    if not re.fullmatch(rf" *(?:(?:{word})(?: +|$))*", text):
        raise Wrong(fix=f"found {shown(text)}")
    return text.strip(" ")


@accepts("a mapping of nginx directives")
def directives(value: Any) -> dict[str, list[str]]:
    """nginx directives: name -> the arguments of each occurrence."""
    if not isinstance(value, dict):
        raise Wrong
    result = {}
    for name, given in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise Wrong(f"nginx's directive names (found {shown(name)})")
        try:
            result[str(name)] = [nginx_words(item) for item in _listed(given)]
        except Wrong as wrong:
            raise Wrong(f"{wrong.wanted} for {name}", wrong.fix) from None
    return result


@accepts("a mapping of locations to their directives")
def locations(value: Any) -> dict[str, dict[str, list[str]]]:
    """Additional nginx locations: what follows `location` -> its directives."""
    if not isinstance(value, dict):
        raise Wrong
    for match in value:
        if not str(match).strip():
            raise Wrong("the path of every location, for example '= /favicon.ico'")
    return {nginx_words(match): directives(inner) for match, inner in value.items()}


def alias(default_url: str) -> Check:
    """Files that nginx serves itself: true (the collection's path), false, a path, or {url, path}."""

    @accepts("true, false, a path on the host, or {url, path}")
    def check(value: Any) -> dict[str, str] | None:
        if value is False:
            return None
        given = {} if value is True else {"path": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or set(given) - {"url", "path"}:
            raise Wrong
        # A key without a value means the default.
        given = {key: item for key, item in given.items() if item is not None}
        url = given.get("url", default_url)
        if not isinstance(url, str) or not re.fullmatch(r"/([A-Za-z0-9._~-]+/)+", url) or ".." in url.split("/"):
            raise Wrong(f"a url that begins and ends with / such as {default_url}")
        # No path, or an empty one: the collection's path.
        return {"url": url, "path": host_path(given["path"]) if given.get("path", "") != "" else ""}

    return check


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
