# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `nginx_set`: render the templates; only what the question for a site needs leaves here."""

from __future__ import annotations

import json
from typing import Any, cast

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.module_utils.model import prefixes, schemes
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.model.types import Site
from ansible_collections.pyweb.stack.plugins.plugin_utils import waiting
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.file_entries import rendered
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

# What of `tls` says where the certificate comes from.
TEXTS = ("certificate", "certificate_path", "key_path")


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
        }
        sites, keys = certified(plain(given.get("certificates", [])))
        if keys:
            arguments["secrets"] = json.dumps({"sites": keys})
        arguments["certificates"] = sites
        doing = f"configuring nginx, and requesting {waiting.names(arguments['sites'])} through it"
        result.update(execute(self, "pyweb.stack.nginx_set", arguments, variables, doing, "takes some seconds"))
        return result


def certified(given: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what the module needs of the sites for their certificates, and the secrets. Raises AnsibleActionFail.

    The secrets are private keys, and who may log in to a server. What a failed site has is as it was.
    """
    if not given:
        return [], {}
    completed = [cast(Site, site) for site in prefixes.certified(_completed("certificates", given))]
    completed = [site for site in completed if not site.get("kept")]
    sites, secrets = split_secrets(completed)
    servers = {group[0]["name"] for group in prefixes.sharing([site for site in given if site["state"] == "present"])}
    keys = {}
    for name, one in secrets.items():
        hidden = {"tls_key": one.get("tls_key"), "basic_auth": one.get("basic_auth") if name in servers else {}}
        if any(hidden.values()):
            keys[name] = {"env": {}, **{key: value for key, value in hidden.items() if value}}
    found: list[dict[str, Any]] = [
        {
            **{key: site[key] for key in ("name", "domains", "paths", "state", "purge")},
            "tls": {"kind": schemes.kind(site), **{key: site["tls"][key] for key in TEXTS if key in site["tls"]}},
            "nginx": {key: site["nginx"][key] for key in ("listen_tls", "proxy_protocol")},
        }
        for site in cast(list[dict[str, Any]], sites)
    ]
    return found, keys


def asked_for(sites: Any) -> list[dict[str, Any]]:
    """Return what the module needs of the sites that are to be there. Raises AnsibleActionFail."""
    return [
        {
            **{key: site[key] for key in ("name", "domains", "health", "paths")},
            **_of_https(site),
            "nginx": {key: site["nginx"][key] for key in ("listen", "static", *_listeners(site))},
        }
        for site in _completed("sites", sites)
        # What a failed site has is as it was, and no question of this run.
        if site["state"] == "present" and not site.get("kept")
    ]


def _of_https(site: dict[str, Any]) -> dict[str, Any]:
    return {"tls": {"kind": schemes.kind(site)}, "canonical": site["canonical"]} if schemes.has_tls(site) else {}


def _listeners(site: dict[str, Any]) -> tuple[str, ...]:
    return ("listen_tls", "redirect", "proxy_protocol") if schemes.has_tls(site) else ()


def _completed(option: str, sites: Any) -> list[dict[str, Any]]:
    if not isinstance(sites, list) or not all(isinstance(site, dict) and "paths" in site for site in sites):
        raise AnsibleActionFail(f"{option} is not a list of completed sites; expected web_sites | pyweb.stack.sites")
    return sites
