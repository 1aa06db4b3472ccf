# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
short_description: Say how a run ended, a line a site
version_added: 0.2.0
description:
  - Prints for each site of each host what is live, what changed, the migrations that were applied, how long the run
    took, and the command that rolls back. Below that stands what the roles want told (C(nginx_notes),
    C(firewalld_notes)).
  - Tells of hosts that failed or were not reached as well, so it belongs into the C(always) of a block that has all
    tasks of the run, with C(run_once).
  - Reads what M(pyweb.stack.hosts_with_sites) registered as C(web_run), M(pyweb.stack.check) as C(web_checked), and
    what the roles register. Nobody connects to a host.
author: [pyweb.stack contributors]
options:
  report:
    description: A file on the controller that gets the same as JSON. Empty for none.
    type: path
attributes:
  check_mode:
    support: full
    description: It changes nothing on a host, and says what would be. The file is written.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: pyweb.stack.hosts_with_sites
"""

EXAMPLES = r"""
- name: Serve the sites, and say what happened
  block:
    - name: Build the sites
      ansible.builtin.import_role:
        name: pyweb.stack.django

    - name: Release the sites
      ansible.builtin.import_role:
        name: pyweb.stack.uwsgi
  always:
    - name: Say what happened
      pyweb.stack.run_report:
        report: report.json
      run_once: true
"""

RETURN = r"""
lines:
  description: What was printed.
  returned: success
  type: list
  elements: str
"""
