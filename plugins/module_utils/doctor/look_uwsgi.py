# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the uWSGI of a site, running or not: its process, unit, options, environment, log and numbers."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..doctor import ask as doctor_tools
from ..doctor import look_host as doctor_host
from ..host import files, path_walk, processes
from ..uwsgi import options as uwsgi_options
from ..uwsgi import protocol as uwsgi_protocol

LOG_LINES = 300


@dataclass
class Uwsgi:
    """The uWSGI of a site, running or not; `log` is what it said since it was started, or lately when it is down."""

    installed: bool = False
    master: processes.Process | None = None
    workers: list[processes.Process] = field(default_factory=list)
    unit: dict[str, str] = field(default_factory=dict)
    options: uwsgi_options.Options = field(default_factory=uwsgi_options.Options)
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    listens: list[str] = field(default_factory=list)
    log: str = ""
    restarted: list[float] = field(default_factory=list)  # when systemd had to start it again, see restarts()
    stats: dict[str, Any] = field(default_factory=dict)


def find_uwsgi(name: str, domains: Sequence[str], root: str, host: doctor_host.Host, addresses: Sequence[str]) -> Uwsgi:
    """The uWSGI of a site: the one behind nginx's address, or the one that names the site, or the only one there is."""
    table = host.table
    ours = {pid for pid, one in table.items() if is_uwsgi(one)}
    masters = [
        table[pid]
        for pid in sorted(ours)
        if table[pid].parent not in ours or table[pid].command != table[table[pid].parent].command
    ]
    found = Uwsgi()
    reals = [f"unix:{os.path.realpath(one[5:])}" if one.startswith("unix:") else one for one in addresses]
    held = {
        pid
        for one in host.listeners
        if one.address in reals or (one.port and f":{one.port}" in [real[real.rfind(":") :] for real in reals])
        for pid in one.pids
    }

    def rank(one: processes.Process) -> int:
        family = {one.pid, *(pid for pid in ours if table[pid].parent == one.pid)}
        words = " ".join([*one.command, one.unit, one.environment.get("DJANGO_SETTINGS_MODULE", ""), one.cwd])
        named = re.search(rf"(?:^|[/@ :._-]){re.escape(name)}(?:$|[/@ :._-])", words)
        return 4 if family & held else 3 if one.unit.startswith(f"uwsgi-{name}@") else 2 if named else 0

    for one in masters:
        processes.details(one)
    best = max(masters, key=rank, default=None)
    strangers = len(masters) > 1 or os.path.islink(f"{root}/current")
    if best and (rank(best) or not strangers):
        found.master = best
        found.workers = [table[pid] for pid in ours if table[pid].parent == best.pid]
    found.unit = _find_unit(name, host, found.master, root)
    found.installed = bool(masters or found.unit or doctor_tools.installed("uwsgi"))
    if found.master:
        found.command = found.master.command
        found.environment = dict(found.master.environment)
        found.user = found.master.identity.name
        cwd = found.master.cwd or "/"
        if found.command and found.command[0].startswith("uWSGI "):  # auto-procname wrote over the command line
            found.command = exec_start(found.unit)
    else:
        found.command = exec_start(found.unit)
        found.environment = unit_environment(found.unit)
        found.user = found.unit.get("User") or "root"
        cwd = found.unit.get("WorkingDirectory") or "/"
    if not found.command:
        ini = _find_ini(name, domains, host, addresses)
        found.command = ["uwsgi", "--ini", ini] if ini else []
        if ini and not found.master:
            found.installed = found.installed or bool(ini)
            found.user = path_walk.user_name(os.stat(ini).st_uid)
    # A command that was typed in another directory names its ini relative to that.
    started = found.environment.get("PWD", "")
    if any(word.endswith(".ini") and not word.startswith("/") for word in found.command) and started:
        cwd = started
    found.options = uwsgi_options.read(found.command, cwd, found.environment)
    found.environment.update(found.options.environment)
    if not found.master and found.options.last("uid"):
        found.user = found.options.last("uid")
    if found.master and not found.options.last("chdir"):
        found.options.values.setdefault("chdir", [found.master.cwd or cwd])
    family = {one.pid for one in [found.master, *found.workers] if one}
    found.listens = [one.address for one in host.listeners if family & set(one.pids)]
    found.listens = found.listens or [address for address, _speaks in found.options.binds]
    found.log = _uwsgi_log(found, host.now)
    if int(found.unit.get("NRestarts") or 0):
        words = ["--output=short-unix", "_PID=1", f"UNIT={found.unit['Id']}"]
        found.restarted = restarts(_journal(int(host.now) - doctor_host.RECENT, words))
    return found


