# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write an action's output to the terminal and to files on the controller."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display
from ansible_collections.pyweb.stack.plugins.module_utils.host.visible import INDENT, visible


def show(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines in their colours; a result would be shown as JSON or YAML. Invisible characters are escaped.

    If the output of Ansible is a JSON document, nothing is printed; the result contains the lines.
    """
    if str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK")).endswith(("json", "jsonl")):
        return
    for text, colour in lines:
        Display().display(visible(text).replace("\n", f"\n{INDENT}"), color=colour)


def write(path: str, text: str) -> str:
    """Write a file on the controller and the directories above it, and return its absolute path.

    Raises AnsibleActionFail.
    """
    path = os.path.abspath(os.path.expanduser(path))
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # A concurrent reader finds the previous file complete.
        with open(f"{path}.partial", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(f"{path}.partial", path)
    except OSError as error:
        raise AnsibleActionFail(f"{path}: {error.strerror}") from error
    return path
