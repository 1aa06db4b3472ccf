# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `site_doctor`: what leaves the controller is what the doctor needs, and its clock."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """Picks from every site the few keys that say what to look for; secrets are not among them."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        sites = arguments.get("sites")
        if not isinstance(sites, list) or not all(isinstance(site, dict) for site in sites):
            raise AnsibleActionFail("sites is missing or no list of mappings; wanted web_sites")
        arguments["sites"] = [wanted(site) for site in sites if site.get("state", "present") == "present"]
        arguments.setdefault("controller_time", time.time())
        result.update(execute(self, "pyweb.stack.site_doctor", arguments, task_vars))
        return result


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
        # The model says None where the user said false.
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
    """Return the file on the host with a certificate that others renew."""
    if not isinstance(tls, dict) or _kind(tls) != "path":
        return None
    return tls.get("certificate_path") or tls.get("certificate")
