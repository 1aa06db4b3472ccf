# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shared part of the modules that install a set of files: arguments, their meaning, and the result."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .file_change import Edit, FileSetError, Wanted
from .file_set import CheckRefused, Outcome, Request, install, telling, which

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
    "of": {"type": "str", "default": ""},
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


class FileSetModule(AnsibleModule):
    """A module whose arguments are whole files, some of them secret: none is logged in the host's journal."""

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        super().log("Invoked (the arguments are not logged)")

    def run(self, argv: Sequence[str]) -> tuple[int, str, str]:
        """Execute a command; return (status, output, errors). Raises OSError if the program does not exist."""
        status, out, err = self.run_command(list(argv), handle_exceptions=False)
        return status, out, err

    def apply_again(self) -> str:
        """Execute the commands of `apply` although no file has changed; return why that fails, '' if it does not."""
        for argv in commands("apply", self.params["apply"]):
            status, out, err = self.run([which(argv[0]) or argv[0], *argv[1:]])
            if status:
                return telling(err or out) or f"exit status {status}"
        return ""

    def shown(self) -> dict[str, Any]:
        """Return the arguments that Ansible shows: the paths, not the contents of the files."""
        files = [file["path"] for file in self.params["files"]]
        return {"invocation": {"module_args": {**self.params, "files": files}}}

    def install(self, faulty: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Install the files and return the module's result, or end the module with the error.

        If the check refuses a file of a part (`of`), all files of that part stay as they are, and the others are
        installed. `refused` maps the part to the reason; the caller fails with it at the end. `faulty` maps parts that
        are known to be wrong to the reason.
        """
        refused: dict[str, str] = dict(faulty or {})
        while True:
            files = [file for file in self.params["files"] if not file["of"] or file["of"] not in refused]
            try:
                outcome = install(request({**self.params, "files": files}), self.run, self.check_mode)
            except FileSetError as error:
                if part := refused_part(error, files):
                    refused[part] = str(error).rpartition("; ")[0]
                    continue
                message = f"config_set '{self.params['name']}': {error}"
                self.fail_json(msg=message, output=error.output, changed=False, **self.shown())
                raise
            return {**result(outcome, self._diff), **({"refused": refused} if refused else {})}


def refused_part(error: FileSetError, files: Sequence[Mapping[str, Any]]) -> str:
    """Return the only part whose file the check's message names with its line; '' if there is none."""
    if not isinstance(error, CheckRefused):
        return ""
    named = re.findall(r"(?<= in )(/\S+?):\d+", str(error))
    parts = {file["path"]: str(file["of"]) for file in files if file["of"]}
    # For what a file names, nginx reports only the path: a certificate, behind a link of the part.
    quoted = re.findall(r"\"(/[^\"]+)\"", str(error))
    links = {f"{file['path']}/": str(file["of"]) for file in files if file["of"] and file["link"] is not None}
    found = [parts[path] for path in named if path in parts]
    return next(iter([*found, *(of for path in quoted for link, of in links.items() if path.startswith(link))]), "")


def result(outcome: Outcome, with_diff: bool) -> dict[str, Any]:
    """Return the module's result of an installation."""
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
    """Convert the arguments for `install`. Raises `FileSetError` for invalid ones."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", given["name"]):
        raise FileSetError("name is used in file names; expected letters, digits and ._-")
    files = [wanted(file) for file in given["files"]]
    paths = [file.path for file in files]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise FileSetError(f"files has {', '.join(twice)} more than once; give each path one entry")
    apply, revert = (commands(name, given[name]) for name in ("apply", "revert"))
    return Request(given["name"], files, given["check"], given["private"], apply, given["wait"], revert)


def commands(name: str, given: list[list[Any]]) -> list[list[str]]:
    """Return the commands of an option as lists of words. Raises `FileSetError` for an empty command."""
    if not all(given):
        raise FileSetError(
            f"{name} has an empty command; expected lists of arguments such as [systemctl, reload, nginx]"
        )
    return [[str(word) for word in argv] for argv in given]


def wanted(given: dict[str, Any]) -> Wanted:
    """Convert one entry of `files` for `install`. Raises `FileSetError` for an invalid one."""
    path = given["path"]
    if not os.path.isabs(path) or os.path.normpath(path) != path:
        raise FileSetError(f"{path}: expected an absolute path without '..', '//' or a / at the end")
    if given["template"] is not None:
        raise FileSetError(f"{path}: a template is rendered by the action plugin of the same name, which did not run")
    common = {key: given[key] for key in ("marked", "secret", "keep", "prune", "note")}
    kinds = {key for key in ("content", "link", "edits") if given[key] is not None}
    if given["state"] != "present":
        if kinds:
            raise FileSetError(f"{path}: state is {given['state']}; expected no {kinds.pop()} beside it")
        return Wanted(path, given["state"], **common)
    if not kinds:
        raise FileSetError(f"{path}: expected one of content, template, link, edits, or state: absent or kept")
    if given["link"] is not None:
        return Wanted(path, "link", target=given["link"], **common)
    if given["edits"] is not None:
        return Wanted(path, "edited", edits=tuple(Edit(**edit) for edit in given["edits"]), **common)
    if not re.fullmatch(r"0?[0-7]{3,4}", given["mode"]):
        raise FileSetError(f"{path}: mode is {given['mode']!r}; expected octal digits in quotes, such as '0644'")
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
