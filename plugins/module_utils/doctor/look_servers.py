# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the server of a site: the process that holds the address nginx passes to, or what would start one that does.

A process counts as a site's server only if it holds its address or belongs to it: by its name, by its directories, or
because the host has no other server and nginx passes no other site to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence

from ..host import processes
from ..host.files import names, read_or_empty
from ..host.processes import Process
from ..model.layout import Layout
from ..nginx import match
from ..nginx.dump import Directive
from . import ask
from .evidence import Host, Site
from .evidence_servers import DEBIAN, SUPERVISOR, SYSTEMD, VASSAL, Serving, Start
from .server_commands import LABELS, kind_of


def find_server(
    found: Serving, layout: Layout, domains: Sequence[str], host: Host, addresses: Sequence[str]
) -> Process | None:
    """Fill in who serves the addresses of a site; return the process that does, if one runs."""
    folders = folders_of(domains, host)
    foreign = foreign_addresses(domains, host)
    master = holding(host, addresses)
    master = None if master and _is_gone(master) else master
    own = [start for start in host.starts.found if start.enabled and _meets(start.addresses, addresses)]
    if master and not kind_of(master.command, master.name):
        found.kind, found.label, found.stranger = "", "another program", str(master)
        taken = [start for start in own if _failed(start, host)]
        if taken:
            by = f"of {master.unit}" if master.unit else "started by hand"
            found.start, found.left_over, found.left_over_pid = taken[0], f"{master}, {by}", master.pid
            found.state, found.left_over_log = _state(taken[0], host), _words_of(taken[0])
        return None
    others = [start for start in host.starts.found if start.enabled and start not in own]
    named = [] if master or own else _named(others, layout, folders, foreign)
    if not master and own:
        master = _of_unit(own, host)
    if not master and not own:
        master = _belonging(layout, host, folders, foreign, alone=not named)
    if master:
        found.kind = kind_of(master.command, master.name)
        found.start = _start_of(master, host, own)
    else:
        found.start = next(iter([*own, *named]), None)
        found.kind = found.start.kind if found.start else "uwsgi"
    found.label = LABELS.get(found.kind, found.kind)
    found.elsewhere = next((where for where in addresses if not _is_here(where, host)), "")
    return master


def holding(host: Host, addresses: Sequence[str]) -> Process | None:
    """Return the first of the processes that hold an address and are one program; None if none is known."""
    held = sorted(
        pid
        for listener in host.listeners
        if _meets([listener.address], addresses)
        for pid in listener.pids
        if pid > 1 and pid in host.table
    )
    # Supervisor opens the socket of an fcgi-program itself; the processes that get it from supervisor accept the
    # requests.
    known = [pid for pid in held if kind_of(host.table[pid].command, host.table[pid].name)]
    return top_of(host.table[(known or held)[0]], host) if held else None


def _is_gone(process: Process) -> bool:
    """Return whether a process has ended since the table was read, as those do that fail and are started again."""
    return not process.cwd and not os.path.exists(f"/proc/{process.pid}/exe")


def top_of(process: Process, host: Host) -> Process:
    """Return the process that started the others of a server: uWSGI's and gunicorn's master, uvicorn's parent."""
    kind = kind_of(process.command, process.name)
    seen = {process.pid}
    while True:
        parent = host.table.get(process.parent)
        if parent is None or parent.pid <= 1 or parent.pid in seen:
            break
        same = kind_of(parent.command, parent.name)
        # A vassal is started by an emperor, which is another server; a worker has the words of its master.
        if not same or (kind and same != kind) or (kind == "uwsgi" and parent.command != process.command):
            break
        process, kind = parent, same
        seen.add(process.pid)
    processes.details(process)
    return process


def same_address(one: str, other: str) -> bool:
    """Return whether two addresses are one: a path through links, a port on all addresses or on this one."""
    if one.startswith("unix:") or other.startswith("unix:"):
        return one.startswith("unix:") and other.startswith("unix:") and _real(one) == _real(other)
    (host, _colon, port), (second, _its_colon, its_port) = one.rpartition(":"), other.rpartition(":")
    every = ("0.0.0.0", "[::]", "::", "*", "")  # noqa: S104 - compared only
    loop = ("127.0.0.1", "localhost", "[::1]", "::1")
    return port == its_port and (
        host == second or host in every or second in every or (host in loop and second in loop)
    )


