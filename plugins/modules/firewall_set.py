#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_set
short_description: Open and close services and ports in firewalld, and start it, in one call
version_added: 0.2.0
description:
  - Carries out the plan that the filter P(pyweb.stack.firewall_plan#filter) returns. For the role C(firewalld).
  - If firewalld runs, it is changed over D-Bus, both at run time and permanently. If it is stopped, the files of its
    zones are written before it starts.
  - Records what it opens in C(/etc/firewalld/pyweb.stack), by purpose, before opening it. What was already open is not
    recorded, and therefore never closed.
  - C(ansible.posix.firewalld) needs one call for each port, and Python's bindings for firewalld.
author: [pyweb.stack contributors (@pyweb)]
options:
  plan:
    description: The plan that the filter returned.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Reports what it would do. If the packages of firewalld are installed, also what firewalld would refuse.
  diff_mode:
    support: full
    description: Shows what is closed and what is opened.
seealso:
  - module: pyweb.stack.host_facts
"""

EXAMPLES = r"""
- name: Open HTTP
  pyweb.stack.firewall_set:
    plan: >-
      {{ [] | pyweb.stack.firewall_plan(services=['http'], ports=[], zone='public', purpose='web', opened={},
      ssh_ports=[22]) }}
"""

RETURN = r"""
ansible_facts:
  description: The facts that M(pyweb.stack.host_facts) returns, after the change.
  returned: when something was changed, outside check mode
  type: dict
notes:
  description: How starting firewalld affects other services of the host, one line each.
  returned: always
  type: list
  elements: str
  sample:
    - "firewalld is started; ports that other hosts could reach before stay open: 8443/tcp python3 (pid 77, app.service)
      (firewalld_close_others closes it)"
opened:
  description: What was opened.
  returned: success
  type: list
  elements: str
  sample: [http in zone public, "8443/tcp (python3 (pid 77, app.service)) in zone public"]
closed:
  description: What was closed.
  returned: success
  type: list
  elements: str
  sample: [8080/tcp in zone public]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils import firewall_change
from ansible_collections.pyweb.stack.plugins.module_utils.firewall import described
from ansible_collections.pyweb.stack.plugins.module_utils.host.facts import facts

ARGUMENTS = {"plan": {"type": "dict", "required": True}}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    plan = module.params["plan"]
    try:
        if module.check_mode:
            firewall_change.check(plan)
        else:
            firewall_change.change(plan, module.run_command)
    except firewall_change.FirewallError as error:
        module.fail_json(msg=str(error))
        raise
    opened = [described(item) for item in [*plan["ssh"], *plan["open"], *plan["others"]]]
    closed = [described(item) for item in plan["close"]]
    started = ["firewalld.service, now and at boot"] if plan["start"] else []
    # For a later use of the role in the same run.
    found = {"ansible_facts": facts(module)} if plan["differs"] and not module.check_mode else {}
    module.exit_json(
        **found,
        changed=plan["differs"],
        opened=opened,
        closed=closed,
        notes=plan["notes"],
        diff={
            "before_header": "firewalld",
            "after_header": "firewalld",
            "before": "".join(f"{line}\n" for line in closed),
            "after": "".join(f"{line}\n" for line in [*started, *opened]),
        },
    )


if __name__ == "__main__":
    main()
