# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What server a command starts, and with what options: gunicorn, uvicorn, daphne, granian and their like.

The options come out as uWSGI's are called (chdir, module, callable, pythonpath, processes, socket, http-socket), so
that one look and one judgement do for all. Nothing is executed: gunicorn's configuration is Python, of which plain
assignments are read.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from ..host.files import read_or_empty
from ..uwsgi import options as uwsgi_options
from ..uwsgi.options import Options

LABELS = {
    "uwsgi": "uWSGI",
    "gunicorn": "gunicorn",
    "uvicorn": "uvicorn",
    "daphne": "daphne",
    "granian": "granian",
    "hypercorn": "hypercorn",
    "waitress": "waitress",
    "runserver": "manage.py runserver",
}
# Where each listens by default.
_PORTS = {"waitress": "8080"}
# Options that take no value, of all of them.
_FLAGS = frozenset(
    [
        "reload",
        "preload",
        "daemon",
        "D",
        "no-sendfile",
        "reuse-port",
        "capture-output",
        "R",
        "log-syslog",
        "check-config",
        "print-config",
        "factory",
        "no-access-log",
        "proxy-headers",
        "no-proxy-headers",
        "use-colors",
        "no-use-colors",
        "debug",
        "ws",
        "no-ws",
        "access-log",
        "spew",
        "enable-stdio-inheritance",
        "no-control-socket",
        "insecure",
        "noreload",
        "nothreading",
        "respawn-failed-workers",
        "date-header",
        "no-date-header",
        "server-header",
        "no-server-header",
    ]
)
# Of daphne --access-log takes a file; of hypercorn and uvicorn --ws a name.
_VALUES = {"daphne": {"access-log"}, "uvicorn": {"ws"}, "hypercorn": {"access-log"}}
_SHORT = {
    "gunicorn": {"b": "bind", "c": "config", "w": "workers", "e": "env", "t": "timeout", "u": "user", "g": "group"},
    "daphne": {"b": "bind", "p": "port", "u": "unix-socket", "e": "endpoint", "v": "verbosity", "t": "http-timeout"},
    "hypercorn": {"b": "bind", "c": "config", "w": "workers", "k": "worker-class"},
}
_NAMES = re.compile(r"(gunicorn|uvicorn|daphne|granian|hypercorn|waitress|uwsgi|pyuwsgi)(?:[\d.-]*|-serve|-core)")
_APPLICATION = re.compile(r"[A-Za-z_][\w.]*(?::[A-Za-z_][\w.]*(?:\(\))?)?")
# A larger file is not a configuration of gunicorn. It is not parsed as Python: its author could make that
# parser's stack overflow.
_CONFIG_MOST = 65536
_ASSIGNED = re.compile(r"^([a-z_]+)[ \t]*=[ \t]*([^\n#]*)", re.MULTILINE)
_LITERAL = re.compile(r"""["'\[(\d][^{}]*""")
_LITERALS = re.compile(r"""'([^'\n]*)'|"([^"\n]*)"|\b(\d+)\b""")


def kind_of(command: Sequence[str], name: str = "") -> str:
    """Return the key in `LABELS` of the server that a command starts; '' where it starts none that is known."""
    words = list(command[:5])
    title = re.match(r"(gunicorn|uWSGI|granian)\b[: ]", words[0]) if words else None
    if title:  # the process renamed itself
        return title[1].lower()
    if words and _is_shell(words[0]):
        return ""
    if len(words) > 2 and os.path.basename(words[0]).startswith("python") and words[1] == "-m":
        words = [words[0], words[2]]
    for place, word in enumerate(words):
        if place > 0 and not os.path.basename(words[0]).startswith(("python", "env", "poetry", "pipenv", "uv")):
            break
        base = os.path.basename(word)
        found = _NAMES.fullmatch(base)
        if found and place < 3:
            return {"pyuwsgi": "uwsgi"}.get(found[1], found[1])
        if base in ("manage.py", "django-admin") and "runserver" in command[place + 1 : place + 3]:
            return "runserver"
    return "uwsgi" if name.startswith("uwsgi") else ""