def folders_of(domains: Sequence[str], host: Host) -> list[str]:
    """Return the directories in which a site's project may lie: those of its static and media files, and above them."""
    found = []
    for server in _servers(host, domains, own=True):
        for directive in _all(server.chain[-1], ("alias", "root")):
            path = directive.args[0].rstrip("/") if directive.args else ""
            found += [path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))]
    return [path for path in dict.fromkeys(found) if path.count("/") > 1 and path not in _COMMON]


def foreign_addresses(domains: Sequence[str], host: Host) -> list[str]:
    """Return the addresses to which nginx passes the requests of other sites."""
    found = []
    for server in _servers(host, domains, own=False):
        for directive in _all(server.chain[-1], ("uwsgi_pass", "proxy_pass")):
            if host.nginx.config and directive.args:
                found += match.targets(host.nginx.config, directive)[1]
    return found


def look_around(site: Site, host: Host) -> None:
    """Fill in the rest: left-over processes, twins, a vassal that is gone, what is not enabled."""
    found, addresses = site.server, [probe.address for probe in site.probes]
    found.halted = halted([process for process in [site.uwsgi.master, *site.uwsgi.workers] if process])
    if not site.uwsgi.master and not site.uwsgi.unit.get("Id"):
        found.masked = _masked(site)
    if site.managed or site.layout.release_of(site.uwsgi.unit.get("Id", "")):
        return
    master, start = site.uwsgi.master, found.start
    named = [one for one in host.starts.found if one.enabled and _meets(one.addresses, addresses)]
    if master:
        for one in named:
            if _failed(one, host) and not _runs(one, master, host):
                found.start, found.left_over, found.left_over_pid = one, _described(master, host), master.pid
                found.state = _state(one, host)
                found.left_over_log = _words_of(one)
                break
        found.twins = _twins(site, master, host)
        return
    if start:
        found.state = _state(start, host)
        if start.program.startswith("/") and os.path.isfile(start.program) and not os.access(start.program, os.X_OK):
            found.state += f"; command at '{start.program}' is not executable"
        if start.way == VASSAL and not _emperor_runs(start, host):
            found.manager_stopped = start.unit.get("Id", "") or "the emperor"
        if start.way == SUPERVISOR and not host.starts.supervisor:
            found.manager_stopped = "supervisor"
        return
    beside = [one for one in host.starts.found if not one.enabled and _meets(one.addresses, addresses)]
    if beside:
        found.disabled, found.start = beside[0].file, beside[0]
        return
    _look_for_vassal(site, host, addresses)


def halted(some: Sequence[Process]) -> list[int]:
    """Return the ids of the processes that a signal (SIGSTOP) has halted: proc(5), the state after the name."""
    states = [(process.pid, read_or_empty(f"/proc/{process.pid}/stat").rpartition(")")[2].split()) for process in some]
    return [pid for pid, words in states if words[:1] == ["T"]]


def _masked(site: Site) -> str:
    """Return a masked unit that has the name of the site, of its ini or of its directory."""
    options = site.uwsgi.options
    folders = [os.path.dirname(path) for path in options.files] + [options.last("chdir").rstrip("/")]
    stems = [os.path.splitext(os.path.basename(path))[0] for path in options.files]
    wanted = {site.name, *stems, *(os.path.basename(folder) for folder in folders)} - {"", "uwsgi"}
    for name in sorted(wanted):
        for folder in ("/etc/systemd/system", "/run/systemd/system"):
            path = f"{folder}/{name}.service"
            if os.path.islink(path) and os.path.realpath(path) == "/dev/null":
                return f"{name}.service"
    return ""


# How many vassals are examined at most.
_MOST = 200
# Directories that do not identify a site.
_COMMON = ("/var/www", "/var/lib", "/usr/share", "/srv/www", "/var/www/html", "/usr/share/nginx")


# --- whose is it ---


