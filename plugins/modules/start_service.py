#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: start_service
short_description: Start a service, now and at boot, or say why it does not start
version_added: 0.2.0
description:
  - Does what M(ansible.builtin.systemd_service) does with C(state=started) and C(enabled=true).
  - Where the service does not start, the error has its own words from the journal. Where another process has its port,
    the error names that process.
author: [pyweb.stack contributors]
options:
  name:
    description: The unit, for instance V(nginx.service).
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: A unit that is not there yet counts as one to be started; its package is installed by a real run only.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Start nginx, now and at boot
  pyweb.stack.start_service:
    name: nginx.service
"""

RETURN = r"""
done:
  description: What was done, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [enable, start]
output:
  description: What the service wrote into the journal while it did not start.
  returned: failure
  type: str
"""

from collections.abc import Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host.services import ServiceError, start


def main() -> None:
    module = AnsibleModule(argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True)

    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        status, out, err = module.run_command(list(argv))
        return status, out, err

    try:
        done = start(module.params["name"], run, module.check_mode)
    except ServiceError as error:
        module.fail_json(msg=str(error), output=error.output, changed=False)
        raise
    module.exit_json(changed=bool(done), done=done)


if __name__ == "__main__":
    main()
