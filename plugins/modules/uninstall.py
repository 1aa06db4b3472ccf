#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: uninstall
short_description: Remove everything of the collection from a host
version_added: 0.2.0
description:
  - Removes all sites of the host, including those that are no longer in the inventory, with their units, releases and
    builds, nginx's files, the ports that were opened in the firewall, the SELinux module and the records of the
    collection.
  - Restores what was there before the first run, as that run recorded it - the files of nginx and firewalld, and
    whether both were running and enabled. A host that was set up by version 0.1 has no such record; RV(unknown) says
    what that means.
  - Removes only files with the mark of the collection, and the contents of the directories of its sites. It does not
    follow links, and refuses to remove a directory with a mount in it.
  - Begins with nginx. If nginx refuses its previous configuration, nothing else is changed. If another step fails, the
    remaining steps are still done. The records are removed last, so that the module can run again.
author: [pyweb.stack contributors (@pyweb)]
options:
  purge:
    description: Also remove the data of the sites, their accounts, their secret keys and their logs.
    type: bool
    default: false
  packages:
    description:
      - Also remove the packages that the collection installed, unless they were there before or another package needs
        them.
    type: bool
    default: false
  roots:
    description: C(web_roots) of the inventory. Needed only if version 0.1 set up sites of which no release is left.
    type: dict
    default: {}
  original:
    description:
      - A shell script that adds the nginx.conf of its package to the copies of replaced files, for hosts on which
        version 0.1 kept no copy. Without it the collection's nginx.conf stays on such a host, and RV(unknown) reports
        it.
    type: str
    default: ''
attributes:
  check_mode:
    support: full
    description: Reports what would be removed and restored.
  diff_mode:
    support: none
    description: RV(removed) and RV(restored) show the changes.
  platform:
    platforms: linux
    support: full
    description: Linux with systemd.
notes:
  - Needs root.
seealso:
  - module: pyweb.stack.host_facts
"""

EXAMPLES = r"""
- name: Remove the collection from the host, and keep the data of its sites
  pyweb.stack.uninstall:

- name: Also remove the data and the packages
  pyweb.stack.uninstall:
    purge: true
    packages: true
"""

RETURN = r"""
removed:
  description: What was removed, or would be removed in check mode.
  returned: always
  type: list
  elements: str
  sample: [/etc/systemd/system/uwsgi-shop.service, /opt/sites/shop]
restored:
  description: What was restored, or would be restored in check mode.
  returned: always
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf, "firewalld.service: stopped and disabled, as it was"]
kept:
  description: What was kept, and why.
  returned: always
  type: list
  elements: str
unknown:
  description: What cannot be restored, because it was not recorded before the first run.
  returned: always
  type: list
  elements: str
told:
  description: All of the above, one line each.
  returned: always
  type: list
  elements: str
"""

import os
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import packages
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import ROOTS
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall.run import Uninstall

ARGUMENTS: dict[str, dict[str, Any]] = {
    "purge": {"type": "bool", "default": False},
    "packages": {"type": "bool", "default": False},
    "roots": {"type": "dict", "default": {}},
    "original": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    wrong = wrong_roots(given["roots"])
    if wrong:
        module.fail_json(msg=wrong)
    if os.geteuid() != 0:
        module.fail_json(msg="only root can take the collection off a host; run with become: true (-b)")

    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        try:
            status, out, err = module.run_command(list(argv), handle_exceptions=False)
        except OSError as error:
            return 127, "", f"{argv[0]}: {error.strerror}"
        return status, out, err

    uninstall = Uninstall(
        run=run,
        installed=lambda: packages.installed(module) + packages.module_streams(),
        roots=given["roots"],
        original=given["original"],
        purge=given["purge"],
        packages=given["packages"],
        check_mode=module.check_mode,
    )
    report = uninstall.do()
    if report.faults:
        again = "fix this, then run pyweb.stack.uninstall again; it continues from here"
        module.fail_json(msg="\n".join([*report.faults, again]), **report.answer(module.check_mode))
    module.exit_json(**report.answer(module.check_mode))


def wrong_roots(roots: dict[str, Any]) -> str:
    """Return what is wrong with `roots`, or ''."""
    for name, path in roots.items():
        if name not in ROOTS:
            return f"roots has {name!r}; expected {', '.join(ROOTS)}"
        if not isinstance(path, str) or not os.path.isabs(path) or ".." in path.split("/"):
            return f"roots: {name} is {path!r}; expected an absolute path without '..'"
    return ""


if __name__ == "__main__":
    main()
