# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of `host_facts`, the first module of a run: report why privilege escalation fails."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute


class ActionModule(ActionBase):
    """Passes its arguments to the module."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        offered = self._task.args.get("offered")
        if offered is not None and not offered:
            return {**result, "changed": False}  # there is nothing to look up
        doing = "asking the repositories which packages they offer" if offered else "gathering facts"
        result.update(execute(self, "pyweb.stack.host_facts", self._task.args, task_vars, doing, "takes some seconds"))
        return result
