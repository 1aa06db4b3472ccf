# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
short_description: Report how a run ended, with one line for each site
version_added: 0.2.0
description:
  - Prints for each site of each host what is live, what changed, which migrations were applied, how long the run took,
    and the command that rolls back. Below that it prints the messages of the roles (C(nginx_notes),
    C(firewalld_notes)).
  - Also reports hosts that failed or could not be reached. For this, put it into the C(always) section of a block that
    contains all tasks of the run, with C(run_once).
  - Reads the results that M(pyweb.stack.hosts_with_sites) registered as C(web_run) and M(pyweb.stack.check) as
    C(web_checked), and the results that the roles register. It does not connect to any host.
author: [pyweb.stack contributors (@pyweb)]
options:
  report:
    description: A file on the controller for the same report as JSON. If empty, no file is written.
    type: path
attributes:
  check_mode:
    support: full
    description: It changes nothing on a host, and reports what would change. The file is written.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: pyweb.stack.hosts_with_sites
"""

EXAMPLES = r"""
- name: Deploy the sites, and report the result
  block:
    - name: Build the sites
      ansible.builtin.import_role:
        name: pyweb.stack.django

    - name: Release the sites
      ansible.builtin.import_role:
        name: pyweb.stack.uwsgi
  always:
    - name: Report the result
      pyweb.stack.run_report:
        report: report.json
      run_once: true
"""

RETURN = r"""
lines:
  description: The printed lines.
  returned: success
  type: list
  elements: str
"""
