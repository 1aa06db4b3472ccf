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
  remember:
    description:
      - V(before) notes what the host is, in C(/var/lib/pyweb.stack/before.json), for whoever takes the collection off
        again one day. For the beginning of a run that is going to change something. Once one has, the note stays.
      - V(packages) notes which packages came since then, for after an installation.
      - Only root can. A host on which an earlier version was, without such a note, gets none.
    type: str
    choices: [before, packages]
    version_added: 0.2.0
attributes:
  check_mode:
    support: full
    description: It only looks, and O(remember) notes nothing.
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
        platform:
          description: The key of the host's platform in the tables of the roles.
          type: str
          sample: Ubuntu-24.04
        ipv6:
          description: Whether the kernel has an IPv6 address, the loopback's included (C(/proc/net/if_inet6)).
          type: bool
        selinux:
          description: What the kernel does, V(enforcing), V(permissive) or V(disabled).
          type: str
        selinux_service:
          description: The SELinux domain of a service that the loaded policy has no rules for; empty without SELinux.
          type: str
          sample: unconfined_service_t
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
              V(@nginx:1.26). Without those that M(pyweb.stack.apt_install) began with and nobody has waited for.
          type: list
          elements: str
        packages_known:
          description: Whether the package manager can say what it offers without fetching or installing anything.
          type: bool
        firewalld_zone:
          description: The default zone of firewalld; V(public), its own default, where it is not installed yet.
          type: str
        services:
          description:
            - What systemd says of C(nginx), C(firewalld) and services that load other rules for packets; name to
              whether it runs and starts at boot.
          type: dict
          sample: {nginx: {active: true, enabled: true}, firewalld: {active: false, enabled: false}}
        firewalld_open:
          description:
            - What a running firewalld lets in, now and after a reload, in its default zone and in those that the role
              C(firewalld) opened something in; zone to services and ports. What it will let in while it is stopped.
          type: dict
          sample: {public: {services: [ssh, http], ports: [8080/tcp]}}
        firewalld_bound:
          description:
            - While firewalld is stopped, its zones that interfaces or sources were put into; zone to these.
          type: dict
          sample: {dmz: [eth1]}
        nginx_version:
          description: The version of the installed nginx; empty where there is none.
          type: str
          sample: 1.22.1
        nginx:
          description:
            - What is there of nginx's configuration and whose it is, and which processes hold TCP ports.
            - RV(ignore:user) and RV(ignore:group) are those that nginx's workers run as.
          type: dict
        acme:
          description:
            - The version of C(certbot), the certificates that it renews for sites of this collection, by the name of
              the site, and whether its timer is on. Its secrets are told by digests alone.
          type: dict
          sample: {certbot: 2.1.0, lineages: {}, timer: false}
        firewalld_opened:
          description: What the role C(firewalld) opened earlier, purpose to zone, services and ports.
          type: dict
        open_ports:
          description:
            - While firewalld is stopped, the TCP and UDP ports that processes listen on at addresses that other hosts
              reach. DHCP's client, mDNS and LLMNR are left out.
          type: list
          elements: dict
          sample: [{port: 8443/tcp, process: "python3 (pid 77, app.service)", unit: app.service}]
        packet_filters:
          description: While firewalld is stopped, what else filters packets, each in a few words.
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
