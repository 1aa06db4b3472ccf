# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the uWSGI of a site, running or not: its process, unit, options, environment, log and numbers."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence

from ..host import processes
from ..host.files import names, read_link, read_or_empty
from ..host.identity import Identity, user_name
from ..model.layout import Layout
from ..nginx import match
from ..uwsgi import options as uwsgi_options
from ..uwsgi import stats
from ..uwsgi.protocol import ProtocolError
from . import ask
from .evidence import Host, Uwsgi
from .look_host import RECENT, units_named
from .unit_environment import is_renamed, running_environment, unit_environment

# More than the longest report of an exception.
LOG_LINES = 1000
# Where distributions keep the ini files of applications.
INI_FOLDERS = ("/etc/uwsgi/apps-enabled", "/etc/uwsgi/vassals", "/etc/uwsgi/sites", "/etc/uwsgi.d", "/etc/uwsgi")


def find_uwsgi(layout: Layout, domains: Sequence[str], host: Host, addresses: Sequence[str]) -> Uwsgi:
    """Find the uWSGI behind nginx's addresses, or the one that names the site, or the only one that there is."""
    found = Uwsgi()
    master, masters = _find_master(layout, host, addresses)
    if master:
        found.master = master
        children = [process for process in host.table.values() if process.parent == master.pid]
        found.workers = [child for child in children if is_uwsgi(child)]
    found.unit = _find_unit(layout, host, found.master)
    found.installed = bool(masters or found.unit or ask.installed("uwsgi"))
    cwd = _how_it_starts(found, layout)
    if not found.command:
        ini = _find_ini(layout.name, domains, host, addresses)
        found.command = ["uwsgi", "--ini", ini] if ini else []
        if ini and not found.master:
            found.installed = True
            found.user = user_name(os.stat(ini).st_uid)
    # A command that was typed in another directory names its ini relative to that.
    started = found.environment.get("PWD", "")
    if any(word.endswith(".ini") and not word.startswith("/") for word in found.command) and started:
        cwd = started
    found.options = uwsgi_options.read(found.command, cwd, found.environment)
    found.python = uwsgi_options.python_of(found.options, found.command)
    found.environment.update(found.options.environment)
    if not found.master:
        found.user = _of_option(found)
    if found.master and not found.options.last("chdir"):
        found.options.values.setdefault("chdir", [found.master.cwd or cwd])
    family = {process.pid for process in [found.master, *found.workers] if process}
    found.listens = [listener.address for listener in host.listeners if family & set(listener.pids)]
    found.listens = found.listens or [address for address, _speaks in found.options.binds]
    found.log = uwsgi_log(found, host.now)
    if int(found.unit.get("NRestarts") or 0):
        words = ["--output=short-unix", "_PID=1", f"UNIT={found.unit['Id']}"]
        found.restarted = restarts(_journal(int(host.now) - RECENT, words))
    return found


