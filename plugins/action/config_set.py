# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of `config_set`: render the templates, then pass all files to one module call."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.plugin_utils.file_entries import rendered


class ActionModule(ActionBase):
    """Passes texts to the module in place of templates."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        arguments = {**self._task.args, "files": rendered(self, self._task.args.get("files"), variables)}
        result.update(self._execute_module("pyweb.stack.config_set", module_args=arguments, task_vars=variables))
        return result
