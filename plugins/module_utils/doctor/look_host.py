# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at what all sites of a host share: processes, sockets, units, nginx, firewalld, SELinux's denials, addresses."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..host import processes
from ..host.addresses import own_addresses
from ..host.files import names, read_or_empty
from ..host.identity import Identity, group_name
from ..model import regular
from ..nginx.dump import DumpError, parse, read_files
from . import ask
from .evidence import Firewall, Host, Nginx, Ran
from .evidence_servers import Starts
from .look_filter import look_at_filter
from .look_starts import UNIT_PROPERTIES, parsed_units, starts_of

# How far back an error in a log still says something about now, in seconds.
RECENT = 600
UNIT_FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system")
SERVICE_FOLDERS = ("/etc/firewalld/services", "/usr/lib/firewalld/services")


def look_at_host(controller_time: float = 0.0) -> Host:
    """Find out what all sites share. `controller_time` is the controller's clock, 0 where it is not known."""
    now = time.time()
    table = processes.processes()
    listening = processes.listeners(pids=table)
    with ThreadPoolExecutor(4) as pool:
        tested = pool.submit(ask.run, ["nginx", "-T"], ask.HOST_COMMAND_TIMEOUT)
        shown = pool.submit(ask.run, _show("--type=service", "--all"))
        wall = pool.submit(_firewall)
        clock = pool.submit(ask.run, ["timedatectl", "show", "--property=NTPSynchronized"])
        units = parsed_units(shown.result().out)
        nginx = _nginx(tested.result(), table, units)
        host = Host(
            now=now,
            controller_time=controller_time,
            table=table,
            listeners=listening,
            units=units,
            nginx=nginx,
            firewall=wall.result(),
            addresses=own_addresses(),
            ipv6=bool(read_or_empty("/proc/net/if_inet6").strip()),
            synchronized=clock.result().out.strip().partition("=")[2],
            denials=[],
            holders=_holders(listening, table),
        )
    since = min((worker.started for worker in nginx.workers), default=now - RECENT)
    host.denials = denials(ask.tail("/var/log/audit/audit.log"), max(since, now - RECENT))
    host.units_files = _unit_files()
    with contextlib.suppress(Exception):  # then it is not known what the filter does
        host.packet_filter = look_at_filter(host.addresses)
    host.starts = _starts(host)
    return host


def denials(audit: str, since: float) -> list[dict[str, str]]:
    """Return the denials of nginx and uWSGI in an audit log: permission, comm, name or path, tclass, tcontext."""
    found = []
    for line in audit.splitlines():
        match = re.search(r"msg=audit\((\d+)\.\d+:\d+\): avc:\s+denied\s+\{ ([^}]+) \} for (.*)$", line)
        if not match or int(match[1]) < since or "permissive=1" in line:
            continue
        values = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', match[3]))
        values = {name: value.strip('"') for name, value in values.items()}
        if re.match(r"nginx|uwsgi", values.get("comm", "")):
            found.append({**values, "permission": match[2].strip(), "line": line.strip()[:300]})
    return found


def units_named(wanted: Sequence[str]) -> list[dict[str, str]]:
    """Return what systemd knows of these units, loaded or not."""
    return parsed_units(ask.run(_show(*wanted)).out) if wanted else []


def service_ports(name: str, folders: Sequence[str] = SERVICE_FOLDERS) -> list[str]:
    """Return the ports of a firewalld service, as '80/tcp', from its own file."""
    for folder in folders:
        text = read_or_empty(f"{folder}/{name}.xml")
        if text:
            ports = [dict(re.findall(r'(\w+)="([^"]*)"', words)) for words in re.findall(r"<port\s([^>]*)>", text)]
            return [f"{port.get('port', '')}/{port.get('protocol', '')}" for port in ports]
    return []


