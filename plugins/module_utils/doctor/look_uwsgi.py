# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the uWSGI of a site, running or not: its process, unit, options, environment, log and numbers."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Sequence

from ..host import processes
from ..host.files import names, read_link, read_or_empty
from ..host.identity import Identity, user_name
from ..model.layout import SYSTEMD, Layout
from ..nginx import match
from ..uwsgi import options as uwsgi_options
from ..uwsgi import stats
from ..uwsgi.protocol import ProtocolError
from . import ask
from .evidence import Host, Uwsgi
from .evidence_servers import VASSAL, Serving, Start
from .last_start import last_start
from .look_host import RECENT, units_named
from .look_servers import find_server
from .look_starts import addresses_of, exec_start
from .server_commands import kind_of, options_of
from .unit_environment import is_renamed, running_environment, unit_environment

# More than the longest report of an exception.
LOG_LINES = 1000
# One line or several adjacent ones: a configuration may name another.
_CONFIGURED = re.compile(r"(?m)^(?:.*\[uWSGI\] getting \w+ configuration from .*\n?)+")
# What journalctl itself says; uWSGI's own words begin with two dashes, too.
_OF_JOURNALCTL = re.compile(r"-- (Journal begins|Logs begin|No entries|Boot [0-9a-f]|Reboot)")
# Where distributions keep the ini files of applications.
INI_FOLDERS = ("/etc/uwsgi/apps-enabled", "/etc/uwsgi/vassals", "/etc/uwsgi/sites", "/etc/uwsgi.d", "/etc/uwsgi")


def find_uwsgi(
    layout: Layout, domains: Sequence[str], host: Host, addresses: Sequence[str], server: Serving | None = None
) -> Uwsgi:
    """Find the server behind nginx's addresses, or the one that names the site, or the only one.

    `server` becomes the result of `find_server`.
    """
    found, said = Uwsgi(), server or Serving()
    master = find_server(said, layout, domains, host, addresses)
    if master:
        found.master = master
        children = [process for process in host.table.values() if process.parent == master.pid]
        found.workers = [child for child in children if _is_worker(child, said.kind)]
    found.unit = _find_unit(layout, host, found.master, said)
    found.starts_at_boot = starts_at_boot(layout.boot_unit)
    found.installed = bool(master or found.unit or said.start or ask.installed("uwsgi"))
    cwd = _how_it_starts(found, layout, said.start)
    if not found.command and not said.stranger:
        ini = _find_ini(layout.name, domains, host, addresses)
        found.command = ["uwsgi", "--ini", ini] if ini else []
        if ini and not found.master:
            found.installed = True
            found.user = user_name(os.stat(ini).st_uid)
    # A command that was typed in another directory names its ini relative to that.
    started = found.environment.get("PWD", "")
    if any(word.endswith(".ini") and not word.startswith("/") for word in found.command) and _has(started, found):
        cwd = started
    found.options = options_of(said.kind or "uwsgi", found.command, cwd, found.environment)
    lost = found.options.missing or (said.kind != "uwsgi" and not found.options.last("module"))
    if said.start and found.master and lost:
        # A process that renamed itself, or changed its directory since it was started.
        found.command = said.start.command
        found.options = options_of(said.kind, found.command, said.start.cwd, found.environment)
    found.python = uwsgi_options.python_of(found.options, found.command)
    found.environment.update(found.options.environment)
    if not found.master:
        found.user = _of_option(found)
    if found.master and not found.options.last("chdir"):
        found.options.values.setdefault("chdir", [found.master.cwd or cwd])
    family = {process.pid for process in [found.master, *found.workers] if process}
    found.listens = [listener.address for listener in host.listeners if family & set(listener.pids)]
    found.listens = found.listens or (said.start.addresses if said.start else []) or addresses_of(found.options)
    found.log = uwsgi_log(found, host.now, said.start)
    if int(found.unit.get("NRestarts") or 0):
        words = ["--output=short-unix", "_PID=1", f"UNIT={found.unit['Id']}"]
        found.restarted = restarts(_journal(int(host.now) - RECENT, words))
    return found


def starts_at_boot(unit: str, folder: str = SYSTEMD) -> bool | None:
    """Return whether another unit wants a unit of this host; None if there is no such unit."""
    if not os.path.lexists(f"{folder}/{unit}"):
        return None
    return bool(glob.glob(f"{glob.escape(folder)}/*.wants/{unit}"))