def project_environment(found: Uwsgi) -> dict[str, str]:
    """The environment in which uWSGI loads the application."""
    environment = {**doctor_tools.CLEAN_ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.update({key: value for key, value in found.environment.items() if not key.startswith("LC_")})
    paths = [*found.options.values.get("pythonpath", []), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = ":".join(one for one in paths if one)
    return environment


def application_of(options: uwsgi_options.Options) -> tuple[str, str]:
    """(module or file, callable) that uWSGI loads."""
    name = options.last("callable", "application")
    if options.last("module"):
        module, _colon, given = options.last("module").partition(":")
        return module, given or name
    if options.last("wsgi-file"):
        return options.last("wsgi-file"), name
    return "", name


def ask_stats(found: Uwsgi, timeout: float) -> None:
    """uWSGI's own numbers, where it has a stats socket."""
    where = found.options.last("stats")
    if not found.master or not where:
        return
    address = uwsgi_options.address(where, found.master.cwd)
    for _try in range(3):  # a worker may have been changing a text while uWSGI wrote it, which is no JSON then
        with contextlib.suppress(OSError, ValueError):
            found.stats = json.loads(uwsgi_protocol.stats(address, timeout / 3))
            return


def is_uwsgi(one: processes.Process) -> bool:
    words = [os.path.basename(word) for word in one.command[:2]]
    return one.name.startswith("uwsgi") or any(re.match(r"uwsgi|pyuwsgi|uWSGI ", word) for word in words)


def exec_start(unit: Mapping[str, str]) -> list[str]:
    match = re.search(r"argv\[\]=(.*?) ; ", unit.get("ExecStart", ""))
    return match[1].split() if match else []


def unit_environment(unit: Mapping[str, str]) -> dict[str, str]:
    """What systemd would give a unit: Environment=, then its files, as systemd.exec(5) reads them."""
    pairs = re.findall(r'(?:^| )"?(\w+)=((?:[^" ]|(?<=\\)")*|[^"]*)"?', unit.get("Environment", ""))
    found = dict(pairs)
    # Each as systemctl shows it: `/path/to/env (ignore_errors=no)`.
    for path in re.findall(r"(/\S+) \(ignore_errors=\w+\)", unit.get("EnvironmentFiles", "")):
        for line in files.read_or_empty(path).splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                if value[:1] in "\"'" and value[:1] == value[-1:]:
                    value = re.sub(r'\\([\\"$`])', r"\1", value[1:-1])
                found[name] = value
    return found


def since_start(text: str) -> str:
    """The part of a log that the last start of uWSGI wrote."""
    return text[max(text.rfind("*** Starting uWSGI"), 0) :]


def restarts(journal: str) -> list[float]:
    """When systemd started a unit again that ended by itself, since somebody last started it.

    systemd announces such a start after the end before it, and counts on when somebody mends and starts the unit.
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


def _find_unit(name: str, host: doctor_host.Host, master: processes.Process | None, root: str) -> dict[str, str]:
    if master and master.unit:
        return next((one for one in host.units if one.get("Id") == master.unit), {"Id": master.unit})
    # A template's instance is not loaded while it is stopped.
    candidates = [one for one in host.units if "uwsgi" in one.get("ExecStart", "")]
    with contextlib.suppress(OSError):
        instance = f"uwsgi-{name}@{os.path.basename(os.readlink(f'{root}/current'))}.service"
        candidates = [one for one in candidates if one["Id"] == instance] or doctor_host.units_named([instance])
        return candidates[0] if candidates else {}
    known = {one["Id"] for one in candidates}
    candidates += doctor_host.units_named([one for one in host.units_files if one not in known and "@" not in one][:20])
    taken = {one.unit for one in host.table.values() if is_uwsgi(one)}
    free = [one for one in candidates if one["Id"] not in taken]
    named = [one for one in free if name in one["Id"] or f"/{name}" in one.get("ExecStart", "")]
    return (named or (free if len(free) == 1 else []) or [{}])[0]


def _find_ini(name: str, domains: Sequence[str], host: doctor_host.Host, addresses: Sequence[str]) -> str:
    """The ini of a uWSGI that nothing else names: beside its socket, in the project, or in a distribution's place."""
    folders = [os.path.dirname(one[5:]) for one in addresses if one.startswith("unix:")]
    if host.nginx.config:
        for server in host.nginx.config.servers:
            if any(server.matches(domain) for domain in domains):
                for location in server.chain[-1].all("location"):
                    for one in [*location.all("alias"), *location.all("root")]:
                        path = one.args[0].rstrip("/")
                        folders += [path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))]
    folders += ["/etc/uwsgi/apps-enabled", "/etc/uwsgi/vassals", "/etc/uwsgi/sites", "/etc/uwsgi.d", "/etc/uwsgi"]
    found = []
    for folder in dict.fromkeys(folders):
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder)):
                path = f"{folder}/{name}"
                if name.endswith(".ini") and "[uwsgi]" in files.read_or_empty(path):
                    binds = [address for address, _speaks in uwsgi_options.read(["uwsgi", "--ini", path]).binds]
                    found.append((2 if set(binds) & set(addresses) else 1 if name in path else 0, path))
    return max(found, key=lambda one: one[0])[1] if found else ""


def _uwsgi_log(found: Uwsgi, now: float) -> str:
    """What uWSGI said since it started, or in the last minutes where it is down; from the journal or its log file."""
    since = int(found.master.started) - 5 if found.master else int(now) - doctor_host.RECENT
    for option in ("daemonize", "logto"):
        path = found.options.last(option)
        if path.startswith("/"):
            return since_start(doctor_tools.tail(path))
    unit = found.unit.get("Id", "")
    if not unit:
        return ""
    # What runs well is not to blame for what an earlier start said: every start has an id of its own.
    this_start = found.unit.get("ActiveState") == "active" and found.unit.get("InvocationID")
    which = f"_SYSTEMD_INVOCATION_ID={this_start}" if this_start else f"--unit={unit}"
    return _journal(since, ["--output=cat", which])


def _journal(since: int, words: Sequence[str]) -> str:
    """The last lines of the journal since a time. Forward, journalctl would show the first ones since then."""
    command = ["journalctl", "--no-pager", "--reverse", f"--lines={LOG_LINES}", f"--since=@{since}", *words]
    lines = [one for one in doctor_tools.run(command).out.splitlines() if not one.startswith("-- ")]
    return "\n".join(reversed(lines))
