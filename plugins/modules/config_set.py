#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: config_set
short_description: Install a set of files as one transaction
version_added: 0.1.0
description:
  - Renders any number of files on the controller and installs them on the host in one call, all of them or none.
  - A check, such as C(nginx -t), sees the new files where they will be before anything is touched. It runs in a mount
    namespace of its own, so that nothing outside ever sees them. Where no namespace can be made (a container without
    C(CAP_SYS_ADMIN)), the files are swapped in first and put back when the check fails.
  - When something changed, O(apply) brings the files into effect. When that fails, the files that were there before are
    put back and applied.
  - A run that is killed between the swap and the end leaves a marker, and the next run applies again even if no file
    differs.
  - Two runs of one O(name) wait for each other.
author: [pyweb.stack contributors]
options:
  name:
    description: A name for the set. It names the lock and the marker under C(/run/pyweb.stack).
    type: str
    required: true
  files:
    description:
      - The files, links and paths to be absent. Directories above them are made with mode C(0755) when missing.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The absolute path on the host.
        type: path
        required: true
      content:
        description: The content. A mapping or list is written as JSON.
        type: raw
      template:
        description: A template, searched for like the O(ignore:src) of M(ansible.builtin.template).
        type: str
      vars:
        description: Variables for O(files[].template), beside those of the host.
        type: dict
        default: {}
      link:
        description: Make a symbolic link to this target.
        type: str
      edits:
        description:
          - Replace these texts of a file, and leave the rest of it, its owner and its mode as they are. A text that is
            not there any more is an error, unless what it becomes is there.
        type: list
        elements: dict
        version_added: 0.2.0
        suboptions:
          line:
            description: The line in which the text begins, the first one being 1.
            type: int
            required: true
          column:
            description: The character of that line at which it begins, the first one being 0.
            type: int
            required: true
          old:
            description: The text.
            type: str
            required: true
          new:
            description: What it becomes.
            type: str
            required: true
      state:
        description:
          - V(absent) removes the file or link.
          - V(kept) puts back what O(files[].keep) kept. A file that somebody else changed since stays, unless
            O(files[].marked) is in it.
        type: str
        choices: [present, absent, kept]
        default: present
      marked:
        description:
          - A text that says whose a file is (in the target, for a link).
          - With O(files[].state=absent), remove the file only if this text is in it, so that a file of the same name
            that somebody else wrote stays.
          - With O(files[].keep), a file with this text in it is not kept.
        type: str
        default: ''
      keep:
        description:
          - Before the first change, keep what is there below C(/var/lib/pyweb.stack/kept). A copy that is there stays.
        type: bool
        default: false
        version_added: 0.2.0
      prune:
        description: With O(files[].state=absent), remove the directory too when nothing else is in it.
        type: bool
        default: false
        version_added: 0.2.0
      note:
        description: What the change of this file means, in a sentence for people. See RV(notes).
        type: str
        default: ''
        version_added: 0.2.0
      owner:
        description: The owner, by name or number.
        type: str
        default: root
      group:
        description: The group, by name or number.
        type: str
        default: root
      mode:
        description: The mode, in quotes.
        type: str
        default: '0644'
      secret:
        description: Show the content nowhere, neither in a diff nor in the output.
        type: bool
        default: false
  check:
    description: A command, as a list of arguments, that accepts or refuses the new files by its exit status.
    type: list
    elements: str
    default: []
  private:
    description:
      - Directories in which O(check) writes, such as those of pid files and logs. It sees their files empty, and what
        it writes there never reaches the host.
    type: list
    elements: path
    default: []
  apply:
    description:
      - Commands, each a list of arguments, to run in turn after the swap.
      - Of a script, C([sh, -c, SCRIPT, NAME]), messages show the name.
    type: list
    elements: list
    default: []
  revert:
    description:
      - Commands to run in place of O(apply) for the files that are put back when O(apply) fails. Without any, O(apply)
        runs once more.
    type: list
    elements: list
    default: []
    version_added: 0.2.0
  wait:
    description: How long to wait for another run of the same O(name), in seconds.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: O(check) runs there too, unless its program is not installed yet (see RV(checked)).
  diff_mode:
    support: full
  platform:
    platforms: linux
    support: full
notes:
  - Needs root. In check mode an ordinary user gets a comparison without the check.
seealso:
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: Configure nginx
  pyweb.stack.config_set:
    name: nginx
    files:
      - path: /etc/nginx/nginx.conf
        template: etc/nginx/nginx.conf.j2
      - path: /etc/nginx/conf.d/shop.conf
        template: etc/nginx/conf.d/site.conf.j2
        vars:
          site: "{{ shop }}"
      - path: /etc/nginx/sites-enabled/default
        state: absent
    check: [nginx, -t]
    private: [/run, /var/log/nginx]
    apply:
      - [systemctl, reload-or-restart, nginx]

- name: Keep a password where only the service reads it
  pyweb.stack.config_set:
    name: shop-env
    files:
      - path: /etc/shop/env
        content: "PASSWORD={{ shop_password }}\n"
        group: shop
        mode: '0640'
        secret: true
"""

RETURN = r"""
files:
  description: What became, or in check mode would become, of each path.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The path.
      type: str
    state:
      description: V(created), V(changed), V(removed) or V(unchanged).
      type: str
  sample: [{path: /etc/nginx/nginx.conf, state: changed}]
notes:
  description: The O(files[].note) of every file that changed, and which files could not be put back.
  returned: success
  type: list
  elements: str
checked:
  description: Whether O(check) saw and accepted the files.
  returned: success
  type: bool
