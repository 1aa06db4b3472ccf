# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all sites of a host share: processes, sockets, units, nginx, firewalld, SELinux's denials, addresses."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ..doctor import ask as doctor_tools
from ..host import files, path_walk, processes
from ..nginx import dump as nginx_dump

# How far back an error in a log still says something about now, in seconds.
RECENT = 600
UNIT_PROPERTIES = (
    "Id,ExecStart,ActiveState,SubState,NRestarts,InvocationID,User,WorkingDirectory,EnvironmentFiles,Environment,"
    "PrivateTmp"
)


@dataclass
class Nginx:
    """nginx as it runs and as it is configured; `config` is None where nothing of it could be read."""

    installed: bool
    tested: doctor_tools.Ran = field(default_factory=lambda: doctor_tools.Ran(None))
    config: nginx_dump.Config | None = None
    master: processes.Process | None = None
    workers: list[processes.Process] = field(default_factory=list)
    unit: dict[str, str] = field(default_factory=dict)
    log: str = ""
    changed: list[str] = field(default_factory=list)  # files newer than the workers

    @property
    def worker(self) -> path_walk.Identity:
        """Who opens files and sockets for nginx: its running worker; while none runs, the configured user."""
        if self.workers:
            return self.workers[-1].identity
        name = (self.config and self.config.value("user")) or "www-data"
        for one in (name, "nginx", "www-data", "nobody"):
            with contextlib.suppress(KeyError):
                account = pwd.getpwnam(one)
                groups = [entry.gr_gid for entry in grp.getgrall() if one in entry.gr_mem]
                return path_walk.Identity(account.pw_uid, account.pw_gid, (account.pw_gid, *groups))
        return path_walk.Identity(65534, 65534)


@dataclass
class Firewall:
    """firewalld: whether it is there, wanted at boot and running, and what the zone of the outer interface lets in."""

    installed: bool = False
    enabled: bool = False
    running: bool = False
    answered: bool = True
    zone: str = ""
    target: str = ""
    services: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    error: str = ""


@dataclass
class Host:
    """What all sites of a host share."""

    now: float
    controller_time: float
    table: dict[int, processes.Process]
    listeners: list[processes.Listener]
    units: list[dict[str, str]]
    nginx: Nginx
    firewall: Firewall
    addresses: list[str]
    ipv6: bool
    synchronized: str
    denials: list[dict[str, str]]
    units_files: dict[str, str] = field(default_factory=dict)


def look_at_host(controller_time: float = 0.0) -> Host:
    """What all sites share: processes, sockets, units, nginx, firewalld."""
    now = time.time()
    table = processes.processes()
    listening = processes.listeners(pids=table)
    with ThreadPoolExecutor(4) as pool:
        tested = pool.submit(doctor_tools.run, ["nginx", "-T"], doctor_tools.HOST_COMMAND_TIMEOUT)
        shown = pool.submit(
            doctor_tools.run,
            [
                "systemctl",
                "show",
                "--type=service",
                "--all",
                f"--property={UNIT_PROPERTIES}",
            ],
        )
        walls = pool.submit(_firewall)
        clock = pool.submit(doctor_tools.run, ["timedatectl", "show", "--property=NTPSynchronized"])
        units = _units(shown.result().out)
        nginx = _nginx(tested.result(), table, units)
        host = Host(
            now=now,
            controller_time=controller_time,
            table=table,
            listeners=listening,
            units=units,
            nginx=nginx,
            firewall=walls.result(),
            addresses=own_addresses(),
            ipv6=bool(files.read_or_empty("/proc/net/if_inet6").strip()),
            synchronized=clock.result().out.strip().partition("=")[2],
            denials=[],
        )
    since = min((one.started for one in nginx.workers), default=now - RECENT)
    host.denials = denials(doctor_tools.tail("/var/log/audit/audit.log"), max(since, now - RECENT))
    host.units_files = _unit_files()
    return host


def denials(audit: str, since: float) -> list[dict[str, str]]:
    """The denials of nginx and uWSGI in an audit log: permission, comm, name or path, tclass, scontext, tcontext."""
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


def service_ports(name: str) -> list[str]:
    """'80/tcp' of a firewalld service, from its own file."""
    for folder in ("/etc/firewalld/services", "/usr/lib/firewalld/services"):
        text = files.read_or_empty(f"{folder}/{name}.xml")
        if text:
            ports = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in re.findall(r"<port\s([^>]*)>", text)]
            return [f"{one.get('port', '')}/{one.get('protocol', '')}" for one in ports]
    return []


