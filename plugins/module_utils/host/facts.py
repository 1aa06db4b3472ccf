# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the roles branch on, read from the host itself: see the module `host_facts`."""

from __future__ import annotations

import glob
import json
import os
import re
from typing import Any

from ansible.module_utils.facts.system.distribution import DistributionFactCollector
from ansible.module_utils.facts.system.pkg_mgr import PkgMgrFactCollector

from .files import read_or_empty as read

BUS = "org.fedoraproject.FirewallD1"


def facts(module: Any) -> dict[str, Any]:
    """All of them, as a module returns them in `ansible_facts`. `module` runs the host's own tools."""
    platform = DistributionFactCollector().collect(module=module)
    platform.update(PkgMgrFactCollector().collect(module=module, collected_facts=prefixed(platform)))
    opened = {
        os.path.basename(path)[: -len(".json")]: json.loads(read(path) or "{}")
        for path in glob.glob("/etc/firewalld/pyweb.stack/*.json")
    }
    running = services(module)
    found = {
        "ipv6": bool(read("/proc/net/if_inet6").strip()),
        "selinux": selinux(),
        "pythons": pythons(),
        "ssh_ports": sorted(listening_ports("sshd") | connection_ports()),
        "packages": packages(module) + module_streams(),
        "packages_known": packages_known(),
        "services": running,
        "firewalld_configured": os.path.exists("/etc/firewalld"),
        "firewalld_zone": default_zone(),
        "firewalld_opened": opened,
        "firewalld_open": let_in(module, zones(opened)) if running["firewalld"]["active"] else {},
    }
    return {**platform, "pyweb": found}


def prefixed(facts: dict[str, str]) -> dict[str, str]:
    """Facts as one collector hands them to another."""
    return {f"ansible_{name}": value for name, value in facts.items()}


def services(module: Any) -> dict[str, dict[str, bool]]:
    """Whether the services that the roles start run already, and start at boot: what is right needs no task."""
    known = ("nginx", "firewalld")
    argv = ["systemctl", "show", "--property=ActiveState,UnitFileState", *(f"{name}.service" for name in known)]
    blocks = module.run_command(argv)[1].strip().split("\n\n")
    return {
        name: {"active": "ActiveState=active" in block, "enabled": "UnitFileState=enabled" in block}
        for name, block in zip(known, [*blocks, "", ""])
    }


def zones(opened: dict[str, dict[str, Any]]) -> list[str]:
    return sorted({default_zone(), *(what["zone"] for what in opened.values() if what.get("zone"))})


def let_in(module: Any, names: list[str]) -> dict[str, dict[str, list[str]]]:
    """What is open both in the running firewalld and in what it reads when it starts (firewalld.dbus(5))."""

    def ask(*call: str) -> object:
        status, out, _err = module.run_command(["busctl", "call", "--json=short", BUS, *call])
        return json.loads(out)["data"][0] if status == 0 else None

    found = {}
    for name in names:
        running = ask("/org/fedoraproject/FirewallD1", f"{BUS}.zone", "getZoneSettings2", "s", name)
        path = ask("/org/fedoraproject/FirewallD1/config", f"{BUS}.config", "getZoneByName", "s", name)
        permanent = ask(str(path), f"{BUS}.config.zone", "getSettings2") if path else None
        if isinstance(running, dict) and isinstance(permanent, dict):
            found[name] = {
                key: [one for one in listed(running, key) if one in listed(permanent, key)]
                for key in ("services", "ports")
            }
    return found


def listed(settings: dict[str, dict[str, Any]], key: str) -> list[str]:
    """A zone's services, or its ports in firewall-cmd's own form: 8080/tcp."""
    return ["/".join(one) if isinstance(one, list) else one for one in settings.get(key, {}).get("data", [])]


def selinux() -> str:
    """What the kernel does: enforcing, permissive or disabled (selinux(8))."""
    return {"1": "enforcing", "0": "permissive"}.get(read("/sys/fs/selinux/enforce").strip(), "disabled")


def packages(module: Any) -> list[str]:
    """Asked once here, so that no role has to call the package manager to hear that there is nothing to do."""
    for argv, wanted in (
        (["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package}\\n"], r"(?m)^.i\S* +(\S+)$"),
        (["rpm", "--query", "--all", "--queryformat", "%{NAME}\\n"], r"(?m)^(\S+)$"),
    ):
        if module.get_bin_path(argv[0]):
            return sorted(set(re.findall(wanted, module.run_command(argv)[1])))
    return []


def module_streams() -> list[str]:
    """The module streams that dnf enabled and installed a profile of, as dnf takes their names (dnf.modularity(7))."""
    found = []
    for path in sorted(glob.glob("/etc/dnf/modules.d/*.module")):
        values = dict(re.findall(r"(?m)^(\w+)\s*=\s*(\S+)", read(path)))
        if values.get("state") == "enabled" and values.get("profiles") and values.get("stream"):
            found.append(f"@{values.get('name')}:{values['stream']}")
    return found


def offered(module: Any, names: list[str]) -> list[str]:
    """Those of `names` that an enabled repository of dnf has; all of them elsewhere, where there is no choice."""
    if not names or not module.get_bin_path("dnf"):
        return names
    argv = ["dnf", "--quiet", "repoquery", "--queryformat", "%{name}\\n", *names]
    return sorted(set(names) & set(module.run_command(argv)[1].split()))


def packages_known() -> bool:
    """Whether the package manager can say what it offers as the host is: apt needs lists, dnf fetches them itself."""
    return not os.path.exists("/usr/bin/apt-get") or bool(glob.glob("/var/lib/apt/lists/*_Packages*"))


def default_zone() -> str:
    """The zone that an interface without another one is in (firewalld.conf(5))."""
    match = re.search(r"^DefaultZone=(\S+)", read("/etc/firewalld/firewalld.conf"), re.MULTILINE)
    return match[1] if match else "public"


def pythons() -> dict[str, str]:
    """Version-named interpreters that can be run; a package's own wins over one under /usr/local."""
    found = {}
    for folder in ("/usr/local/bin", "/usr/bin"):
        for path in glob.glob(f"{folder}/python3.*"):
            match = re.fullmatch(r"python(3\.[0-9]+)", os.path.basename(path))
            if match and os.access(path, os.X_OK):
                found[match[1]] = path
    return found


def listening_ports(program: str) -> set[int]:
    """TCP ports on which a process of this name, or systemd on its behalf, listens (proc_pid_net(5), state 0A)."""
    ports_of = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in read(table).splitlines()[1:]:
            columns = row.split()
            if columns[3] == "0A":
                ports_of[f"socket:[{columns[9]}]"] = int(columns[1].rpartition(":")[2], 16)
    ports = set()
    for folder in glob.glob("/proc/[0-9]*"):
        if read(f"{folder}/comm").strip() == program:
            for descriptor in glob.glob(f"{folder}/fd/*"):
                try:
                    port = ports_of.get(os.readlink(descriptor))
                except OSError:  # closed in the meantime
                    continue
                ports |= {port} if port else set()
    return ports


def connection_ports() -> set[int]:
    """The host's own port of the SSH connection that this process descends from; sudo drops the variable, /proc not."""
    process = os.getpid()
    while process > 1:
        match = re.search(r"(?:^|\0)SSH_CONNECTION=\S+ \S+ \S+ ([0-9]+)", read(f"/proc/{process}/environ"))
        if match:
            return {int(match[1])}
        parent = re.search(r"^PPid:\s*([0-9]+)", read(f"/proc/{process}/status"), re.MULTILINE)
        process = int(parent[1]) if parent else 0
    return set()
