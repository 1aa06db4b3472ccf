#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: uwsgi_release
short_description: Release builds under uWSGI without a failed request
version_added: 0.1.0
description:
  - Starts a release beside the live one, asks it over the uwsgi protocol until O(sites[].health) is met, renames
    C(current) over, drains the old one by its stats socket, and stops it.
  - A release that does not start or does not answer as it should is taken back; the live one never stops answering.
  - Applies migrations and makes the superuser before. Removes sites with O(sites[].state=absent).
author: [pyweb.stack contributors]
options:
  sites:
    description: Completed sites, as the filter P(pyweb.stack.sites#filter) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      health:
        description: What a good release answers.
        type: dict
      state:
        description: Whether the site is to be there.
        type: str
  builds:
    description:
      - Site name to manifest, the return value RV(pyweb.stack.django_build#module:builds).
      - A site without one is released as found at its C(source.path), with its own C(virtualenv).
    type: dict
    default: {}
  web_group:
    description: The group of nginx's workers, which the sockets belong to. Without it, the platform's own.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Predicts the release and, where the build is there, the migrations.
  diff_mode:
    support: full
    description: Shows the C(uwsgi.ini) and the migrations before and after.
notes:
  - Each release, and each that did not make it, is a line in the journal (C(journalctl --identifier=pyweb.stack)) and
    in C(/opt/sites/NAME/history). C(/opt/sites/NAME/list) shows the releases that are there.
seealso:
  - module: pyweb.stack.django_build
  - module: pyweb.stack.uwsgi_rollback
"""

EXAMPLES = r"""
- name: Release what was built
  pyweb.stack.uwsgi_release:
    sites: "{{ web_sites | pyweb.stack.sites }}"
    builds: "{{ django_builds.builds }}"
"""

RETURN = r"""
releases:
  description: Site name to what is live now.
  returned: success
  type: dict
  contains:
    id:
      description: The release that is live, or in check mode would be.
      type: str
    previous:
      description: The release that was live before it.
      type: str
    migrations:
      description: The migrations that were, or would be, applied.
      type: list
      elements: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import accounts, files
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import NICENESS, Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import Release, as_found, withdraw

SPEC = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    "secrets": {"type": "str", "default": "{}", "no_log": True},
    "builds": {"type": "dict", "default": {}},
    "web_group": {"type": "str", "default": ""},
    "who": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    # What the host serves meanwhile comes first. uWSGI itself, which systemd starts, is not held back.
    os.nice(NICENESS)
    secrets = json.loads(module.params["secrets"])
    group = accounts.web_group(module.params["web_group"])
    check_mode = module.check_mode
    releases, made, diff, faults = {}, [], [], []
    for site in module.params["sites"]:
        name = site["name"]
        shell = Shell(name, {})

        def forget(_shell: Shell, site: dict = site) -> list[str]:
            layout, user = Layout.of(site), site["user"]
            return accounts.forget(layout, user, site["managed_user"], site["purge"], _shell, check_mode)

        try:
            with files.locked(name):
                if site["state"] == "absent":
                    made += [f"{name}: removed {one}" for one in withdraw(site, check_mode, forget)]
                    continue
                changes = accounts.ensure(Layout.of(site), site["user"], site["managed_user"], group, shell, check_mode)
                made += [f"{name}: {one}" for one in changes]
                build = module.params["builds"].get(name)
                if check_mode and (changes or (build or {}).get("predicted")):
                    releases[name] = {"id": "", "previous": "", "migrations": []}
                    made.append(f"{name}: a release")
                    continue
                site["group"] = accounts.group_of(site["user"])
                release = Release.wanted(site, secrets["sites"][name], build or as_found(site))
                release.who, release.check_mode = module.params["who"], check_mode
                change = release.deploy()
        except StepError as error:
            faults.append(str(error))
            continue
        made += [f"{name}: {one}" for one in change.what]
        releases[name] = {"id": change.release, "previous": change.previous, "migrations": change.migrations}
        if change.before != change.after:
            header = f"{site['paths']['current']}/uwsgi.ini"
            diff.append(
                {"before_header": header, "after_header": header, "before": change.before, "after": change.after}
            )
        if change.migrations:
            planned = "".join(f"{one}\n" for one in change.migrations)
            diff.append(
                {"before_header": f"{name}: migrations", "before": "", "after_header": "applied", "after": planned}
            )
    result = {"changed": bool(made), "releases": releases, "made": made, "diff": diff}
    if faults:
        module.fail_json(msg="\n".join(faults), changed=bool(made), diff=diff)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
