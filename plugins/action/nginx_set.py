# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `nginx_set`: render the templates; only what the question for a site needs leaves here."""

from __future__ import annotations

import json
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.module_utils.model.prefixes import sharing
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.file_entries import rendered
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """Hands the module texts in place of templates, and the few keys of every site that say how it is asked for."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        given = self._task.args
        arguments = {
            **given,
            "files": rendered(self, given.get("files"), variables),
            "sites": asked_for(plain(given.get("sites", []))),
            "secrets": secrets_of(plain(given.get("secrets", []))),
        }
        result.update(execute(self, "pyweb.stack.nginx_set", arguments, variables))
        return result


def secrets_of(sites: Any) -> str:
    """Return the secrets that nginx needs, as JSON: those of a site that has a server of its own and has not failed."""
    if not isinstance(sites, list) or not all(isinstance(site, dict) and "paths" in site for site in sites):
        raise AnsibleActionFail("secrets is no list of completed sites; wanted web_sites | pyweb.stack.sites")
    servers = [group[0] for group in sharing([site for site in sites if site["state"] == "present"])]
    found = {
        site["name"]: {"env": {}, "basic_auth": site["nginx"].get("basic_auth", {})}
        for site in servers
        if not site.get("kept")
    }
    return json.dumps({"sites": found})


def asked_for(sites: Any) -> list[dict[str, Any]]:
    """Return what the module needs of the sites that are to be there. Raises AnsibleActionFail."""
    if not isinstance(sites, list) or not all(isinstance(site, dict) and "paths" in site for site in sites):
        raise AnsibleActionFail("sites is no list of completed sites; wanted web_sites | pyweb.stack.sites")
    return [
        {
            **{key: site[key] for key in ("name", "domains", "health", "paths")},
            "nginx": {key: site["nginx"][key] for key in ("listen", "static")},
        }
        for site in sites
        # What a failed site has is as it was, and no question of this run.
        if site["state"] == "present" and not site.get("kept")
    ]
