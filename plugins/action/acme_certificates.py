# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of `acme_certificates`: separate secrets, and send only what the certificates need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.module_utils.model import prefixes
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets
from ansible_collections.pyweb.stack.plugins.plugin_utils import waiting
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

# What the module reads of a site, and of its secrets.
KEYS = ("name", "state", "purge", "domains", "canonical", "paths", "tls")
SECRETS = ("dns_environment", "dns_credentials")


class ActionModule(ActionBase):
    """Passes the sites to the module, and their secrets as one parameter that is never shown."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = plain(self._task.args).get("sites")
        if not isinstance(given, list) or not all(isinstance(site, dict) and "paths" in site for site in given):
            raise AnsibleActionFail("sites is not a list of completed sites; expected web_sites | pyweb.stack.sites")
        # Certificates of failed sites are not changed in this run.
        sites, secrets = split_secrets([site for site in prefixes.certified(given) if not site.get("kept")])
        arguments = {
            "sites": [_sent(site) for site in sites],
            "secrets": json.dumps({"sites": {name: _of_dns(found) for name, found in secrets.items()}}),
        }
        doing = f"requesting certificates for {waiting.names(arguments['sites'])}"
        usual = "a CA takes up to a minute for each, with challenge: dns several minutes"
        result.update(execute(self, "pyweb.stack.acme_certificates", arguments, task_vars, doing, usual))
        return result


def _sent(site: Mapping[str, Any]) -> dict[str, Any]:
    nginx = {key: site["nginx"][key] for key in ("listen_tls", "proxy_protocol")}
    tls = site["tls"] if site["tls"]["kind"] == "acme" else {"kind": site["tls"]["kind"]}
    return {**{key: site[key] for key in KEYS if key in site}, "nginx": nginx, "tls": tls}


def _of_dns(secrets: Mapping[str, Any]) -> dict[str, Any]:
    return {"env": {}, **{key: secrets[key] for key in SECRETS if secrets.get(key)}}