def project_environment(found: Uwsgi) -> dict[str, str]:
    """Return the environment in which uWSGI loads the application."""
    environment = {**ask.CLEAN_ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.update({key: value for key, value in found.environment.items() if not key.startswith("LC_")})
    paths = [*found.options.values.get("pythonpath", []), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = ":".join(path for path in paths if path)
    return environment


def loads_as(found: Uwsgi) -> tuple[Identity | None, str]:
    """Return the identity that loads the application for a check, or None and the reason.

    Root does where uWSGI runs as root at this moment. Otherwise an ini that another user may write, or a file of root's
    that is not the site's ini, could make root run whatever it names.
    """
    if found.master:
        lower = [worker.identity for worker in found.workers if worker.identity.uid]
        return (found.master.identity if found.master.identity.uid or not lower else lower[0]), ""
    who = ask.account(found.user)
    if who is None:
        return None, f"there is no user {found.user!r} to load it as"
    if who.uid == 0:
        return None, "it does not run, and would be loaded as root; run its uWSGI as a user of its own"
    return who, ""


def ask_stats(found: Uwsgi, timeout: float) -> None:
    """Ask for uWSGI's own numbers, where it has a stats socket."""
    where = found.options.last("stats")
    if not found.master or not where:
        return
    address = uwsgi_options.address(where, found.master.cwd)
    for _try in range(3):  # a worker may have changed a text while uWSGI wrote it, and then it is not JSON
        with contextlib.suppress(ProtocolError):
            found.stats = stats.read(address, timeout / 3)
            return


def uwsgi_log(found: Uwsgi, now: float, start: Start | None = None) -> str:
    """Return a server's output since it started, or recent output if it is down; from the journal or its log file."""
    since = int(found.master.started) - 5 if found.master else int(now) - RECENT
    unit = found.unit.get("Id", "")
    said, began = "", 0.0
    if unit and found.unit.get("ActiveState") != "active":
        # The last start shows why it fails now. If it was stopped or failed, that may be long ago.
        lately = int(now) - RECENT if found.unit.get("ActiveState") in ("activating", "deactivating") else 0
        said, began = last_start(unit, lately)
    for path in _log_files(found, start):
        # A start that failed before the server ran left nothing in its file.
        return said if said and _changed(path) + 1 < began else f"{said}\n{since_start(ask.tail(path))}".lstrip("\n")
    if start and start.way == VASSAL:
        return _of_vassal(start, found, since)
    if not unit or said:
        return said
    # Output of an earlier start does not concern a running server: every start has its own ID.
    this_start = found.unit.get("ActiveState") == "active" and found.unit.get("InvocationID")
    which = f"_SYSTEMD_INVOCATION_ID={this_start}" if this_start else f"--unit={unit}"
    said = _journal(since, ["--output=cat", which])
    # A reload does not change process and unit.
    return said if "[emperor]" in said else since_start(said)


def _log_files(found: Uwsgi, start: Start | None) -> list[str]:
    """Return the files into which it writes its log, if any."""
    named = [found.options.last(option) for option in ("daemonize", "logto")]
    also = [start.log] if start and start.log and start.way != VASSAL else []
    return [path for path in named if path.startswith("/")] + also


def _changed(path: str) -> float:
    with contextlib.suppress(OSError):
        return os.stat(path).st_mtime
    return 0.0


def is_uwsgi(process: processes.Process) -> bool:
    """Return whether a process is a uWSGI, by its name or its command."""
    words = [os.path.basename(word) for word in process.command[:2]]
    return process.name.startswith("uwsgi") or any(re.match(r"uwsgi|pyuwsgi|uWSGI ", word) for word in words)


def _is_worker(child: processes.Process, kind: str) -> bool:
    """Return whether a child of a server handles requests; uvicorn's are started by Python's multiprocessing."""
    return kind_of(child.command, child.name) == kind or any("spawn_main" in word for word in child.command)


def since_start(text: str) -> str:
    """Return the part of a log that the last start of uWSGI wrote."""
    # It reads its configuration before that, and may fail there.
    read = list(_CONFIGURED.finditer(text))
    begin = text.rfind("*** Starting uWSGI")
    if read and read[-1].start() > begin:
        return text[read[-1].start() :]
    return text[max(begin, 0) :]


def restarts(journal: str) -> list[float]:
    """Return when systemd restarted a unit that ended by itself, since it was last started by hand.

    systemd logs such a start after the previous end, and does not reset its count when the unit is fixed and started.
    """
    found: list[float] = []
    announced = False
    for line in journal.splitlines():
        when, _space, rest = line.partition(" ")
        if ": Scheduled restart job" in rest:
            announced = True
            found.append(float(when))
        elif ": Failed with result" in rest or ": Deactivated successfully" in rest:
            announced = False
        elif re.search(r"\]: Start(?:ing|ed) ", rest) and not announced:
            found.clear()
    return found


# --- its process and unit ---


def _find_unit(
    layout: Layout, host: Host, master: processes.Process | None, server: Serving | None = None
) -> dict[str, str]:
    if master and master.unit:
        return next((unit for unit in host.units if unit.get("Id") == master.unit), {"Id": master.unit})
    # A template's instance is not loaded while it is stopped.
    live = read_link(layout.current)
    if live:
        instance = layout.unit(os.path.basename(live))
        candidates = [unit for unit in host.units if unit["Id"] == instance] or units_named([instance])
        return candidates[0] if candidates else {}
    return server.start.unit if server and server.start else {}


def _how_it_starts(found: Uwsgi, layout: Layout, start: Start | None) -> str:
    """Fill in command, environment and user, of the process or of what starts it; return the directory of its start."""
    if not found.master and start and not layout.release_of(found.unit.get("Id", "")):
        found.command, found.environment = start.command, dict(start.environment)
        found.user = start.user
        return start.cwd
    if not found.master:
        found.command = exec_start(found.unit)
        found.environment = unit_environment(found.unit)
        found.user = found.unit.get("User") or "root"
        return found.unit.get("WorkingDirectory") or "/"
    found.command = found.master.command
    found.environment = running_environment(found.master, found.unit, layout)
    found.user = found.master.identity.name
    if is_renamed(found.master):
        found.command = exec_start(found.unit)
    return found.master.cwd or (start.cwd if start else "/")


def _has(folder: str, found: Uwsgi) -> bool:
    """Return whether the ini that a command names is in the directory in which it was run."""
    names_it = [word for word in found.command if word.endswith(".ini") and not word.startswith("/")]
    return bool(folder) and all(os.path.isfile(os.path.join(folder, word)) for word in names_it)


# --- its ini and its log ---


def _of_option(found: Uwsgi) -> str:
    """Return the user that uWSGI becomes: only root can change its user, and a file of a third user may not name it."""
    account, named = ask.account(found.user), found.options.last("uid")
    wanted = ask.account(named) if named else None
    if not wanted or not account or account.uid:
        return found.user
    owners = {found_file.st_uid for found_file in map(os.stat, found.options.files)}
    return named if owners <= {0, wanted.uid} else found.user


def _find_ini(name: str, domains: Sequence[str], host: Host, addresses: Sequence[str]) -> str:
    """Find the ini of a uWSGI that nothing else names: beside its socket, in the project, or where distributions do."""
    folders = [os.path.dirname(where[5:]) for where in addresses if where.startswith("unix:")]
    for server in match.servers(host.nginx.config):
        if any(server.matches(domain) for domain in domains):
            for location in server.chain[-1].all("location"):
                for directive in [*location.all("alias"), *location.all("root")]:
                    path = directive.args[0].rstrip("/")
                    folders += [path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))]
    found: list[tuple[int, str]] = []
    for folder in dict.fromkeys([*folders, *INI_FOLDERS]):
        with contextlib.suppress(OSError):
            for file in names(folder):
                path = f"{folder}/{file}"
                if file.endswith(".ini") and "[uwsgi]" in read_or_empty(path):
                    binds = {address for address, _speaks in uwsgi_options.read(["uwsgi", "--ini", path], folder).binds}
                    found.append((2 if binds & set(addresses) else 1 if name in path else 0, path))
    rank, best = max(found, key=lambda ranked: ranked[0], default=(0, ""))
    return best if rank else ""  # do not read another user's


