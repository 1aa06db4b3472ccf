# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the roles branch on, read from the host itself: see the module `host_facts`."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

from . import firewalld_state, packages, platform, processes
from .files import read_or_empty

# What the roles start.
SERVICES = ("nginx", "firewalld")


def facts(module: Any) -> dict[str, Any]:
    """Return all facts, as a module returns them in `ansible_facts`. `module` runs the host's own tools."""
    opened = firewalld_state.records()
    running = services(module)
    zones = firewalld_state.zones(opened)
    found = {
        "ipv6": bool(read_or_empty("/proc/net/if_inet6").strip()),
        "selinux": selinux(),
        "pythons": pythons(),
        "ssh_ports": sorted(listening_ports("sshd") | connection_ports()),
        "packages": packages.installed(module) + packages.module_streams(),
        "packages_known": packages.lists_present(),
        "services": running,
        "firewalld_configured": os.path.exists("/etc/firewalld"),
        "firewalld_zone": firewalld_state.default_zone(),
        "firewalld_opened": opened,
        "firewalld_open": firewalld_state.let_in(module, zones) if running["firewalld"]["active"] else {},
    }
    return {**platform.facts(), "pyweb": found}


def services(module: Any) -> dict[str, dict[str, bool]]:
    """Return whether each of SERVICES runs, and starts at boot: what is right needs no task."""
    argv = ["systemctl", "show", "--property=ActiveState,UnitFileState", *(f"{name}.service" for name in SERVICES)]
    blocks = module.run_command(argv)[1].strip().split("\n\n")
    return {
        name: {"active": "ActiveState=active" in block, "enabled": "UnitFileState=enabled" in block}
        for name, block in zip(SERVICES, [*blocks, "", ""])
    }


def selinux() -> str:
    """Return what the kernel does: enforcing, permissive or disabled (selinux(8))."""
    return {"1": "enforcing", "0": "permissive"}.get(read_or_empty("/sys/fs/selinux/enforce").strip(), "disabled")


def pythons() -> dict[str, str]:
    """Return the interpreters that can be run, version to path; a package's own wins over one under /usr/local."""
    found = {}
    for folder in ("/usr/local/bin", "/usr/bin"):
        for path in glob.glob(f"{folder}/python3.*"):
            match = re.fullmatch(r"python(3\.[0-9]+)", os.path.basename(path))
            if match and os.access(path, os.X_OK):
                found[match[1]] = path
    return found


def listening_ports(program: str, proc: str = processes.PROC) -> set[int]:
    """Return the TCP ports on which a process of this name listens; systemd may have opened the port for it."""
    own = {pid: process for pid, process in processes.processes(proc).items() if process.name == program}
    return {listener.port for listener in processes.listeners(proc, own) if listener.pids and listener.port}


def connection_ports() -> set[int]:
    """Return the host's own port of the SSH connection that this process descends from.

    sudo drops the variable from the environment; an ancestor in /proc still has it.
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
