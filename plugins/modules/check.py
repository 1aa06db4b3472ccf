# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check
short_description: Check the sites of a host, and make the later tasks of the run faster
version_added: 0.2.0
description:
  - Checks C(web_sites), C(web_roots), C(web_tls) and C(doctor_timer) of the host, and returns the sites. All mistakes
    are reported together. Does not connect to any host.
  - If M(pyweb.stack.hosts_with_sites) has registered C(web_run), a certificate by ACME's HTTP challenge is refused for
    a name that several hosts of the inventory have.
  - With O(that) it does the same as M(ansible.builtin.assert).
  - Ansible runs each task of each host in a separate process, and each process loads the filters of a collection again.
    This action loads them before Ansible forks these processes, which saves a fifth of the controller's CPU time.
  - Each mistake in the inventory is shown once, on its own line.
author: [pyweb.stack contributors (@pyweb)]
options:
  that:
    description: Conditions that must be true. If given, the sites are not checked.
    type: list
    elements: str
  roles:
    description:
      - Roles of this collection whose variables are checked as well, against their argument specs.
      - Ansible does the same in a task of its own at the start of each role.
    type: list
    elements: str
  fail_msg:
    description: The message of a failure. If the inventory has mistakes, they come first and this is the last line.
    type: str
  success_msg:
    description: The message of a success.
    type: str
  warning:
    description: A warning to show if the conditions in O(that) are true. An empty text shows nothing.
    type: str
  quiet:
    description: Do not list conditions that are true.
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
- name: Check the sites before any host is changed
  pyweb.stack.check:
    roles: [django, uwsgi]
    fail_msg: no host was changed
  register: web_checked
"""

RETURN = r"""
sites:
  description: The sites of the host, each with its name, its state and the URL under which visitors find it.
  returned: success, without O(that)
  type: list
  elements: dict
  sample: [{name: shop, state: present, url: "http://shop.example.com/"}]
"""
