# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `site_check`: only what the question needs leaves the controller."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """Picks from every site that is to be there the few keys that say how it is asked for."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        sites = arguments.get("sites")
        if not isinstance(sites, list) or not all(isinstance(site, dict) and "paths" in site for site in sites):
            raise AnsibleActionFail("sites is missing or not complete; wanted web_sites | pyweb.stack.sites")
        arguments["sites"] = [asked_for(site) for site in sites if site["state"] == "present"]
        result.update(execute(self, "pyweb.stack.site_check", arguments, task_vars))
        return result


def asked_for(site: dict[str, Any]) -> dict[str, Any]:
    """Return what the module needs of a completed site."""
    nginx = {key: site["nginx"][key] for key in ("listen", "static")}
    return {**{key: site[key] for key in ("name", "domains", "health", "paths")}, "nginx": nginx}
