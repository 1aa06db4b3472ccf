# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action plugin of the same name, which does all the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_report
short_description: Show the findings of the doctor on the terminal, as an HTML page and as JSON
version_added: 0.1.0
description:
  - Prints one aligned line for each part of the chain, and writes one HTML page and one JSON file for all hosts, on the
    controller.
  - The page is self-contained, loads nothing from elsewhere, and is readable on a phone, in light and dark mode.
  - In check mode it prints the lines and writes no files.
author: [pyweb.stack contributors (@pyweb)]
options:
  reports:
    description:
      - A mapping of host names to what M(pyweb.stack.site_doctor) returned there. A host that could not be reached is
        shown, too.
    type: dict
    required: true
  html:
    description:
      - The file on the controller for the page, relative to the current directory. If empty, no page is written.
    type: str
    default: ""
  json:
    description:
      - The file on the controller for the data, relative to the current directory. If empty, no file is written.
    type: str
    default: ""
  junit:
    description:
      - The file on the controller for JUnit XML, with a test for each part of the chain of each site, relative to the
        current directory. If empty, no file is written.
    type: str
    default: ""
    version_added: 0.2.0
  fail:
    description:
      - Whether to fail after everything is shown and written. V(true) or V(broken) fails if a site is broken,
        V(degraded) if a site is broken or degraded, V(false) never. V(true), V(broken) and V(degraded) also fail if a
        host could not be reached.
    type: raw
    default: false
    version_added: 0.2.0
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
- name: Show the findings of all hosts of the play
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
