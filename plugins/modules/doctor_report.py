# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_report
short_description: Show what the doctor found, on the terminal, as a page and as data
version_added: 0.1.0
description:
  - Prints one aligned line a hop, and writes one HTML page and one JSON file for all hosts, on the controller.
  - The page is self-contained, fetches nothing, and can be read on a phone, in light and dark.
  - In check mode it prints and writes nothing.
author: [pyweb.stack contributors]
options:
  reports:
    description: Host name to what M(pyweb.stack.site_doctor) returned there; a host that was not reached is shown, too.
    type: dict
    required: true
  html:
    description: Where the page is written, on the controller; relative to the current directory. Empty for none.
    type: str
    default: ""
  json:
    description: Where the data are written, on the controller; relative to the current directory. Empty for none.
    type: str
    default: ""
  junit:
    description:
      - Where JUnit XML is written, on the controller, with a test for each hop of each site; relative to the current
        directory. Empty for none.
    type: str
    default: ""
    version_added: 0.3.0
  fail:
    description:
      - Whether to fail, once all is shown and written, where a site is broken (V(true) or V(broken)), where one is
        broken or degraded (V(degraded)), or not at all (V(false)). A host that was not reached fails as well.
    type: raw
    default: false
    version_added: 0.3.0
attributes:
  check_mode:
    support: full
    description: The lines are printed, the files are not written.
  diff_mode:
    support: none
    description: A report has no state before it.
seealso:
  - module: pyweb.stack.site_doctor
"""

EXAMPLES = r"""
- name: Show what was found on every host of the play
  pyweb.stack.doctor_report:
    reports: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'found'))) }}"
    html: doctor.html
    json: doctor.json
  run_once: true
"""

RETURN = r"""
written:
  description: The files that were written.
  returned: always
  type: list
  elements: str
broken:
  description: The broken sites, as host/site.
  returned: always
  type: list
  elements: str
"""
