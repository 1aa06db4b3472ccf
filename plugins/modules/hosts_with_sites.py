# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hosts_with_sites
short_description: Find the hosts of a play that have no sites, and report them
version_added: 0.2.0
description:
  - Prints a line for each host of the play whose C(web_sites) is unset or empty, and warns if no host has sites.
  - If the group C(web) exists and neither C(web_hosts) nor a limit is given, it also names the hosts outside that group
    that have sites.
  - Run it once for all hosts, with C(run_once). It does not connect to any host.
author: [pyweb.stack contributors (@pyweb)]
options:
  report:
    description:
      - A file on the controller for the report of the run. It is written with C(finished) set to false, and completed
        by M(pyweb.stack.run_report). If empty, no file is written.
    type: path
attributes:
  check_mode:
    support: full
    description: It changes nothing on a host.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: pyweb.stack.run_report
"""

EXAMPLES = r"""
- name: Find the hosts that have sites
  pyweb.stack.hosts_with_sites:
  run_once: true
  register: web_run

- name: Skip hosts without sites
  ansible.builtin.meta: end_host
  when: inventory_hostname in web_run.without_sites
"""

RETURN = r"""
without_sites:
  description: The hosts whose C(web_sites) is unset or empty.
  returned: success
  type: list
  elements: str
lines:
  description: The printed lines.
  returned: success
  type: list
  elements: str
shared_names:
  description:
    - The domains that several hosts of the inventory have, each with these hosts. M(pyweb.stack.check) refuses a
      certificate by ACME's HTTP challenge for these domains.
    - Empty if no site of the run has C(acme).
  returned: success
  type: dict
  sample: {shop.example.com: [web1, web2]}
began:
  description: When the run started, in seconds of the controller's monotonic clock.
  returned: success
  type: float
"""