unchecked_because:
  description: Why not.
  returned: when RV(checked) is false
  type: str
  sample: nginx is not installed yet
applied:
  description: Whether O(apply) ran.
  returned: success
  type: bool
output:
  description: All that the refusing or failing program wrote.
  returned: when O(check) or O(apply) fails
  type: str
"""

import json
import os
import re
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_change import Edit, FileSetError, Wanted
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_set import Outcome, Request, install

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "raw"},
    "template": {"type": "str"},
    "vars": {"type": "dict", "default": {}},
    "link": {"type": "str"},
    "edits": {
        "type": "list",
        "elements": "dict",
        "options": {
            "line": {"type": "int", "required": True},
            "column": {"type": "int", "required": True},
            "old": {"type": "str", "required": True},
            "new": {"type": "str", "required": True},
        },
    },
    "state": {"type": "str", "choices": ["present", "absent", "kept"], "default": "present"},
    "marked": {"type": "str", "default": ""},
    "keep": {"type": "bool", "default": False},
    "prune": {"type": "bool", "default": False},
    "note": {"type": "str", "default": ""},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "secret": {"type": "bool", "default": False},
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": FILE,
        "mutually_exclusive": [("content", "template", "link", "edits")],
    },
    "check": {"type": "list", "elements": "str", "default": []},
    "private": {"type": "list", "elements": "path", "default": []},
    "apply": {"type": "list", "elements": "list", "default": []},
    "revert": {"type": "list", "elements": "list", "default": []},
    "wait": {"type": "int", "default": 60},
}


class Module(AnsibleModule):
    """A module that writes no arguments into the host's journal: they are whole files, and some of them secret."""

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        super().log("Invoked (the arguments are not logged)")


def main() -> None:
    module = Module(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    # What Ansible shows of the arguments: the paths, not what is in the files.
    shown = {"invocation": {"module_args": {**given, "files": [file["path"] for file in given["files"]]}}}

    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        status, out, err = module.run_command(list(argv), handle_exceptions=False)
        return status, out, err

    try:
        outcome = install(request(given), run, module.check_mode)
    except FileSetError as error:
        module.fail_json(msg=f"config_set '{given['name']}': {error}", output=error.output, changed=False, **shown)
        raise
    module.exit_json(**result(outcome, module._diff), **shown)


def result(outcome: Outcome, with_diff: bool) -> dict[str, Any]:
    """Return what the module returns of an installation."""
    found: dict[str, Any] = {
        "changed": outcome.changed,
        "files": [{"path": change.wanted.path, "state": change.state} for change in outcome.changes],
        "notes": outcome.notes,
        "checked": outcome.checked,
        "applied": outcome.applied,
    }
    if not outcome.checked:
        found["unchecked_because"] = outcome.unchecked_because
    if with_diff:
        found["diff"] = outcome.diff()
    return found


def request(given: dict[str, Any]) -> Request:
    """Return the arguments as `install` takes them. Raises `FileSetError` where they make no sense."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", given["name"]):
        raise FileSetError("name goes into file names; wanted letters, digits and ._-")
    files = [wanted(file) for file in given["files"]]
    paths = [file.path for file in files]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise FileSetError(f"files has {', '.join(twice)} more than once; give each path one entry")
    apply, revert = (commands(name, given[name]) for name in ("apply", "revert"))
    return Request(given["name"], files, given["check"], given["private"], apply, given["wait"], revert)


def commands(name: str, given: list[list[Any]]) -> list[list[str]]:
    """Return the commands of an option as lists of words. Raises `FileSetError` for one without any."""
    if not all(given):
        raise FileSetError(f"{name} has an empty command; wanted lists of arguments such as [systemctl, reload, nginx]")
    return [[str(word) for word in argv] for argv in given]


def wanted(given: dict[str, Any]) -> Wanted:
    """Return one entry of `files` as `install` takes it. Raises `FileSetError` where it makes no sense."""
    path = given["path"]
    if not os.path.isabs(path) or os.path.normpath(path) != path:
        raise FileSetError(f"{path}: wanted an absolute path without '..', '//' or a / at the end")
    if given["template"] is not None:
        raise FileSetError(f"{path}: a template is rendered by the action plugin of the same name, which did not run")
    common = {key: given[key] for key in ("marked", "secret", "keep", "prune", "note")}
    kinds = {key for key in ("content", "link", "edits") if given[key] is not None}
    if given["state"] != "present":
        if kinds:
            raise FileSetError(f"{path}: state is {given['state']}; wanted no {kinds.pop()} beside it")
        return Wanted(path, given["state"], **common)
    if not kinds:
        raise FileSetError(f"{path}: wanted one of content, template, link, edits, or state: absent or kept")
    if given["link"] is not None:
        return Wanted(path, "link", target=given["link"], **common)
    if given["edits"] is not None:
        return Wanted(path, "edited", edits=tuple(Edit(**edit) for edit in given["edits"]), **common)
    if not re.fullmatch(r"0?[0-7]{3,4}", given["mode"]):
        raise FileSetError(f"{path}: mode is {given['mode']!r}; wanted octal digits in quotes, such as '0644'")
    content = given["content"]
    if isinstance(content, (dict, list)):
        content = json.dumps(content, indent=2, sort_keys=True) + "\n"
    return Wanted(
        path,
        content=str(content).encode("utf-8", "surrogateescape"),
        mode=int(given["mode"], 8),
        owner=given["owner"],
        group=given["group"],
        **common,
    )


if __name__ == "__main__":
    main()
