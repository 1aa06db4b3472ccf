# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `site_doctor`: it sends the host only what the doctor needs, and the controller's clock."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pyweb.stack.plugins.plugin_utils import outside, waiting
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

USUAL = "takes some seconds for each site, with doctor_deep up to half a minute"


class ActionModule(ActionBase):
    """Picks the few keys of each site that the doctor needs; no secret is among them."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        sites = arguments.get("sites")
        if not isinstance(sites, list) or not all(isinstance(site, dict) for site in sites):
            raise AnsibleActionFail("sites is missing or is not a list of mappings; expected web_sites")
        present = [site for site in sites if site.get("state", "present") == "present"]
        visits = self._visits(present, arguments.get("names") or [], task_vars or {})
        arguments["sites"] = [
            {**wanted(site), **({"outside": found} if (found := visits.get(str(site.get("name")))) else {})}
            for site in present
        ]
        arguments.setdefault("controller_time", time.time())
        doing = f"examining {waiting.names(arguments.get('names') or arguments['sites'])}"
        result.update(execute(self, "pyweb.stack.site_doctor", arguments, task_vars, doing, USUAL))
        return result

    def _visits(
        self, sites: list[dict[str, Any]], names: Any, variables: dict[str, Any]
    ) -> dict[str, list[dict[str, Any]]]:
        """Return what the controller gets at the host's address, by the name of the site; {} where it knows none."""
        names_of = [variables.get("ansible_host"), variables.get("inventory_hostname"), self._play_context.remote_addr]
        connection = str(variables.get("ansible_connection") or getattr(self._connection, "transport", "") or "")
        arguments = [variables.get(f"ansible_ssh_{kind}_args") for kind in ("common", "extra")]
        arguments.append(variables.get("ansible_ssh_args"))
        chosen = [site for site in sites if not names or site.get("name") in names]
        try:
            way = outside.way_to(
                connection, [str(one) for one in names_of if one], " ".join(str(one) for one in arguments if one)
            )
            return outside.ask(chosen, way)
        except Exception as error:  # the host is examined without it
            Display().vv(f"the controller sent no requests: {type(error).__name__}")
            return {}


def wanted(site: dict[str, Any]) -> dict[str, Any]:
    """Return what the module needs of a site, completed by the model or not. Only a completed one has `paths`."""
    nginx = site.get("nginx") or {}
    nginx = nginx if isinstance(nginx, dict) else {}
    found = {
        "name": site.get("name"),
        "domains": site.get("domains"),
        "prefix": site.get("prefix"),
        "health": site.get("health"),
        "paths": site.get("paths"),
        # The model has None for false.
        "media": None if nginx.get("media", True) else False,
        "tls": _kind(site.get("tls")),
        "certificate_path": _source(site.get("tls")),
        "canonical": site.get("canonical") or None,
        "trusted_proxies": nginx.get("trusted_proxies") or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _kind(tls: Any) -> str | None:
    """Return where the certificate of a site comes from, and no more: `tls` may have secrets in it."""
    if not isinstance(tls, dict):
        return str(tls) if tls else None
    if "acme" in tls and "kind" not in tls:
        return "acme"
    own = "path" if str(tls.get("certificate")).startswith("/") else "certificate"
    return str(tls.get("kind") or own)


def _source(tls: Any) -> str | None:
    """Return the file on the host with a certificate that another program renews."""
    if not isinstance(tls, dict) or _kind(tls) != "path":
        return None
    return tls.get("certificate_path") or tls.get("certificate")