def options_of(kind: str, command: Sequence[str], cwd: str, environment: Mapping[str, str]) -> Options:
    """Return the options of a command that starts a server of this kind in `cwd`."""
    if kind == "uwsgi":
        return uwsgi_options.read(command, cwd, environment)
    found = Options(cwd)
    given: dict[str, list[str]] = {}
    # A process that renamed itself has lost its arguments.
    titled = bool(command) and re.match(r"(gunicorn|granian): ", command[0])
    own = shlex_words(environment.get("GUNICORN_CMD_ARGS", "")) if kind == "gunicorn" else []
    words = [] if titled else [*own, *_arguments(kind, command)]
    application = ""
    for name, value in _pairs(kind, words):
        if name:
            given.setdefault(name, []).append(value)
        else:
            application = application or value
    chdir = _last(given, "chdir", "working-dir")
    found.values["chdir"] = [os.path.normpath(os.path.join(cwd, chdir))]
    if kind == "gunicorn":
        given = {**_gunicorn_config(found, given, cwd), **given}
        if given.get("chdir"):
            found.values["chdir"] = [os.path.normpath(os.path.join(cwd, given["chdir"][-1]))]
        application = application or _last(given, "wsgi_app")
    base = found.values["chdir"][-1]
    module, _colon, name = application.partition(":")
    if module:
        found.values["module"] = [module]
        found.values["callable"] = [name.rstrip("()") or "application"]
    for word in [part for value in given.get("pythonpath", []) for part in value.split(",")] + given.get("app-dir", []):
        found.values.setdefault("pythonpath", []).append(os.path.normpath(os.path.join(base, word)))
    found.values["env"] = [entry for entry in given.get("env", given.get("raw_env", [])) if "=" in entry]
    for wanted, names in (
        ("processes", ("workers",)),
        ("harakiri", ("timeout",)),
        ("logto", ("error-logfile", "log-file", "errorlog")),
        ("uid", ("user",)),
    ):
        value = _last(given, *names)
        if value and value != "-":
            found.values[wanted] = [os.path.join(base, value) if wanted == "logto" else value]
    speaks = "socket" if kind == "gunicorn" and _last(given, "protocol") == "uwsgi" else "http-socket"
    found.values[speaks] = list(_binds(kind, given, environment, cwd))
    return found


def shlex_words(text: str) -> list[str]:
    """Return the words of a command line; as far as can be told where a quote is not closed."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def script_command(path: str) -> tuple[list[str], str]:
    """Return (command, directory) that a shell script starts in its end, as far as plain assignments tell.

    Many units and supervisor programs start a `gunicorn_start` that sets variables, changes the directory and execs.
    """
    text = read_or_empty(path)[:_CONFIG_MOST]
    return _started_by(text) if re.match(r"#!.*sh\b", text) else ([], "")


def scripted(command: list[str], cwd: str) -> tuple[list[str], str]:
    """Return what a command starts: where it is a shell script, what that starts in its end; and the directory."""
    words = command[1:] if command and os.path.basename(command[0]) in ("sh", "bash", "env") else command
    if words[:1] in (["-c"], ["-lc"]):
        # systemctl shows words without their quotes.
        inner, folder = _started_by(" ".join(words[1:]).strip("'\""))
        return (inner, os.path.normpath(os.path.join(cwd, folder))) if inner else (command, cwd)
    if kind_of(command) or not words or not words[0].startswith("/"):
        return command, cwd
    inner, folder = script_command(words[0])
    return (inner, os.path.join(cwd, folder)) if inner else (command, cwd)


def _started_by(text: str) -> tuple[list[str], str]:
    """Return (command, directory) of the first server that lines of a shell start."""
    known: dict[str, str] = {}
    folder = virtualenv = ""
    for line in re.split(r"\n|&&|;", text.replace("\\\n", " ")):
        assigned = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$", line)
        filled = re.sub(r"\$\{?(\w+)\}?", lambda name: known.get(name[1], name[0]), line)
        words = shlex_words(filled.partition(" #")[0])
        if assigned:
            known[assigned[1]] = (shlex_words(filled.partition("=")[2]) or [""])[0]
        elif words[:1] == ["cd"] and len(words) > 1:
            folder = os.path.join(folder, words[1])
        elif words[:1] in (["source"], ["."]) and len(words) > 1 and words[1].endswith("/bin/activate"):
            virtualenv = os.path.join(folder, words[1])[: -len("/activate")]
        else:
            words = words[1:] if words[:1] == ["exec"] else words
            if kind_of(words):
                first = f"{virtualenv}/{words[0]}" if virtualenv and "/" not in words[0] else words[0]
                return [first, *words[1:]], folder
    return [], ""


# --- words ---


def _is_shell(word: str) -> bool:
    return os.path.basename(word) in ("sh", "bash", "dash")


def _arguments(kind: str, command: Sequence[str]) -> list[str]:
    """Return the arguments after the program's own name."""
    for place, word in enumerate(command):
        found = _NAMES.fullmatch(os.path.basename(word))
        if (found and found[1] == kind) or (kind == "runserver" and word == "runserver"):
            return list(command[place + 1 :])
    return list(command[1:])


