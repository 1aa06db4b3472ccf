# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call a module on a host, hide its secrets, say what takes long, and explain why privilege escalation fails."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.pyweb.stack.plugins.plugin_utils import waiting
from ansible_collections.pyweb.stack.plugins.plugin_utils.hidden import hide

# Messages of Ansible's connections and of sudo, su and doas, and their meaning.
_FAULTS = (
    (
        r"Missing \w+ password|password is required|no password was provided|doas: Authentication required",
        "becoming root needs a password: run ansible-playbook with -K (--ask-become-pass), or set "
        "ansible_become_password",
    ),
    (
        r"Incorrect \w+ password|incorrect password attempt|Sorry, try again|su: Authentication failure",
        "the password for becoming root is wrong: run ansible-playbook with -K (--ask-become-pass) and type that of "
        "the user who connects, or correct ansible_become_password",
    ),
    (
        r"not in the sudoers file|not allowed to (?:execute|run)|may not run sudo",
        "the user who connects may not become root: let sudo allow it (sudoers), or connect as another user "
        "(ansible_user)",
    ),
    (
        r"(?:sudo|doas)(?::|['\"]?:)? (?:command )?not found|exec: \"(?:sudo|doas)\"",
        "the program for becoming root is not installed: install sudo, set ansible_become_method, or connect as root",
    ),
)


def fault(said: str) -> str:
    """Return why privilege escalation failed, from the output of Ansible or sudo; '' if that was not the fault."""
    return next((meaning for pattern, meaning in _FAULTS if re.search(pattern, said)), "")


def execute(
    action: Any,
    name: str,
    arguments: dict[str, Any],
    variables: dict[str, Any] | None,
    doing: str = "",
    usual: str = "",
) -> dict[str, Any]:
    """Run a module as an action does; if privilege escalation fails, the result contains the fix.

    The result shows no secret of the arguments. If it takes long, a line on the terminal says what it is
    doing and how long that usually takes.
    """
    try:
        with waiting.told(doing, usual, variables), _collector_paused():
            answer = dict(action._execute_module(module_name=name, module_args=arguments, task_vars=variables))
        result = hide(answer, arguments)
    except AnsibleConnectionFailure:
        raise
    except AnsibleError as error:
        meaning = fault(str(error))
        if not meaning:
            raise
        return _failure(meaning)
    if not result.get("failed"):
        return result
    # If the module answered, its own message is used; this is output in place of an answer.
    meaning = fault(f"{result.get('module_stderr', '')}\n{result.get('module_stdout', '')}")
    return _failure(meaning) if meaning else result


def _failure(meaning: str) -> dict[str, Any]:
    return {"failed": True, "changed": False, "msg": meaning}


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause Python's garbage collector while Ansible packs a module.

    Ansible parses all that the module imports. This makes some hundred thousand objects which are all still needed, and
    to look through them for garbage takes a third of the time. The process runs one task, and ends after it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