def project_environment(found: Uwsgi) -> dict[str, str]:
    """Return the environment in which uWSGI loads the application."""
    environment = {**ask.CLEAN_ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.update({key: value for key, value in found.environment.items() if not key.startswith("LC_")})
    paths = [*found.options.values.get("pythonpath", []), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = ":".join(path for path in paths if path)
    return environment


def loads_as(found: Uwsgi) -> tuple[Identity | None, str]:
    """Return who loads the application in a look at it, or None and why nobody does.

    Root does where uWSGI runs as root at this moment. An ini that somebody else may write, or a file of root's that is
    no ini of the site, would otherwise have root run whatever it names.
    """
    if found.master:
        lower = [worker.identity for worker in found.workers if worker.identity.uid]
        return (found.master.identity if found.master.identity.uid or not lower else lower[0]), ""
    who = ask.account(found.user)
    if who is None:
        return None, f"there is no user {found.user!r} to load it as"
    if who.uid == 0:
        return None, "nothing of it runs, and it would be loaded as root; give its uWSGI a user of its own"
    return who, ""


def ask_stats(found: Uwsgi, timeout: float) -> None:
    """Ask for uWSGI's own numbers, where it has a stats socket."""
    where = found.options.last("stats")
    if not found.master or not where:
        return
    address = uwsgi_options.address(where, found.master.cwd)
    for _try in range(3):  # a worker may have been changing a text while uWSGI wrote it, which is no JSON then
        with contextlib.suppress(ProtocolError):
            found.stats = stats.read(address, timeout / 3)
            return


def uwsgi_log(found: Uwsgi, now: float) -> str:
    """Return what uWSGI said since it started, or lately where it is down; from the journal or its log file."""
    since = int(found.master.started) - 5 if found.master else int(now) - RECENT
    for option in ("daemonize", "logto"):
        path = found.options.last(option)
        if path.startswith("/"):
            return since_start(ask.tail(path))
    unit = found.unit.get("Id", "")
    if not unit:
        return ""
    # What runs well is not to blame for what an earlier start said: every start has an id of its own.
    this_start = found.unit.get("ActiveState") == "active" and found.unit.get("InvocationID")
    which = f"_SYSTEMD_INVOCATION_ID={this_start}" if this_start else f"--unit={unit}"
    return _journal(since, ["--output=cat", which])


def is_uwsgi(process: processes.Process) -> bool:
    """Say whether a process is a uWSGI, by its name or its command."""
    words = [os.path.basename(word) for word in process.command[:2]]
    return process.name.startswith("uwsgi") or any(re.match(r"uwsgi|pyuwsgi|uWSGI ", word) for word in words)


def exec_start(unit: Mapping[str, str]) -> list[str]:
    """Return the command of a unit, as systemctl shows it."""
    found = re.search(r"argv\[\]=(.*?) ; ", unit.get("ExecStart", ""))
    return found[1].split() if found else []


def since_start(text: str) -> str:
    """Return the part of a log that the last start of uWSGI wrote."""
    return text[max(text.rfind("*** Starting uWSGI"), 0) :]


def restarts(journal: str) -> list[float]:
    """Return when systemd started a unit again that ended by itself, since somebody last started it.

    systemd announces such a start after the end before it, and counts on when somebody fixes and starts the unit.
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


def _find_master(
    layout: Layout, host: Host, addresses: Sequence[str]
) -> tuple[processes.Process | None, list[processes.Process]]:
    """Return (the site's master process, all master processes)."""
    table = host.table
    ours = {pid for pid, process in table.items() if is_uwsgi(process)}
    masters = [
        table[pid]
        for pid in sorted(ours)
        if table[pid].parent not in ours or table[pid].command != table[table[pid].parent].command
    ]
    reals = [f"unix:{os.path.realpath(where[5:])}" if where.startswith("unix:") else where for where in addresses]
    ports = [where.rpartition(":")[2] for where in reals if not where.startswith("unix:")]
    held = {
        pid
        for listener in host.listeners
        if listener.address in reals or (listener.port and str(listener.port) in ports)
        for pid in listener.pids
    }

    def rank(process: processes.Process) -> int:
        family = {process.pid, *(pid for pid in ours if table[pid].parent == process.pid)}
        if family & held:
            return 4
        if layout.release_of(process.unit):
            return 3
        settings = process.environment.get("DJANGO_SETTINGS_MODULE", "")
        words = " ".join([*process.command, process.unit, settings, process.cwd])
        return 2 if re.search(rf"(?:^|[/@ :._-]){re.escape(layout.name)}(?:$|[/@ :._-])", words) else 0

    for master in masters:
        processes.details(master)
    best = max(masters, key=rank, default=None)
    strangers = len(masters) > 1 or os.path.islink(layout.current)
    return (best if best and (rank(best) or not strangers) else None), masters


def _find_unit(layout: Layout, host: Host, master: processes.Process | None) -> dict[str, str]:
    if master and master.unit:
        return next((unit for unit in host.units if unit.get("Id") == master.unit), {"Id": master.unit})
    # A template's instance is not loaded while it is stopped.
    candidates = [unit for unit in host.units if "uwsgi" in unit.get("ExecStart", "")]
    live = read_link(layout.current)
    if live:
        instance = layout.unit(os.path.basename(live))
        candidates = [unit for unit in candidates if unit["Id"] == instance] or units_named([instance])
        return candidates[0] if candidates else {}
    known = {unit["Id"] for unit in candidates}
    candidates += units_named([name for name in host.units_files if name not in known and "@" not in name][:20])
    taken = {process.unit for process in host.table.values() if is_uwsgi(process)}
    free = [unit for unit in candidates if unit["Id"] not in taken]
    named = [unit for unit in free if layout.name in unit["Id"] or f"/{layout.name}" in unit.get("ExecStart", "")]
    return (named or (free if len(free) == 1 else []) or [{}])[0]


def _how_it_starts(found: Uwsgi, layout: Layout) -> str:
    """Fill in command, environment and user, of the process or of the unit; return the directory it starts in."""
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
    return found.master.cwd or "/"


# --- its ini and its log ---


def _of_option(found: Uwsgi) -> str:
    """Return whom uWSGI becomes: root alone can become another one, and no file of a third one says whom."""
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
                    binds = {address for address, _speaks in uwsgi_options.read(["uwsgi", "--ini", path]).binds}
                    found.append((2 if binds & set(addresses) else 1 if name in path else 0, path))
    return max(found, key=lambda ranked: ranked[0])[1] if found else ""


def _journal(since: int, words: Sequence[str]) -> str:
    """Return the last lines of the journal since a time. Forward, journalctl would show the first ones since then."""
    command = ["journalctl", "--no-pager", "--reverse", f"--lines={LOG_LINES}", f"--since=@{since}", *words]
    lines = [line for line in ask.run(command).out.splitlines() if not line.startswith("-- ")]
    return "\n".join(reversed(lines))
