# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `uwsgi_rollback`: pick the site, and leave its secrets here."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import nearest
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain
from ansible_collections.pyweb.stack.plugins.plugin_utils.who import who


class ActionModule(ActionBase):
    """Hands the module the one site that is rolled back; a release carries all else that it needs."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        sites, _secrets = split_secrets(arguments.pop("sites", []))
        present = {site["name"]: site for site in sites if site["state"] == "present"}
        name = arguments.pop("site", "")
        if not name and len(present) > 1:
            return {**result, "failed": True, "msg": f"which site? rollback_site is one of {', '.join(present)}"}
        name = name or next(iter(present), "")
        if name not in present:
            return {**result, "failed": True, "msg": f"there is no site {name!r}{nearest(name, present)}"}
        arguments = {**arguments, "site": present[name], "who": who()}
        result.update(
            self._execute_module(module_name="pyweb.stack.uwsgi_rollback", module_args=arguments, task_vars=task_vars)
        )
        return result
