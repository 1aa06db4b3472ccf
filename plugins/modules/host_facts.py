#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: What the roles of this collection branch on, in one call
version_added: 0.1.0
description:
  - Looks at what is on the host instead of at its name, as facts under C(ansible_facts.pyweb).
  - Brings the few facts of M(ansible.builtin.setup) that the roles need along, which saves its call.
author: [pyweb.stack contributors]
options:
  offered:
    description:
      - Packages to ask the enabled repositories for. That costs a second, so only who needs the answer asks.
    type: list
    elements: str
attributes:
  check_mode:
    support: full
    description: It only looks.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: ansible.builtin.setup
"""

EXAMPLES = r"""
- name: Look at the host
  pyweb.stack.host_facts:
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: always
  type: dict
  contains:
    os_family:
      description: As M(ansible.builtin.setup) returns it, with RV(ignore:distribution) and its versions.
      type: str
      sample: RedHat
    pkg_mgr:
      description: As M(ansible.builtin.setup) returns it.
      type: str
      sample: dnf
    pyweb_offered:
      description: Those of O(offered) that the enabled repositories have.
      returned: when O(offered) was given
      type: list
      elements: str
    pyweb:
      description: All of them.
      type: dict
      contains:
        ipv6:
          description: Whether the kernel has an IPv6 address, the loopback's included (C(/proc/net/if_inet6)).
          type: bool
        selinux:
          description: What the kernel does, V(enforcing), V(permissive) or V(disabled).
          type: str
        pythons:
          description: The interpreters under C(/usr/bin) and C(/usr/local/bin), version to path.
          type: dict
          sample: {"3.11": /usr/bin/python3.11}
        ssh_ports:
          description: The ports on which sshd listens, and the one through which this connection came.
          type: list
          elements: int
          sample: [22]
        packages:
          description:
            - The names of the installed packages of the distribution, and the module streams that dnf installed as
              V(@nginx:1.26).
          type: list
          elements: str
        packages_known:
          description: Whether the package manager can say what it offers without fetching or installing anything.
          type: bool
        firewalld_installed:
          description: Whether firewalld is installed.
          type: bool
        firewalld_zone:
          description: The default zone of firewalld; V(public), its own default, where it is not installed yet.
          type: str
        services:
          description: What systemd says of C(nginx) and C(firewalld), name to whether it runs and starts at boot.
          type: dict
          sample: {nginx: {active: true, enabled: true}, firewalld: {active: false, enabled: false}}
        firewalld_open:
          description:
            - What a running firewalld lets in, now and after a reload, in its default zone and in those that the role
              C(firewalld) opened something in; zone to services and ports.
          type: dict
          sample: {public: {services: [ssh, http], ports: [8080/tcp]}}
        firewalld_opened:
          description: What the role C(firewalld) opened earlier, purpose to zone, services and ports.
          type: dict
"""

import glob
import json
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.facts.system.distribution import DistributionFactCollector
from ansible.module_utils.facts.system.pkg_mgr import PkgMgrFactCollector

BUS = "org.fedoraproject.FirewallD1"


def main() -> None:
    spec = {"offered": {"type": "list", "elements": "str"}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    platform = DistributionFactCollector().collect(module=module)
    platform.update(PkgMgrFactCollector().collect(module=module, collected_facts=prefixed(platform)))
    opened = {
        os.path.basename(path)[: -len(".json")]: json.loads(read(path) or "{}")
        for path in glob.glob("/etc/firewalld/pyweb.stack/*.json")
    }
    running = services(module)
    facts = {
        "ipv6": bool(read("/proc/net/if_inet6").strip()),
        "selinux": selinux(),
        "pythons": pythons(),
        "ssh_ports": sorted(listening_ports("sshd") | connection_ports()),
        "packages": packages(module) + module_streams(),
        "packages_known": packages_known(),
        "services": running,
        "firewalld_installed": os.path.exists("/usr/sbin/firewalld"),
        "firewalld_zone": default_zone(),
        "firewalld_opened": opened,
        "firewalld_open": let_in(module, zones(opened)) if running["firewalld"]["active"] else {},
    }
    asked = module.params["offered"]
    answer = {"pyweb_offered": offered(module, asked)} if asked is not None else {}
    module.exit_json(changed=False, ansible_facts={**platform, **answer, "pyweb": facts})


def prefixed(facts: dict[str, str]) -> dict[str, str]:
    """Facts as one collector hands them to another."""
    return {f"ansible_{name}": value for name, value in facts.items()}


def services(module: AnsibleModule) -> dict[str, dict[str, bool]]:
    """Whether the services that the roles start run already, and start at boot: what is right needs no task."""
    known = ("nginx", "firewalld")
    argv = ["systemctl", "show", "--property=ActiveState,UnitFileState", *(f"{name}.service" for name in known)]
    blocks = module.run_command(argv)[1].strip().split("\n\n")
    return {
        name: {"active": "ActiveState=active" in block, "enabled": "UnitFileState=enabled" in block}
        for name, block in zip(known, [*blocks, "", ""])
    }


def zones(opened: dict[str, dict]) -> list[str]:
    return sorted({default_zone(), *(what["zone"] for what in opened.values() if what.get("zone"))})


def let_in(module: AnsibleModule, names: list[str]) -> dict[str, dict[str, list[str]]]:
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


def listed(settings: dict[str, dict], key: str) -> list[str]:
    """A zone's services, or its ports in firewall-cmd's own form: 8080/tcp."""
    return ["/".join(one) if isinstance(one, list) else one for one in settings.get(key, {}).get("data", [])]


def selinux() -> str:
    """What the kernel does: enforcing, permissive or disabled (selinux(8))."""
    return {"1": "enforcing", "0": "permissive"}.get(read("/sys/fs/selinux/enforce").strip(), "disabled")


def packages(module: AnsibleModule) -> list[str]:
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


def offered(module: AnsibleModule, names: list[str]) -> list[str]:
    """Those of `names` that an enabled repository of dnf has; all of them elsewhere, where there is no choice."""
    if not names or not module.get_bin_path("dnf"):
        return names
    argv = ["dnf", "--quiet", "repoquery", "--queryformat", "%{name}\\n", *names]
    return sorted(set(names) & set(module.run_command(argv)[1].split()))


def packages_known() -> bool:
    """Whether the package manager can be asked as the host is: apt needs its Python binding and lists, dnf neither."""
    if not os.path.exists("/usr/bin/apt-get"):
        return True
    return bool(glob.glob("/var/lib/apt/lists/*_Packages*") and glob.glob("/usr/lib/python3/dist-packages/apt/*"))


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


def read(path: str) -> str:
    """A file's text, or '' where there is none or it is gone by now."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
