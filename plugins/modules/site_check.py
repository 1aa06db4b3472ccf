#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: site_check
short_description: Ask for sites on their own names, at the host's own address, through nginx
version_added: 0.2.0
description:
  - Asks for each site as its visitors do, follows redirects within the site, and fails where they end in an error.
  - Fails as well where another server of nginx answers for the site, and names its file and line.
  - Without O(sites[].health.path) it also asks for one style sheet, script or image that the page names.
  - What nginx itself answers because the inventory says so (C(return), C(auth_basic), C(deny)) counts as the site's
    answer.
author: [pyweb.stack contributors]
options:
  sites:
    description: Completed sites, as the filter P(pyweb.stack.sites#filter) returns them. Absent ones are left out.
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    support: full
    description: It does not ask, for the host is not yet as it will be.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: pyweb.stack.site_doctor
"""

EXAMPLES = r"""
- name: Ask for every site through nginx
  pyweb.stack.site_check:
    sites: "{{ web_sites | pyweb.stack.sites }}"
"""

RETURN = r"""
asked:
  description: Site name to the URL that was asked for.
  returned: always
  type: dict
  sample: {shop: "http://shop.example.com/"}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.release.front import STEP, Front

SPEC: dict[str, Any] = {"sites": {"type": "list", "elements": "dict", "required": True}}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    asked, faults = {}, []
    for site in [] if module.check_mode else module.params["sites"]:
        record = files.read_json(Layout.of(site).live_record)
        found = Front.of(Shell(site["name"], {}), site, record.get("manifest", {})).look()
        asked[site["name"]] = found.url
        if found.wrong:
            faults.append(str(StepError(site["name"], STEP, found.wrong)))
        if found.warning:
            module.warn(found.warning)
    if faults:
        module.fail_json(msg="\n".join(faults), asked=asked)
    module.exit_json(changed=False, asked=asked)


if __name__ == "__main__":
    main()