def worker_of(workers: Sequence[processes.Process], configured: str) -> Identity:
    """Return who opens files and sockets for nginx: its newest worker; while none runs, the configured user."""
    if workers:
        return workers[-1].identity
    for name in (configured or "www-data", "nginx", "www-data", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            groups = [entry.gr_gid for entry in grp.getgrall() if name in entry.gr_mem]
            return Identity(account.pw_uid, account.pw_gid, (account.pw_gid, *groups))
    return Identity(65534, 65534)


# --- nginx ---


def _nginx(tested: Ran, table: Mapping[int, processes.Process], units: Sequence[dict[str, str]]) -> Nginx:
    found = Nginx(installed=ask.installed("nginx"), tested=tested)
    masters = [process for process in table.values() if " ".join(process.command).startswith("nginx: master")]
    found.master = masters[0] if masters else None
    if found.master:
        children = [process for process in table.values() if process.parent == found.master.pid]
        workers = [child for child in children if " ".join(child.command) == "nginx: worker process"]
        found.workers = sorted(workers, key=lambda worker: worker.started)
    # systemd forgets a unit that does not run.
    known = [unit for unit in units if unit.get("Id") == "nginx.service"] or units_named(["nginx.service"])
    found.unit = known[0] if known else {}
    with contextlib.suppress(DumpError):
        found.config = parse(tested.out)
    if found.installed:
        found.built = built_with(ask.run(["nginx", "-V"]))
    if tested.status:
        found.ours = _ours(tested.err)
    if found.installed and not found.config:
        with contextlib.suppress(DumpError):
            found.config = read_files(found.built.get("conf-path", "/etc/nginx/nginx.conf"))
    if not found.master and found.installed:
        journal = ["journalctl", "--no-pager", "--output=cat", "--lines=40", "--unit=nginx.service"]
        found.log = ask.run(journal).out
    if found.workers and found.config:
        found.changed = _changed(found.config.files, found.workers[-1].started)
    found.worker = worker_of(found.workers, found.config.value("user") if found.config else "")
    found.worker_name, found.worker_group = found.worker.name, group_name(found.worker.gid)
    found.next_worker = ask.account(found.worker_name)
    return found


def _ours(said: str) -> str:
    """Return the file of this collection that nginx rejects, '' if the file is not ours."""
    missing = re.search(r'"(/etc/sites/[^"]+|/etc/nginx/pyweb_[^"]+)"', said)
    if missing:
        return missing[1]
    line = re.search(r" in (/[^\s:]{1,300}):\d{1,6}$", said, re.MULTILINE)
    with contextlib.suppress(OSError):
        head = regular.content(os.path.realpath(line[1]), 1 << 20)[:400] if line else b""
        return line[1] if line and b"pyweb.stack" in head else ""
    return ""


def built_with(version: Ran) -> dict[str, str]:
    """Return the paths that `nginx -V` names: option to path, without the two hyphens."""
    return dict(re.findall(r"--([\w-]+)=(/\S*)", version.err + version.out))


def _changed(paths: Sequence[str], started: float) -> list[str]:
    """Return the files that were changed after the workers started."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            # The clock of processes ticks in hundredths, and a reload takes its time.
            if os.stat(path).st_mtime > started + 2:
                found.append(path)
    return found


# --- firewalld ---


def _firewall() -> Firewall:
    found = Firewall(installed=ask.installed("firewall-cmd"))
    enabled = ask.run(["systemctl", "is-enabled", "firewalld.service"])
    found.enabled = enabled.out.strip().startswith("enabled")
    if not found.installed:
        return found
    shown = ask.run(["firewall-cmd", "--list-all-zones"], ask.HOST_COMMAND_TIMEOUT)
    found.answered = shown.status is not None
    found.running = shown.status == 0
    if not found.running:
        found.error = (shown.err + shown.out).strip()
        return found
    routes = [line.split() for line in read_or_empty("/proc/net/route").splitlines()[1:]]
    interface = next((words[0] for words in routes if words[1] == "00000000"), "")
    default = re.search(r"^DefaultZone=(\S+)", read_or_empty("/etc/firewalld/firewalld.conf"), re.MULTILINE)
    read_zone(found, shown.out, interface, default[1] if default else "public")
    return found


def read_zone(wall: Firewall, shown: str, interface: str, default: str) -> None:
    """Fill in the zone of the outer interface from the output of `firewall-cmd --list-all-zones`."""
    zones = {}
    for block in re.split(r"\n\s*\n", shown.strip()):
        head, *lines = block.splitlines()
        values = dict(re.findall(r"^  ([\w -]+): ?(.*)$", "\n".join(lines), re.MULTILINE))
        values["rich"] = block.partition("rich rules:")[2]
        zones[head.split()[0]] = values
    own = [name for name, values in zones.items() if interface and interface in values.get("interfaces", "").split()]
    wall.zone = own[0] if own else default
    zone = zones.get(wall.zone, {})
    wall.target = zone.get("target", "")
    wall.services = zone.get("services", "").split()
    wall.ports = zone.get("ports", "").split()
    wall.opened = [*wall.ports, *(port for service in wall.services for port in service_ports(service))]
    wall.rules = [line.strip() for line in zone.get("rich", "").splitlines() if line.strip()]


# --- processes and units ---


def _show(*wanted: str) -> list[str]:
    return ["systemctl", "show", *wanted, f"--property={UNIT_PROPERTIES}"]


def _starts(host: Host) -> Starts:
    """Find out what the host would start; whatever comes of it, its sites are examined."""
    try:
        return starts_of(host.table, host.units)
    except Exception as error:  # its text is not shown, because it may contain a secret
        return Starts(error=type(error).__name__)


def _holders(listening: Sequence[processes.Listener], table: Mapping[int, processes.Process]) -> dict[int, str]:
    """Return which process holds a port, in words, as far as that is known."""
    found: dict[int, str] = {}
    for listener in listening:
        for pid in listener.pids:
            if listener.port and pid in table:
                found.setdefault(listener.port, str(table[pid]))
    return found


def _unit_files() -> dict[str, str]:
    """Return the unit files of services that start uWSGI: name to path."""
    found: dict[str, str] = {}
    for folder in UNIT_FOLDERS:
        for name in names(folder):
            path = f"{folder}/{name}"
            if name.endswith(".service") and re.search(r"^ExecStart=.*uwsgi", read_or_empty(path), re.MULTILINE):
                found.setdefault(name, path)
    return found