def _belonging(
    layout: Layout, host: Host, folders: Sequence[str], foreign: Sequence[str], alone: bool
) -> Process | None:
    """Return the master of a server that belongs to a site though it does not hold the site's address."""
    tops = {}
    for process in host.table.values():
        if kind_of(process.command, process.name) not in ("", "runserver"):
            top = top_of(process, host)
            tops[top.pid] = top
    free = [top for top in tops.values() if not _emperor(top)]
    inhabited = {pid: _held_by(top, host) for pid, top in tops.items()}
    # A release of this collection belongs to the site, whatever name nginx has for it.
    free = [top for top in free if layout.release_of(top.unit) or not _meets(inhabited[top.pid], foreign)]

    def rank(top: Process) -> int:
        if layout.release_of(top.unit):
            return 3
        settings = top.environment.get("DJANGO_SETTINGS_MODULE", "")
        words = [*top.command, top.unit, settings, top.cwd]
        return _rank(layout.name, words, [top.cwd, *top.command], folders)

    best = max(free, key=rank, default=None)
    # A single server serves the site, unless nginx passes it another one, or the host has our releases.
    alone = alone and len(tops) == 1 and not os.path.islink(layout.current)
    return best if best and (rank(best) or alone) else None


def _named(starts: Iterable[Start], layout: Layout, folders: Sequence[str], foreign: Sequence[str]) -> list[Start]:
    """Return what would start a server of a site on another address than nginx passes to; the best first."""
    free = [start for start in starts if not start.addresses or not _meets(start.addresses, foreign)]
    ranked = [
        (_rank(layout.name, [start.name, *start.command, start.cwd], [start.cwd, *start.command], folders), start)
        for start in free
    ]
    best = sorted((pair for pair in ranked if pair[0]), key=lambda pair: -pair[0])
    return [start for _rank_of, start in best] or (free if len(free) == 1 and len(list(starts)) == 1 else [])


def _rank(name: str, words: Sequence[str], paths: Sequence[str], folders: Sequence[str]) -> int:
    if re.search(rf"(?:^|[/@ :._-]){re.escape(name)}(?:$|[/@ :._-])", " ".join(words)):
        return 2
    return 1 if any(path == folder or path.startswith(f"{folder}/") for path in paths for folder in folders) else 0


def _of_unit(own: Sequence[Start], host: Host) -> Process | None:
    """Return the process of a unit that names the site's address, and does not hold it."""
    for start in own:
        for process in host.table.values():
            same = start.way == SYSTEMD and process.unit == start.name and not start.socket
            if same and kind_of(process.command, process.name) == start.kind:
                return top_of(process, host)
    return None


def _start_of(master: Process, host: Host, own: Sequence[Start]) -> Start | None:
    """Return what started a process, or would start it again."""
    for start in [*own, *host.starts.found]:
        if start.enabled and _runs(start, master, host):
            return start
    return None


def _runs(start: Start, master: Process, host: Host) -> bool:
    """Return whether a process is what a unit, a program of supervisor or an emperor has started."""
    parent = host.table.get(master.parent)
    if start.way == SYSTEMD:
        return master.unit == start.name
    if start.way == SUPERVISOR:
        return re.search(rf"\bpid {master.pid}\b", host.starts.supervisor.get(start.name, "")) is not None
    if start.way == VASSAL:
        return bool(parent and _emperor(parent)) and any(
            os.path.basename(word) == start.name for word in master.command
        )
    if start.way == DEBIAN:
        return any(word in (start.file, os.path.realpath(start.file)) for word in master.command)
    return False


def _held_by(top: Process, host: Host) -> list[str]:
    family = {top.pid, *(process.pid for process in host.table.values() if process.parent == top.pid)}
    return [listener.address for listener in host.listeners if family & set(listener.pids)]


def _emperor(process: Process) -> bool:
    return any("emperor" in word for word in process.command) and kind_of(process.command, process.name) == "uwsgi"


# --- what is amiss around it ---


def _state(start: Start, host: Host) -> str:
    if start.way == SUPERVISOR:
        return host.starts.supervisor.get(start.name, "") or host.starts.error
    if start.unit.get("ActiveState"):
        return f"{start.unit['Id']}: {start.unit['ActiveState']}/{start.unit.get('SubState', '')}"
    return ""


def _failed(start: Start, host: Host) -> bool:
    """Return whether what should have started has failed, or is retried."""
    if start.way == SUPERVISOR:
        return bool(re.search(r"\b(FATAL|BACKOFF|EXITED)\b", host.starts.supervisor.get(start.name, "")))
    return start.unit.get("ActiveState") == "failed" or start.unit.get("SubState") == "auto-restart"