def _of_vassal(start: Start, found: Uwsgi, since: int) -> str:
    """Return what a vassal said: its emperor writes what all of them say into one log.

    In the journal every process has its own lines; of a file, or of one that is gone, those count that name it, with
    the Python between them and the next one's start.
    """
    pids = [process.pid for process in [found.master, *found.workers] if process]
    if pids and not start.log:
        return _journal(since, ["--output=cat", *(f"_PID={pid}" for pid in pids)])
    text = ask.tail(start.log) if start.log else _journal(since, ["--output=cat", f"--unit={start.unit.get('Id', '')}"])
    blocks = re.split(r"(?=\*\*\* Starting uWSGI)", text)
    own = [block for block in blocks if re.search(rf"\b{re.escape(start.name)}\b", block.partition("spawned")[0])]
    # The emperor's reaction comes after the reason of the end.
    return "\n".join(line for line in own[-1].splitlines() if "[emperor]" not in line) if own else ""


def _journal(since: int, words: Sequence[str]) -> str:
    """Return the last lines of the journal since a time. Forward, journalctl would show the first ones since then."""
    command = ["journalctl", "--no-pager", "--reverse", f"--lines={LOG_LINES}", f"--since=@{since}", *words]
    lines = [line for line in ask.run(command).out.splitlines() if not _OF_JOURNALCTL.match(line)]
    return "\n".join(reversed(lines))
