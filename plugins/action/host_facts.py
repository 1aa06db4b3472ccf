# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `host_facts`, the first module of a run: say why nobody becomes root, and on which hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """Hands its arguments to the module, and refuses a host that is none of the platforms."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        platforms = plain(arguments.pop("platforms", None) or {})
        found = execute(self, "pyweb.stack.host_facts", arguments, task_vars)
        unknown = "" if found.get("failed") else unlike(platforms, found.get("ansible_facts") or {})
        if unknown:
            found = {
                "failed": True,
                "changed": False,
                "msg": f"{(task_vars or {}).get('inventory_hostname')} is {unknown}",
            }
        result.update(found)
        return result


def unlike(platforms: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """Say what a host is that is none of the platforms, and which are known; '' where it is one, or none are given."""
    if not platforms or f"{facts['os_family']}-{facts['distribution_major_version']}" in platforms:
        return ""
    known = ", ".join(platforms.values())
    return f"{facts['distribution']} {facts['distribution_version']}; this collection knows {known}"
