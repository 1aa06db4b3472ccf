# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check
short_description: Check the sites of a host, and make the later tasks of the run cheaper
version_added: 0.1.0
description:
  - Checks C(web_sites), C(web_roots), C(web_tls) and C(doctor_timer) of the host, and returns the sites. All faults are
    told at once, and no host is asked anything.
  - Where M(pyweb.stack.hosts_with_sites) registered C(web_run), a certificate by ACME's http challenge is refused for a
    name that several hosts of the inventory have.
  - With O(that) it does what M(ansible.builtin.assert) does.
  - Ansible runs every task of every host in a process of its own, and each loads the filters of a collection again.
    This action loads them before Ansible forks these processes, which saves a fifth of the controller's time.
  - Faults of the inventory are shown once, each on a line of its own.
author: [pyweb.stack contributors]
options:
  that:
    description: Conditions that have to be true; the sites are not checked then.
    type: list
    elements: str
  fail_msg:
    description: What a failure says. Where the inventory has faults they come first, and this is the last line.
    type: str
  success_msg:
    description: What a success says.
    type: str
  warning:
    description: A warning to show where the conditions of O(that) are true. An empty one is not shown.
    type: str
    version_added: 0.2.0
  quiet:
    description: Say nothing about conditions that are true.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: ansible.builtin.assert
"""

EXAMPLES = r"""
- name: Check the sites, before any host is touched
  pyweb.stack.check:
    fail_msg: no host was touched
  register: web_checked
"""

RETURN = r"""
sites:
  description: The sites of the host, each with its name, its state and the URL at which a visitor finds it.
  returned: success, without O(that)
  type: list
  elements: dict
  sample: [{name: shop, state: present, url: "http://shop.example.com/"}]
"""
