# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find everything that a host would start: units, socket units, programs of supervisor, vassals, Debian's apps."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence

from ..host.files import names, read_or_empty
from ..host.identity import user_name
from ..host.processes import Process, details
from ..uwsgi import options as uwsgi_options
from ..uwsgi.option_files import KINDS
from ..uwsgi.options import Options
from . import ask
from .evidence_servers import DEBIAN, SYSTEMD, VASSAL, Start, Starts
from .look_supervisor import programs_of_supervisor, said_by_supervisor
from .server_commands import kind_of, options_of, scripted
from .unit_environment import unit_environment

# Where unit files are, and where systemd puts those that it generates from SysV scripts.
UNIT_FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/generator.late")
UNIT_PROPERTIES = (
    "Id,ExecStart,ActiveState,SubState,NRestarts,InvocationID,User,WorkingDirectory,EnvironmentFiles,Environment,"
    "PrivateTmp,ProtectSystem,ProtectHome,Type,LoadState,LoadError,UnitFileState,NeedDaemonReload,FragmentPath,Group,"
    "WantedBy,RequiredBy,TriggeredBy,DropInPaths,ExecStartPre"
)
SOCKET_PROPERTIES = "Id,Listen,Triggers,ActiveState,SubState,Result,UnitFileState"
DEBIAN_APPS = "/etc/uwsgi"
# What a unit starts that may be a server of Python's: a script may start one, too.
_SERVERS = re.compile(
    r"^ExecStart=.*(?:uwsgi|gunicorn|uvicorn|daphne|granian|hypercorn|waitress|manage\.py|\.sh\b)", re.M
)
# How many of each kind are examined at most.
_MOST = 60


def starts_of(table: Mapping[int, Process], units: Sequence[Mapping[str, str]]) -> Starts:
    """Return all that this host would start. `units` are the services that systemd has loaded."""
    known = {unit["Id"]: dict(unit) for unit in units}
    wanted = [name for name in _unit_files(".service", _SERVERS) if name not in known and "@" not in name][:_MOST]
    shown = ask.run(["systemctl", "show", *wanted, f"--property={UNIT_PROPERTIES}"]).out if wanted else ""
    known.update({unit["Id"]: unit for unit in parsed_units(shown)})
    for unit in known.values():
        if unit.get("LoadState") == "bad-setting":
            _read_refused(unit)
    found = Starts()
    sockets = _sockets(list(known))
    for unit in known.values():
        found.found += _of_unit(unit, sockets)
    _emperors(found, table)
    found.found += _vassals(found, table)
    found.found += _debian_apps(known.get("uwsgi.service", {"Id": "uwsgi.service"}))
    found.found += programs_of_supervisor()
    said_by_supervisor(found)
    return found


def exec_start(unit: Mapping[str, str]) -> list[str]:
    """Return the command of a unit, as systemctl shows it."""
    found = re.search(r"argv\[\]=(.*?) ; ", unit.get("ExecStart", ""))
    return found[1].split() if found else []


def parsed_units(shown: str) -> list[dict[str, str]]:
    """Return the units of the output of `systemctl show`; a property that occurs twice has two lines."""
    found = []
    for block in shown.split("\n\n"):
        values: dict[str, str] = {}
        for line in block.splitlines():
            name, _equals, value = line.partition("=")
            values[name] = f"{values[name]}\n{value}" if name in values else value
        if values.get("Id"):
            found.append(values)
    return found


def addresses_of(options: Options) -> list[str]:
    """Return the addresses that a server with these options listens on, without uWSGI's stats address."""
    return [address for address, _speaks in options.binds]


# --- systemd ---


def _unit_files(ending: str, containing: re.Pattern[str]) -> list[str]:
    """Return the names of unit files whose text has something."""
    found = []
    for folder in UNIT_FOLDERS:
        for name in names(folder):
            if name.endswith(ending) and containing.search(read_or_empty(f"{folder}/{name}")):
                found.append(name)
    return list(dict.fromkeys(found))