def _pairs(kind: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (option, value), and ('', word) for a word that names the application."""
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            if _APPLICATION.fullmatch(word):
                yield "", word
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("--") and len(name) > 1 and name[0] in _SHORT.get(kind, {}) and not equals:
            name, value, equals = name[0], name[1:], "="
        name = _SHORT.get(kind, {}).get(name, name)
        flag = name in _FLAGS - _VALUES.get(kind, set())
        if not equals and not flag and left and not left[0].startswith("-"):
            value = left.pop(0)
        yield name, value


def _last(given: Mapping[str, Sequence[str]], *names: str) -> str:
    return next((given[name][-1] for name in names if given.get(name)), "")


# --- where it listens ---


def _binds(kind: str, given: Mapping[str, Sequence[str]], environment: Mapping[str, str], cwd: str) -> Iterator[str]:
    """Yield the addresses, as uWSGI's options have them: 'host:port' or '/path'."""
    upper = {"uvicorn": "UVICORN", "granian": "GRANIAN"}.get(kind, "-")

    def value(name: str) -> str:
        return _last(given, name) or environment.get(f"{upper}_{name.upper()}", "")

    paths = [value("uds"), value("unix-socket") or _last(given, "u")]
    binds = [*given.get("bind", []), *given.get("listen", [])] if kind != "daphne" else []
    for endpoint in given.get("endpoint", []):
        parts = dict(part.partition("=")[::2] for part in endpoint.split(":"))
        paths += [endpoint[5:].partition(":")[0]] if endpoint.startswith("unix:") else []
        binds += [f"{parts.get('interface', '0.0.0.0')}:{parts['port']}"] if parts.get("port") else []  # noqa: S104
    own = [path for path in paths if path]
    for bind in [*binds, *(f"unix:{path}" for path in own)]:
        if bind.startswith("unix:"):
            yield os.path.normpath(os.path.join(cwd, bind[5:].replace("//", "/", 1)))
        elif not bind.startswith("fd:"):
            host, _colon, port = bind.rpartition(":")
            host, port = (port, "8000") if not host and not port.isdigit() else (host, port)
            yield f"{host.strip('[]') if ':' not in host else host}:{port}"
    if binds or own or "fd" in given:
        return
    if kind == "gunicorn" and environment.get("PORT"):
        yield f"0.0.0.0:{environment['PORT']}"
        return
    host = value("host") or (_last(given, "bind") if kind == "daphne" else "") or "127.0.0.1"
    yield f"{host}:{value('port') or _PORTS.get(kind, '8000')}"


# --- gunicorn's configuration ---


def _gunicorn_config(found: Options, given: Mapping[str, Sequence[str]], cwd: str) -> dict[str, list[str]]:
    """Return the plain assignments of gunicorn's configuration file, by their names as options."""
    named = re.sub(r"^(?:file|python):", "", _last(given, "config"))
    path = os.path.normpath(os.path.join(cwd, named or "gunicorn.conf.py"))
    text = read_or_empty(path)[:_CONFIG_MOST]
    if not text:
        found.missing += [path] if named and not os.path.exists(path) else []
        return {}
    found.files.append(path)
    values: dict[str, list[str]] = {}
    for name, value in _ASSIGNED.findall(text):
        literals = _LITERAL.fullmatch(value.strip()) and _LITERALS.findall(value)
        if literals:
            values[name] = ["".join(parts) for parts in literals]
    return values
