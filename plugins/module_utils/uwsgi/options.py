# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options that a uWSGI was started with: from its command line and the ini files that it names.

Parses hand-written configurations: long and short options, `--name=value` and `--name value`, ini, XML, YAML and JSON
files with `%d`, `%(name)` and `$(VARIABLE)`, `ini = other.ini` and `ini = :section`. What cannot be parsed is left out,
never guessed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..model import regular
from .option_files import KINDS, options_in

# An ini file may name others, and itself; a value may contain others. No real configuration exceeds these limits.
FILES_MAX, VALUE_MAX = 100, 65536
# uWSGI doc, "Options": several names for one thing.
_ALIASES = {
    "s": "socket",
    "uwsgi-socket": "socket",
    "H": "home",
    "virtualenv": "home",
    "venv": "home",
    "pyhome": "home",
    "w": "module",
    "wsgi": "module",
    "pp": "pythonpath",
    "python-path": "pythonpath",
    "p": "processes",
    "workers": "processes",
    "b": "buffer-size",
    "t": "harakiri",
    "l": "listen",
    "M": "master",
    "C": "chmod-socket",
    "chmod": "chmod-socket",
    "d": "daemonize",
    "logto2": "logto",
    "stats-server": "stats",
    "file": "wsgi-file",
    "yml": "yaml",
    "y": "yaml",
    "x": "xml",
    "j": "json",
    "js": "json",
    "xmlconfig": "xml",
    "set-ph": "set-placeholder",
    "set": "set-placeholder",
}
# Options that name another option file of any type (uWSGI doc, "Options").
_ANY_FILE = {"config", "include", "inherit"}
# Options of the command line without a value; any other takes the next word unless that is an option.
_FLAGS = {"master", "M", "vacuum", "need-app", "strict", "enable-threads", "die-on-term", "single-interpreter"}
_FLAGS |= {"manage-script-name", "thunder-lock", "lazy-apps", "no-orphans", "emperor-tyrant"}
# The default size of a request's variables in bytes (uWSGI doc, "buffer-size").
BUFFER_SIZE_DEFAULT = 4096
# Options that listen, with their protocol.
SPEAKS = {"socket": "uwsgi", "http": "http router", "http-socket": "http-socket", "https": "https router"}


@dataclass
class Options:
    """The options in effect: name to its values in order; `cwd` is where uWSGI was started.

    `files` are the ini files that were read, `missing` those that do not exist.
    """

    cwd: str = "/"
    values: dict[str, list[str]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def last(self, name: str, default: str = "") -> str:
        return self.values.get(name, [default])[-1]

    def number(self, name: str, default: int) -> int:
        text = self.last(name)
        return int(text) if re.fullmatch(r"[0-9]+", text) else default

    def flag(self, name: str) -> bool:
        return self.last(name, "false").lower() in ("true", "1", "yes", "on", "")

    @property
    def environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.values.get("env", []) if "=" in entry)

    @property
    def binds(self) -> list[tuple[str, str]]:
        """Return (address, protocol) of everything that it listens on."""
        cwd = self.last("chdir") or self.cwd
        return [(address(value, cwd), speaks) for name, speaks in SPEAKS.items() for value in self.values.get(name, [])]


def read(command: Sequence[str], cwd: str = "/", environment: Mapping[str, str] | None = None) -> Options:
    """Return the options of a command line such as `uwsgi --ini mysite.ini --http :8000`, started in `cwd`."""
    found = Options(cwd)
    for name, value in _words(command):
        _take(found, name, value, cwd, environment or {}, 0)
    return found


def python_of(options: Options, command: Sequence[str]) -> str:
    """Return the interpreter of the application: the virtualenv's, uWSGI's own, or the system's.

    The wheel `pyuwsgi` runs in a virtualenv's own Python and ignores `home`.
    """
    candidates = [f"{options.last('home')}/bin/python3"] if options.last("home") else []
    if command:
        first = os.path.basename(command[0])
        if first.startswith("python"):
            candidates.insert(0, command[0])
        candidates.append(os.path.join(os.path.dirname(os.path.realpath(command[0])), "python3"))
    return next((path for path in candidates if os.access(path, os.X_OK)), "/usr/bin/python3")


def _words(command: Sequence[str]) -> Iterator[tuple[str, str]]:
    words = list(command)
    # The program itself comes first, or before it the interpreter of the wheel.
    while words and not words[0].startswith("-") and not re.search(r"\.(ini|xml|ya?ml|json)$|^:\w", words[0]):
        words.pop(0)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            kind = word.partition(":")[0].rpartition(".")[2] if "." in word else ""
            yield KINDS.get(kind, "socket"), word
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and name not in _FLAGS and words and not words[0].startswith("-"):
            value = words.pop(0)
        yield name, value or "true"


def _take(found: Options, name: str, value: str, cwd: str, environment: Mapping[str, str], depth: int) -> None:
    name = _ALIASES.get(name, name)
    if name in _ANY_FILE:
        name = KINDS.get(value.partition(":")[0].rpartition(".")[2], name)
    if name in KINDS and depth < 10 and len(found.files) + len(found.missing) < FILES_MAX:
        _read_file(found, name, value, cwd, environment, depth)
        return
    if name == "set-placeholder":
        name, _equals, value = value.partition("=")
    if name in ("chdir", "home", "pythonpath", "wsgi-file") and not value.startswith("/"):
        base = cwd if name in ("chdir", "home") else found.last("chdir", cwd)
        value = os.path.normpath(os.path.join(base, value))
    found.values.setdefault(name, []).append(value)


def _read_file(found: Options, kind: str, value: str, cwd: str, environment: Mapping[str, str], depth: int) -> None:
    path, _colon, section = value.partition(":")
    path = os.path.normpath(os.path.join(cwd, path))
    try:
        text = regular.content(path).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        found.missing.append(path)
        return
    found.files.append(path)
    for inner, given in options_in(text, KINDS.get(path.rpartition(".")[2], kind), section):
        given = _expand(given, path, found, environment)
        # `ini = :other` is another section of the same file.
        _take(
            found,
            inner,
            f"{path}{given}" if inner in KINDS and given[:1] == ":" else given,
            cwd,
            environment,
            depth + 1,
        )


def _expand(value: str, path: str, found: Options, environment: Mapping[str, str]) -> str:
    """Replace magic variables of the file, placeholders and the environment (uWSGI doc, "Configuring uWSGI")."""
    stem, _dot, extension = os.path.basename(path).rpartition(".")
    magic = {
        "%": "%",
        "d": os.path.dirname(path) + "/",
        "p": path,
        "s": os.path.basename(path),
        "n": stem,
        "e": extension,
        "c": os.path.basename(os.path.dirname(path)),
    }
    value = re.sub(r"%\(([\w-]+)\)", lambda match: found.last(_ALIASES.get(match[1], match[1]), match[0]), value)
    value = re.sub(r"%([%dpsnec])", lambda match: magic[match[1]], value)
    return re.sub(r"\$\((\w+)\)", lambda match: environment.get(match[1], ""), value)[:VALUE_MAX]


def address(value: str, cwd: str) -> str:
    """Return an address in the format of the other modules: 'unix:/path' or 'host:port'."""
    value = value.partition(",")[0]
    if ":" in value and not value.startswith("/"):
        host, _colon, port = value.rpartition(":")
        return f"{host or '0.0.0.0'}:{port}"  # noqa: S104 - what uWSGI binds to when only a port is given
    return "unix:" + os.path.normpath(os.path.join(cwd, value))