def _sockets(services: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the socket units of a host, by the service that each starts; of a template those of known instances."""
    named = _unit_files(".socket", re.compile("^Listen", re.M))
    files = [name for name in named if "@" not in name][:_MOST]
    instances = [name.replace(".service", ".socket") for name in services if "@" in name]
    files += [name for name in instances if f"{name.partition('@')[0]}@.socket" in named][:_MOST]
    shown = ask.run(["systemctl", "show", *files, f"--property={SOCKET_PROPERTIES}"]).out if files else ""
    found = {}
    for unit in parsed_units(shown):
        for service in unit.get("Triggers", "").split() or [unit["Id"].replace(".socket", ".service")]:
            found[service] = unit
    return found


def listens_of(socket: Mapping[str, str]) -> list[str]:
    """Return the addresses of a socket unit: systemctl shows `/run/a.sock (Stream)` or `127.0.0.1:80 (Stream)`."""
    found = []
    for word in re.findall(r"(\S+) \(Stream\)", socket.get("Listen", "")):
        found.append(f"unix:{word}" if word.startswith("/") else word)
    return found


def _read_refused(unit: dict[str, str]) -> None:
    """Fill in the command of a unit that systemd rejects, from its file: systemctl shows none."""
    text = read_or_empty(unit.get("FragmentPath", ""))
    command = re.findall(r"(?m)^ExecStart=[-@:+!]*(.*)$", text)
    if command and not unit.get("ExecStart"):
        words = command[-1].split()
        path = words[0] if words else ""
        unit["ExecStart"] = f"{{ path={path} ; argv[]={' '.join(words)} ; ignore_errors=no ; }}"
    for name in ("User", "WorkingDirectory"):
        given = re.findall(rf"(?m)^{name}=(.*)$", text)
        if given and not unit.get(name):
            unit[name] = given[-1].strip()


def _of_unit(unit: dict[str, str], sockets: Mapping[str, dict[str, str]]) -> list[Start]:
    environment = unit_environment(unit)
    command = [
        re.sub(r"\$\{?(\w+)\}?", lambda name: environment.get(name[1], name[0]), word) for word in exec_start(unit)
    ]
    cwd = unit.get("WorkingDirectory", "").lstrip("!-") or "/"
    command, cwd = scripted(command, cwd)
    kind = "" if command[:1] and command[0].startswith("/etc/init.d/") else kind_of(command)
    if not kind:
        return []
    options = options_of(kind, command, cwd, environment)
    if options.last("emperor"):
        return []
    socket = sockets.get(unit["Id"], {})
    start = Start(kind, SYSTEMD, unit["Id"], unit["Id"], command, cwd, environment, unit.get("User") or "root")
    start.addresses = (listens_of(socket) if socket else []) or addresses_of(options)
    start.unit, start.socket = unit, socket
    return [start]


# --- the emperor ---


def _emperors(found: Starts, table: Mapping[int, Process]) -> None:
    """Note what emperors watch: of those that run, and of Debian's, whose package brings its directory."""
    for process in table.values():
        if kind_of(process.command, process.name) == "uwsgi" and any("emperor" in word for word in process.command):
            details(process)
            options = uwsgi_options.read(process.command, process.cwd or "/")
            for pattern in options.values.get("emperor", []):
                found.emperors.setdefault(pattern, process.unit)
                log = options.last("daemonize") or options.last("logto")
                found.emperor_logs.setdefault(pattern, log if log.startswith("/") else "")
    for config, unit, log in (
        ("/etc/uwsgi-emperor/emperor.ini", "uwsgi-emperor.service", "/var/log/uwsgi/emperor.log"),
        ("/etc/uwsgi.ini", "uwsgi.service", ""),  # EPEL's
        ("/etc/uwsgi/emperor.ini", "emperor.uwsgi.service", ""),  # uWSGI's documentation
    ):
        for pattern in uwsgi_options.read(["uwsgi", "--ini", config]).values.get("emperor", []):
            found.emperors.setdefault(pattern, unit)
            found.emperor_logs.setdefault(pattern, log)


def _vassals(found: Starts, table: Mapping[int, Process]) -> Iterable[Start]:
    starts = []
    for pattern, unit in found.emperors.items():
        paths = (
            [f"{pattern}/{name}" for name in names(pattern)] if os.path.isdir(pattern) else glob.glob(pattern)[:_MOST]
        )
        for path in paths[:_MOST]:
            kind = KINDS.get(path.rpartition(".")[2], "")
            if not kind or kind == "js" or not os.path.isfile(path):
                continue
            folder = os.path.dirname(path)
            options = uwsgi_options.read(["uwsgi", f"--{kind}", path], folder)
            start = Start("uwsgi", VASSAL, os.path.basename(path), path, ["uwsgi", f"--{kind}", path], folder)
            start.addresses, start.manager = addresses_of(options), pattern
            running = [process.identity.name for process in table.values() if process.unit == unit and unit]
            # Not the user that the file names: its author could otherwise run code as any user.
            start.user = running[0] if running else user_name(os.stat(path).st_uid)
            log = options.last("daemonize") or options.last("logto")
            start.log = log if log.startswith("/") else found.emperor_logs.get(pattern, "")
            start.log = start.log if os.path.isfile(start.log) else ""
            start.unit = {"Id": unit} if unit else {}
            starts.append(start)
    return starts


# --- Debian's apps ---


def _debian_apps(unit: dict[str, str]) -> list[Start]:
    """Return Debian's apps: those in apps-enabled, and those that are only in apps-available."""
    if not os.path.isdir(f"{DEBIAN_APPS}/apps-available"):
        return []
    starts = []
    enabled = names(f"{DEBIAN_APPS}/apps-enabled")
    for folder in ("apps-enabled", "apps-available"):
        for name in names(f"{DEBIAN_APPS}/{folder}")[:_MOST]:
            stem, _dot, ending = name.rpartition(".")
            path = f"{DEBIAN_APPS}/{folder}/{name}"
            if ending not in KINDS or (folder == "apps-available" and name in enabled):
                continue
            options = uwsgi_options.read(["uwsgi", f"--{KINDS[ending]}", path])
            start = Start("uwsgi", DEBIAN, name, path, ["uwsgi", f"--{KINDS[ending]}", path])
            # /usr/share/uwsgi/conf/default.ini: where Debian's own script has it listen and who it becomes.
            start.addresses = addresses_of(options) or [f"unix:/run/uwsgi/app/{stem}/socket"]
            own = (
                os.path.isfile(path) and os.stat(path).st_uid == 0
            )  # a file that root does not own may not name the user
            start.user, start.log = (own and options.last("uid")) or "www-data", f"/var/log/uwsgi/app/{stem}.log"
            start.unit, start.enabled = unit, folder == "apps-enabled" and os.path.isfile(path)
            starts.append(start)
    return starts
