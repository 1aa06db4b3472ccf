# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `firewall_set`: a plan without a change needs no call."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """Hands the plan to the module if there is something to change."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        plan = plain(self._task.args.get("plan"))
        if isinstance(plan, dict) and plan.get("differs") is False:
            return {**result, "changed": False, "opened": [], "closed": [], "notes": []}
        doing = "changing the firewall"
        result.update(
            execute(self, "pyweb.stack.firewall_set", self._task.args, task_vars, doing, "takes some seconds")
        )
        return result