def own_addresses() -> list[str]:
    """The addresses of this host, the one that it uses for others first, loopback left out."""
    local = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", files.read_or_empty("/proc/net/fib_trie"))
    first = ""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # RFC 5737: nobody's address; connecting UDP sends nothing
        first = probe.getsockname()[0]
    found = [one for one in dict.fromkeys([first, *local]) if one and not one.startswith("127.")]
    for line in files.read_or_empty("/proc/net/if_inet6").splitlines():
        text = line.split()[0]
        address = ":".join(text[start : start + 4] for start in range(0, 32, 4))
        if not text.startswith("fe80") and text != "0" * 31 + "1":
            found.append(socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address)))
    return found


def units_named(names: Sequence[str]) -> list[dict[str, str]]:
    """What systemd knows of these units, loaded or not."""
    if not names:
        return []
    said = doctor_tools.run(
        [
            "systemctl",
            "show",
            *names,
            f"--property={UNIT_PROPERTIES}",
        ]
    )
    return _units(said.out)


def _units(shown: str) -> list[dict[str, str]]:
    found = []
    for block in shown.split("\n\n"):
        values: dict[str, str] = {}
        for line in block.splitlines():
            name, _equals, value = line.partition("=")
            values[name] = f"{values[name]}\n{value}" if name in values else value
        if values.get("Id"):
            found.append(values)
    return found


def _unit_files() -> dict[str, str]:
    """Unit files of services that start uWSGI: name to path."""
    found: dict[str, str] = {}
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system"):
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder)):
                if name.endswith(".service") and re.search(
                    r"^ExecStart=.*uwsgi", files.read_or_empty(f"{folder}/{name}"), re.M
                ):
                    found.setdefault(name, f"{folder}/{name}")
    return found


def _nginx(tested: doctor_tools.Ran, table: Mapping[int, processes.Process], units: Sequence[dict[str, str]]) -> Nginx:
    found = Nginx(installed=doctor_tools.installed("nginx"), tested=tested)
    found.master = next((one for one in table.values() if " ".join(one.command).startswith("nginx: master")), None)
    if found.master:
        found.workers = sorted(
            (
                one
                for one in table.values()
                if one.parent == found.master.pid and " ".join(one.command) == "nginx: worker process"
            ),
            key=lambda one: one.started,
        )
    found.unit = next((one for one in units if one.get("Id") == "nginx.service"), {})
    with contextlib.suppress(nginx_dump.DumpError):
        found.config = nginx_dump.parse(tested.out)
    if found.installed and not found.config:
        version = doctor_tools.run(["nginx", "-V"])
        path = re.search(r"--conf-path=(\S+)", version.err + version.out)
        with contextlib.suppress(nginx_dump.DumpError):
            found.config = nginx_dump.read_files(path[1] if path else "/etc/nginx/nginx.conf")
    if not found.master and found.installed:
        found.log = doctor_tools.run(
            ["journalctl", "--no-pager", "--output=cat", "--lines=40", "--unit=nginx.service"]
        ).out
    if found.workers and found.config:
        newest = found.workers[-1].started
        for name in found.config.files:
            with contextlib.suppress(OSError):
                # The clock of processes ticks in hundredths, and a reload takes its time.
                if os.stat(name).st_mtime > newest + 2:
                    found.changed.append(name)
    return found


def _firewall() -> Firewall:
    found = Firewall()
    enabled = doctor_tools.run(["systemctl", "is-enabled", "firewalld.service"])
    found.enabled = enabled.out.strip().startswith("enabled")
    shown = doctor_tools.run(["firewall-cmd", "--list-all-zones"], doctor_tools.HOST_COMMAND_TIMEOUT)
    found.installed = doctor_tools.installed("firewall-cmd")
    if not found.installed:
        return found
    found.answered = shown.status is not None
    found.running = shown.status == 0
    if not found.running:
        found.error = (shown.err + shown.out).strip()
        return found
    interface = next(
        (
            line.split()[0]
            for line in files.read_or_empty("/proc/net/route").splitlines()[1:]
            if line.split()[1] == "00000000"
        ),
        "",
    )
    default = re.search(r"^DefaultZone=(\S+)", files.read_or_empty("/etc/firewalld/firewalld.conf"), re.MULTILINE)
    zones = {}
    for block in re.split(r"\n\s*\n", shown.out.strip()):
        head, *lines = block.splitlines()
        values = dict(re.findall(r"^  ([\w -]+): ?(.*)$", "\n".join(lines), re.MULTILINE))
        values["rich"] = block.partition("rich rules:")[2]
        zones[head.split()[0]] = values
    own = [name for name, values in zones.items() if interface and interface in values.get("interfaces", "").split()]
    found.zone = own[0] if own else default[1] if default else "public"
    zone = zones.get(found.zone, {})
    found.target = zone.get("target", "")
    found.services = zone.get("services", "").split()
    found.ports = zone.get("ports", "").split()
    found.rules = [line.strip() for line in zone.get("rich", "").splitlines() if line.strip()]
    return found
