#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Gather the facts that the roles of this collection use, in one call
version_added: 0.1.0
description:
  - Gathers facts about the state of the host, under C(ansible_facts.pyweb).
  - Also returns the few facts of M(ansible.builtin.setup) that the roles need, so that M(ansible.builtin.setup) does
    not have to be called.
author: [pyweb.stack contributors (@pyweb)]
options:
  offered:
    description: Packages to look up in the enabled repositories. The lookup takes a second.
    type: list
    elements: str
  remember:
    description:
      - V(before) records the state of the host in C(/var/lib/pyweb.stack/before.json), so that M(pyweb.stack.uninstall)
        can restore it. Use it at the start of a run that changes the host. Once a run has changed the host, the record
        is not replaced.
      - V(packages) records which packages were installed since then. Use it after an installation.
      - Needs root. A host on which an earlier version without such records was used gets none.
    type: str
    choices: [before, packages]
    version_added: 0.2.0
attributes:
  check_mode:
    support: full
    description: It changes nothing, and O(remember) records nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: ansible.builtin.setup
"""

EXAMPLES = r"""
- name: Gather facts about the host
  pyweb.stack.host_facts:
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: always
  type: dict
  contains:
    os_family:
      description: As returned by M(ansible.builtin.setup), with RV(ignore:distribution) and its versions.
      type: str
      sample: RedHat
    pkg_mgr:
      description: As returned by M(ansible.builtin.setup).
      type: str
      sample: dnf
    pyweb_offered:
      description: The packages of O(offered) that the enabled repositories have.
      returned: when O(offered) was given
      type: list
      elements: str
    pyweb:
      description: The facts of this collection.
      type: dict
      contains:
        platform:
          description: The key of the platform in the tables of the roles.
          type: str
          sample: Ubuntu-24.04
        ipv6:
          description:
            - Whether the kernel has an IPv6 address, including that of the loopback interface (C(/proc/net/if_inet6)).
          type: bool
        selinux:
          description: The SELinux mode of the kernel, V(enforcing), V(permissive) or V(disabled).
          type: str
        selinux_service:
          description: The SELinux domain of a service for which the loaded policy has no rules. Empty without SELinux.
          type: str
          sample: unconfined_service_t
        pythons:
          description: The Python interpreters in C(/usr/bin) and C(/usr/local/bin), a mapping of versions to paths.
          type: dict
          sample: {"3.11": /usr/bin/python3.11}
        ssh_ports:
          description: The ports on which sshd listens, and the port of this connection.
          type: list
          elements: int
          sample: [22]
        packages:
          description:
            - The names of the installed packages of the distribution, and the module streams that dnf installed, as
              V(@nginx:1.26). Without the packages that M(pyweb.stack.apt_install) is still installing in the
              background.
          type: list
          elements: str
        packages_known:
          description:
            - Whether the package manager can list the available packages without downloading or installing anything.
          type: bool
        firewalld_zone:
          description:
            - The default zone of firewalld. If firewalld is not installed yet, V(public), which is its default.
          type: str
        services:
          description:
            - The state of C(nginx), C(firewalld) and the services that load other packet filter rules, according to
              systemd. A mapping of names to whether the service runs and whether it starts at boot.
          type: dict
          sample: {nginx: {active: true, enabled: true}, firewalld: {active: false, enabled: false}}
        firewalld_open:
          description:
            - What firewalld allows, both at run time and permanently, in its default zone and in the zones in which the
              role C(firewalld) opened something. A mapping of zones to services and ports. If firewalld is stopped,
              what it will allow when it starts.
          type: dict
          sample: {public: {services: [ssh, http], ports: [8080/tcp]}}
        firewalld_bound:
          description: If firewalld is stopped, its zones that have interfaces or sources, a mapping of zones to these.
          type: dict
          sample: {dmz: [eth1]}
        nginx_version:
          description: The version of the installed nginx. Empty if nginx is not installed.
          type: str
          sample: 1.22.1
        nginx:
          description:
            - The files of nginx's configuration and their owners, and the processes that use TCP ports.
            - RV(ignore:user) and RV(ignore:group) are those of nginx's workers.
          type: dict
        acme:
          description:
            - The version of C(certbot), the certificates that it renews for sites of this collection, by the name of
              the site, and whether its timer is enabled. Secrets are returned as digests only.
          type: dict
          sample: {certbot: 2.1.0, lineages: {}, timer: false}
        firewalld_opened:
          description: What the role C(firewalld) opened earlier, a mapping of purposes to zone, services and ports.
          type: dict
        open_ports:
          description:
            - If firewalld is stopped, the TCP and UDP ports on which processes listen at addresses that other hosts can
              reach. The ports of DHCP clients, mDNS and LLMNR are left out.
          type: list
          elements: dict
          sample: [{port: 8443/tcp, process: "python3 (pid 77, app.service)", unit: app.service}]
        packet_filters:
          description: If firewalld is stopped, what else filters packets, each in a few words.
          type: list
          elements: str
          sample: [ufw is active]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import memory, packages
from ansible_collections.pyweb.stack.plugins.module_utils.host.facts import facts
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import why_not_root
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import state
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_found

ARGUMENTS = {
    "offered": {"type": "list", "elements": "str"},
    "remember": {"type": "str", "choices": ["before", "packages"]},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if fault := why_not_root():
        module.fail_json(msg=fault)
    found = facts(module)
    found["pyweb"]["nginx"] = state.look(module)
    found["pyweb"]["acme"] = acme_found.facts(module.run_command)
    asked = module.params["offered"]
    if asked is not None:
        found["pyweb_offered"] = packages.offered(module, asked)
    if not module.check_mode and os.geteuid() == 0:
        remember(module, found)
    module.exit_json(changed=False, ansible_facts=found)


def remember(module: AnsibleModule, found: dict[str, Any]) -> None:
    """Note what O(remember) asks for. A system that no role runs on is left alone."""
    if found["os_family"] not in ("Debian", "RedHat"):
        return
    if module.params["remember"] == "before":
        memory.remember(module.run_command, found["pyweb"]["packages"])
    elif module.params["remember"] == "packages":
        memory.note_packages(found["pyweb"]["packages"])


if __name__ == "__main__":
    main()
