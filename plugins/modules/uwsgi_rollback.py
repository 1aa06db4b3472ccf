#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: uwsgi_rollback
short_description: Make an earlier release of a Django site the live one again
version_added: 0.1.0
description:
  - Starts a release that M(pyweb.stack.uwsgi_release) made earlier, asks it until the health that it went live with is
    met, renames C(current) over, drains the one that was live, and stops it. No request fails, and nothing is fetched.
  - Code, virtualenv, static files, options and environment come back as they were. The database and the media stay as
    they are.
  - Refuses while migrations are applied that the release does not know.
author: [pyweb.stack contributors]
options:
  sites:
    description: Completed sites, as the filter P(pyweb.stack.sites#filter) returns them.
    type: list
    elements: dict
    required: true
  site:
    description: The name of the site. May be left out where there is only one.
    type: str
    default: ""
  to:
    description: The id of the release. Empty for the one that was live before.
    type: str
    default: ""
  ignore_migrations:
    description: Roll back although migrations are applied that the release does not know.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Tells whether it would refuse.
  diff_mode:
    support: full
    description: Shows the C(uwsgi.ini) before and after.
seealso:
  - module: pyweb.stack.uwsgi_release
"""

EXAMPLES = r"""
- name: Go back to what was live before
  pyweb.stack.uwsgi_rollback:
    sites: "{{ web_sites | pyweb.stack.sites }}"
    site: shop

- name: Go back to a release by its id
  pyweb.stack.uwsgi_rollback:
    sites: "{{ web_sites | pyweb.stack.sites }}"
    site: shop
    to: 5d0c1f9a77be
"""

RETURN = r"""
release:
  description: The release that is live, or in check mode would be.
  returned: success
  type: str
previous:
  description: The one that was live before.
  returned: success
  type: str
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import Release, previous

SPEC = {
    "site": {"type": "dict", "required": True},
    "to": {"type": "str", "default": ""},
    "ignore_migrations": {"type": "bool", "default": False},
    "who": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    site, wanted = module.params["site"], module.params["to"]
    if not re.fullmatch(r"[0-9a-f]*", wanted):
        module.fail_json(msg=f"to is {wanted!r}; wanted the id of a release, or nothing for the previous one")
    try:
        with files.locked(site["name"]):
            release = Release.stored(site, wanted or previous(site))
            release.who, release.check_mode = module.params["who"], module.check_mode
            change = release.roll_back(module.params["ignore_migrations"])
    except StepError as error:
        module.fail_json(msg=str(error))
    header = f"{site['paths']['current']}/uwsgi.ini"
    diff = {"before_header": header, "after_header": header, "before": change.before, "after": change.after}
    module.exit_json(changed=bool(change.what), release=change.release, previous=change.previous, diff=diff)


if __name__ == "__main__":
    main()
