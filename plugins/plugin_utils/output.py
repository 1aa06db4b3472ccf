# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an action shows on the terminal and writes to the controller."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display
from ansible_collections.pyweb.stack.plugins.module_utils.host.visible import INDENT, visible


def show(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each with its colour: a result would be shown as JSON or YAML. What nobody sees is made visible.

    Where the output of Ansible is a JSON document, nothing is put before it; the result has the lines.
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
        # Whoever reads it meanwhile finds the earlier one whole.
        with open(f"{path}.partial", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(f"{path}.partial", path)
    except OSError as error:
        raise AnsibleActionFail(f"{path}: {error.strerror}") from error
    return path