def _words_of(start: Start) -> list[str]:
    """Return the line in which what should have started says that its address is taken."""
    said = ask.tail(start.log) if start.log else _journal_of(start.name) if start.way == SYSTEMD else ""
    pattern = r"(?i)address already in use|address in use|another instance of uWSGI is running on the same address"
    return [line.strip() for line in said.splitlines() if re.search(pattern, line)][-1:]


def _described(master: Process, host: Host) -> str:
    by = f"of {master.unit}" if master.unit else "started by hand"
    return f"{str(master)[:-1].rpartition('(')[2]}, {by}"


def _twins(site: Site, master: Process, host: Host) -> list[str]:
    """Return other masters of the same configuration file as a site's own."""
    files = set(site.uwsgi.options.files)
    found = []
    for process in host.table.values():
        if process.pid == master.pid or kind_of(process.command, process.name) != site.server.kind or not files:
            continue
        top = top_of(process, host)
        if top.pid != process.pid or process.parent == master.pid or master.parent == process.pid:
            continue
        paths = {os.path.normpath(os.path.join(top.cwd or "/", word)) for word in top.command}
        if paths & files and not _emperor(top):
            found.append(f"{_described(top, host)}")
    return found


def _emperor_runs(start: Start, host: Host) -> bool:
    return any(_emperor(process) for process in host.table.values())


def _look_for_vassal(site: Site, host: Host, addresses: Sequence[str]) -> None:
    """Find the emperor that had a vassal for a site: its log says so, or the address is one like its vassals'."""
    name = site.layout.name
    if _look_for_link(site, host):
        return
    for pattern, log in host.starts.emperor_logs.items():
        unit = host.starts.emperors.get(pattern, "")
        said = ask.tail(log) if os.path.isfile(log) else _journal_of(unit) if unit else ""
        lines = [
            line for line in said.splitlines() if re.search(rf"\b{re.escape(name)}\.(?:ini|xml|ya?ml|json)\b", line)
        ]
        removed = [line for line in lines if "emperor" in line]
        siblings = [start for start in host.starts.found if start.way == VASSAL and start.manager == pattern]
        folders = {
            os.path.dirname(where) for start in siblings for where in start.addresses if where.startswith("unix:")
        }
        alike = any(os.path.dirname(where) in folders for where in addresses if where.startswith("unix:"))
        if removed or alike:
            site.server.vassals, site.server.vassals_log = pattern, removed[-2:]
            return


def _look_for_link(site: Site, host: Host) -> bool:
    """Find a vassal of a site that is a link to nothing."""
    folders = [site.uwsgi.options.last("chdir"), *folders_of(site.domains, host)]
    for pattern in host.starts.emperors:
        folder = pattern if os.path.isdir(pattern) else os.path.dirname(pattern)
        for name in names(folder)[:_MOST]:
            path = f"{folder}/{name}"
            if not os.path.islink(path) or os.path.exists(path):
                continue
            target = os.path.normpath(os.path.join(folder, os.readlink(path)))
            if name.rpartition(".")[0] == site.layout.name or os.path.dirname(target) in folders:
                site.server.vassals, site.server.vassal_link, site.server.vassal_target = pattern, path, target
                return True
    return False


def _journal_of(unit: str) -> str:
    return ask.run(["journalctl", "--no-pager", "--output=cat", "--lines=300", f"--unit={unit}"]).out


def _meets(some: Collection[str], others: Collection[str]) -> bool:
    return any(same_address(one, other) for one in some for other in others)


def _real(address: str) -> str:
    return os.path.realpath(address[5:])


def _is_here(address: str, host: Host) -> bool:
    name = address.rpartition(":")[0].strip("[]")
    return (
        address.startswith("unix:")
        or name in ("localhost", "", *host.addresses)
        or name.startswith(("127.", "::", "0."))
    )


# --- nginx ---


def _servers(host: Host, domains: Sequence[str], own: bool) -> list[match.Server]:
    return [
        server
        for server in match.servers(host.nginx.config)
        if any(server.matches(domain) for domain in domains) == own
    ]


def _all(block: Directive, wanted: Sequence[str]) -> list[Directive]:
    """Return the directives of these names in a block and in the blocks below it."""
    found = []
    for directive in block.block or []:
        found += [directive] if directive.name in wanted else []
        found += _all(directive, wanted)
    return found
