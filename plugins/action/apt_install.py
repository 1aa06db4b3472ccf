# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `apt_install`: say what is being installed."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.plugin_utils import waiting
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """Hands its arguments to the module."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        names = [*plain(self._task.args.get("name") or []), *plain(self._task.args.get("soon") or [])]
        doing = f"installing {waiting.names(names)}" if names else "waiting for packages that are being installed"
        usual = "takes up to a minute, depending on the network"
        result.update(execute(self, "pyweb.stack.apt_install", self._task.args, task_vars, doing, usual))
        return result
