# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of `uwsgi_rollback`: keep the secrets here, and add the user who rolls back."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets, url
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain
from ansible_collections.pyweb.stack.plugins.plugin_utils.who import who


class ActionModule(ActionBase):
    """Passes the sites to the module without their secrets: a release contains all that it needs."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        if not isinstance(arguments.get("sites"), list):
            raise AnsibleActionFail("sites is missing or no list; expected web_sites | pyweb.stack.sites")
        sites, _secrets = split_secrets(arguments["sites"])
        arguments = {**arguments, "sites": sites, "who": who()}
        doing = f"rolling {arguments.get('site') or 'the site'} back"
        result.update(execute(self, "pyweb.stack.uwsgi_rollback", arguments, task_vars, doing, "takes some seconds"))
        # For the report, one of them was chosen.
        after = result.get("sites_after", {})
        names = {*result.get("releases", {}), *after.get("releases", {}), *after.get("live", {})}
        result["sites"] = [
            {"name": site["name"], "state": site["state"], "url": url(site)} for site in sites if site["name"] in names
        ]
        return result
