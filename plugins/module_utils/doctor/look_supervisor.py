# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What supervisor would start, from its own configuration, and what it reports about that."""

from __future__ import annotations

import configparser
import glob
import os
import re
from collections.abc import Callable

from ..host.files import read_or_empty
from . import ask
from .evidence_servers import SUPERVISOR, Start, Starts
from .server_commands import kind_of, options_of, scripted, shlex_words

CONFIGURATIONS = ("/etc/supervisor/supervisord.conf", "/etc/supervisord.conf")
LOG_FOLDER = "/var/log/supervisor"
_MOST = 60


def programs_of_supervisor() -> list[Start]:
    """Return the programs of supervisor that are servers."""
    found = []
    for main in CONFIGURATIONS:
        parsed = _parsed(read_or_empty(main))
        patterns = parsed.get("include", "files", fallback="").split() if parsed.has_section("include") else []
        paths = [
            path for pattern in patterns for path in sorted(glob.glob(os.path.join(os.path.dirname(main), pattern)))
        ]
        folder = parsed.get("supervisord", "childlogdir", fallback=LOG_FOLDER)
        for path in [main, *paths[:_MOST]]:
            own = _parsed(read_or_empty(path))
            for section in own.sections():
                kind, _colon, name = section.partition(":")
                if kind in ("program", "fcgi-program") and name:
                    found += _program(name, dict(own[section]), path, folder)
    return found


def said_by_supervisor(found: Starts) -> None:
    """Fill in what supervisor reports about its programs; nothing if none of them is a server."""
    if any(start.way == SUPERVISOR for start in found.found):
        said = ask.run(["supervisorctl", "status"])
        for line in said.out.splitlines():
            words = line.split(None, 2)
            if len(words) > 1 and re.fullmatch(r"[A-Z]+", words[1]):
                # A program of a group, or one of several processes: `group:program_00`.
                own = words[0].rpartition(":")[2]
                for name in dict.fromkeys((words[0], own, re.sub(r"_?\d+$", "", own), words[0].partition(":")[0])):
                    said_before = found.supervisor.get(name, "")
                    found.supervisor[name] = f"{said_before}; {line.strip()}" if said_before else line.strip()
        if not found.supervisor:
            found.error = (said.out + said.err).strip().splitlines()[0] if (said.out + said.err).strip() else "?"


def _parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",), allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        return configparser.RawConfigParser()
    return parser


def _program(name: str, given: dict[str, str | None], path: str, folder: str) -> list[Start]:
    values = {"here": os.path.dirname(path), "program_name": name, "process_num": "0", "group_name": name}

    def value(option: str) -> str:
        return re.sub(r"%\((\w+)\)[sd0-9]*", lambda found: values.get(found[1], found[0]), given.get(option) or "")

    command, cwd = scripted(shlex_words(value("command")), value("directory") or "/")
    kind = kind_of(command)
    if not kind:
        return []
    pairs = re.findall(r"(\w+)=(\"[^\"]*\"|'[^']*'|[^,]*)", value("environment"))
    environment = {key: text.strip().strip("\"'") for key, text in pairs}
    options = options_of(kind, command, cwd, environment)
    addresses = [address for address, _speaks in options.binds]
    socket = value("socket")  # of an fcgi-program: tcp://host:port or unix:///path
    if socket:
        addresses = [f"unix:{socket[7:]}" if socket.startswith("unix://") else socket.partition("//")[2]]
    start = Start(kind, SUPERVISOR, name, path, command, cwd, environment, value("user") or "root", addresses)
    start.log = _log(name, value, folder)
    several = value("numprocs") not in ("", "1") or value("process_name") not in ("", name)
    start.program = (shlex_words(value("command")) or [""])[0]
    start.group = f"{name}:*" if several else ""
    return [start]


def _log(name: str, value: Callable[[str], str], folder: str) -> str:
    """Return the newest log of a program that is not empty: its errors', or where that is one file, its output's."""
    paths = []
    for stream in ("stderr", "stdout"):
        named = value(f"{stream}_logfile")
        if named.startswith("/"):
            paths.append(named)
        elif named in ("", "AUTO"):
            paths += glob.glob(f"{folder}/{glob.escape(name)}-{stream}---*")
    there = [path for path in paths if os.path.isfile(path) and os.stat(path).st_size]
    return max(there, key=lambda path: os.stat(path).st_mtime) if there else (paths or [""])[0]
