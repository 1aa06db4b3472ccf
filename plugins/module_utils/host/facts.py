# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The facts that the roles branch on, read from the host: see the module `host_facts`."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from typing import Any

from . import firewalld_state, held_units, labels, open_ports, packages, packet_filters, platform, processes, zone_files
from .files import read_or_empty

# Services that the roles start, and others that may filter packets.
SERVICES = ("nginx", "firewalld", *packet_filters.LOADERS)


def facts(module: Any) -> dict[str, Any]:
    """Return all facts, as a module returns them in `ansible_facts`. `module` runs the host's own tools."""
    opened = firewalld_state.records()
    running = services(module)
    filters = running["firewalld"]["active"]
    bound = {} if filters else zone_files.bound()
    zones = sorted({*firewalld_state.zones(opened), *bound})
    system = platform.facts()
    found = {
        "platform": platform.key(system),
        "ipv6": bool(read_or_empty("/proc/net/if_inet6").strip()),
        "selinux": selinux(),
        "selinux_service": labels.service_domain(),
        "pythons": pythons(),
        "ssh_ports": sorted(listening_ports("sshd") | connection_ports()),
        "packages": installed_packages(module),
        "packages_known": packages.lists_present(),
        "services": running,
        "nginx_version": nginx_version(module),
        "firewalld_configured": os.path.exists("/etc/firewalld"),
        "firewalld_zone": firewalld_state.default_zone(),
        "firewalld_opened": opened,
        "firewalld_open": firewalld_state.let_in(module, zones) if filters else firewalld_state.will_let_in(zones),
        "firewalld_bound": bound,
        # What starting firewalld would change; not needed if firewalld runs.
        "open_ports": [] if filters else open_ports.open_ports(module.run_command, processes.processes()),
        "packet_filters": [] if filters else packet_filters.packet_filters(_run(module), running),
    }
    return {**system, "pyweb": found}


def installed_packages(module: Any) -> list[str]:
    """Return the installed packages, without those that apt_install began to install and no task has waited for.

    A role that needs one of them always calls apt_install on a first run: the progress in the background must not
    matter. The same applies to what a killed run left; its masks are removed there.
    """
    begun = held_units.begun()
    return [name for name in packages.installed(module) if name not in begun] + packages.module_streams()


def nginx_version(module: Any) -> str:
    """Return the version of the installed nginx, such as 1.22.1; '' if it is not installed."""
    program = module.get_bin_path("nginx")
    found = re.search(r"/([0-9]+(?:\.[0-9]+)+)", "".join(module.run_command([program, "-v"])[1:])) if program else None
    return found[1] if found else ""


def _run(module: Any) -> packet_filters.Run:
    """Return a `run_command` that reports a missing program as a failure."""

    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        path = module.get_bin_path(argv[0])
        result: tuple[int, str, str] = module.run_command([path, *argv[1:]]) if path else (127, "", "")
        return result

    return run


def services(module: Any) -> dict[str, dict[str, bool]]:
    """Return whether each of SERVICES runs, and starts at boot: a service in the right state needs no task."""
    argv = ["systemctl", "show", "--property=ActiveState,UnitFileState", *(f"{name}.service" for name in SERVICES)]
    blocks = module.run_command(argv)[1].strip().split("\n\n")
    return {
        name: {"active": "ActiveState=active" in block, "enabled": "UnitFileState=enabled" in block}
        for name, block in zip(SERVICES, [*blocks, *("" for _name in SERVICES)])
    }


def selinux() -> str:
    """Return the mode of SELinux: enforcing, permissive or disabled (selinux(8))."""
    return {"1": "enforcing", "0": "permissive"}.get(read_or_empty("/sys/fs/selinux/enforce").strip(), "disabled")


def pythons() -> dict[str, str]:
    """Return the usable interpreters, version to path; a package's own takes precedence over one in /usr/local."""
    found = {}
    for folder in ("/usr/local/bin", "/usr/bin"):
        for path in glob.glob(f"{folder}/python3.*"):
            match = re.fullmatch(r"python(3\.[0-9]+)", os.path.basename(path))
            if match and os.access(path, os.X_OK):
                found[match[1]] = path
    return found


def listening_ports(program: str, proc: str = processes.PROC) -> set[int]:
    """Return the TCP ports on which a process of this name listens, even if systemd opened the port."""
    own = {pid: process for pid, process in processes.processes(proc).items() if process.name == program}
    return {listener.port for listener in processes.listeners(proc, own) if listener.pids and listener.port}


def connection_ports() -> set[int]:
    """Return the host's port of the SSH connection that this process descends from.

    sudo removes the variable from the environment; an ancestor in /proc still has it.
    """
    process = os.getpid()
    while process > 1:
        environment = read_or_empty(f"/proc/{process}/environ")
        match = re.search(r"(?:^|\0)SSH_CONNECTION=\S+ \S+ \S+ ([0-9]+)", environment)
        if match:
            return {int(match[1])}
        parent = re.search(r"^PPid:\s*([0-9]+)", read_or_empty(f"/proc/{process}/status"), re.MULTILINE)
        process = int(parent[1]) if parent else 0
    return set()
