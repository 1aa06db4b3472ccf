#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_timer
short_description: Have the doctor look at the sites of a host by itself, every few minutes
version_added: 0.3.0
description:
  - Writes C(pyweb-doctor.timer) and C(pyweb-doctor.service), starts the timer, and enables it at boot. The service runs
    C(pyweb watch), which asks each site for one page, reads logs, and keeps a line for each run.
  - Writes metrics for the textfile collector of C(node_exporter), where O(timer.metrics) names its directory.
  - Removes the timer, its metrics and what it remembers where O(timer) is V(false), and with the last site of the host.
author: [pyweb.stack contributors]
options:
  timer:
    description:
      - V(false), or a mapping of C(every), such as V(5m), and C(metrics), a directory. Empty for the defaults, every
        five minutes and no metrics.
    type: raw
    default: {}
  present:
    description: The names of the sites that the host has in the end.
    type: list
    elements: str
    default: []
  absent:
    description: The names of the sites that go.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Says what it would do.
  diff_mode:
    support: full
    description: Shows the units before and after.
seealso:
  - module: pyweb.stack.site_doctor
"""

EXAMPLES = r"""
- name: Look every ten minutes, and write metrics
  pyweb.stack.doctor_timer:
    timer: {every: 10m, metrics: /var/lib/prometheus/node-exporter}
    present: [shop]
"""

RETURN = r"""
made:
  description: What was, or in check mode would be, written, removed, started and enabled.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/pyweb-doctor.timer, start pyweb-doctor.timer, enable pyweb-doctor.timer]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import why_not_root
from ansible_collections.pyweb.stack.plugins.module_utils.host.services import ServiceError
from ansible_collections.pyweb.stack.plugins.module_utils.model.doctor_timer import doctor_timer
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import DOCTOR_SERVICE, DOCTOR_TIMER
from ansible_collections.pyweb.stack.plugins.module_utils.release import doctor_timer as units

SPEC: dict[str, Any] = {
    "timer": {"type": "raw", "default": {}},
    "present": {"type": "list", "elements": "str", "default": []},
    "absent": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if fault := why_not_root():
        module.fail_json(msg=fault)
    given = module.params
    before = {path: files.read_or_empty(path) for path in (DOCTOR_SERVICE, DOCTOR_TIMER)}
    after = dict.fromkeys(before, "")
    try:
        settings = doctor_timer(given["timer"])
        if settings and (given["present"] or units.sites_left(given["absent"])):
            after = units.wanted(settings)
            made = units.ensure(settings, module.run_command, module.check_mode)
        else:
            made = units.remove(module.run_command, module.check_mode)
    except (InventoryError, ServiceError) as error:
        module.fail_json(msg=str(error))
        raise
    except OSError as error:
        module.fail_json(msg=f"the doctor's timer: {error.filename or 'a file'}: {error.strerror or error}")
        raise
    diff = [
        {"before_header": path, "after_header": path, "before": before[path], "after": after[path]}
        for path in before
        if before[path] != after[path]
    ]
    if settings and settings["metrics"] and not os.path.isdir(settings["metrics"]):
        module.warn(f"doctor_timer.metrics: there is no directory {settings['metrics']}; no metrics until it is there")
    module.exit_json(changed=bool(made), made=made, diff=diff)


if __name__ == "__main__":
    main()
