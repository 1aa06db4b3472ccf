#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: uninstall
short_description: Take everything of the collection off a host
version_added: 0.2.0
description:
  - Removes all sites of the host, also those that no inventory names any more, with their units, releases and builds,
    nginx's files, the openings of the firewall, the module for SELinux and what was noted.
  - Puts back what was there before the first run, as that run noted it - the files of nginx and firewalld, whether
    both run and start at boot. A host that version 0.1 set up has no such note; RV(unknown) says what that means.
  - Removes only files with the mark of the collection, and what lies in the directories of its sites. It does not go
    through links, and refuses to go through mounts.
  - Begins with nginx, and changes nothing else while that refuses what was there before. Another step that fails does
    not keep the others from being done. What was noted goes last, so that it can be run again.
author: [pyweb.stack contributors]
options:
  purge:
    description: Remove the data of the sites as well, their accounts, their secret keys and their logs.
    type: bool
    default: false
  packages:
    description:
      - Remove the packages as well that the collection installed, unless they were there before or something needs
        them that stays.
    type: bool
    default: false
  roots:
    description:
      - C(web_roots) of the inventory. Needed only where version 0.1 set up sites, and no release of theirs is left.
    type: dict
    default: {}
  original:
    description:
      - A shell script that puts the nginx.conf of its package among the copies of replaced files, where version 0.1
        kept none. Without it the collection's nginx.conf stays there, and RV(unknown) says so.
    type: str
    default: ''
attributes:
  check_mode:
    support: full
    description: Says what would be removed and restored.
  diff_mode:
    support: none
    description: RV(removed) and RV(restored) say it.
  platform:
    platforms: linux
    support: full
notes:
  - Needs root.
seealso:
  - module: pyweb.stack.host_facts
"""

EXAMPLES = r"""
- name: Take the collection off the host, and leave the data of its sites
  pyweb.stack.uninstall:

- name: Take it off with all that it brought
  pyweb.stack.uninstall:
    purge: true
    packages: true
"""

RETURN = r"""
removed:
  description: What was, or in check mode would be, removed.
  returned: always
  type: list
  elements: str
  sample: [/etc/systemd/system/uwsgi-shop.service, /opt/sites/shop]
restored:
  description: What was, or in check mode would be, put back.
  returned: always
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf, "firewalld.service: stopped and disabled, as it was"]
kept:
  description: What stays, and why.
  returned: always
  type: list
  elements: str
unknown:
  description: What cannot be put back, because nothing was noted before the first run.
  returned: always
  type: list
  elements: str
told:
  description: All of it, a line each.
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
        again = "fix this, then run uninstall.yml again; it goes on from here"
        module.fail_json(msg="\n".join([*report.faults, again]), **report.answer(module.check_mode))
    module.exit_json(**report.answer(module.check_mode))


def wrong_roots(roots: dict[str, Any]) -> str:
    """Return what is wrong with `roots`, or ''."""
    for name, path in roots.items():
        if name not in ROOTS:
            return f"roots has {name!r}; wanted {', '.join(ROOTS)}"
        if not isinstance(path, str) or not os.path.isabs(path) or ".." in path.split("/"):
            return f"roots: {name} is {path!r}; wanted an absolute path without '..'"
    return ""


if __name__ == "__main__":
    main()
