# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of `uwsgi_release`: separate secrets from public values, and send the command `pyweb`."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.action.site_doctor import wanted
from ansible_collections.pyweb.stack.plugins.module_utils.cli.completion import BASH
from ansible_collections.pyweb.stack.plugins.module_utils.model.doctor_timer import doctor_timer
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.model.types import DoctorTimer
from ansible_collections.pyweb.stack.plugins.plugin_utils import collection_version, command_archive, waiting
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.first_host import is_first
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain
from ansible_collections.pyweb.stack.plugins.plugin_utils.who import who

USUAL = "a new release takes some seconds, and as long as the project's own commands take"


class ActionModule(ActionBase):
    """Passes the sites to the module, and their secrets as one parameter that is never shown."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        if not isinstance(arguments.get("sites"), list):
            raise AnsibleActionFail("sites is missing or no list; expected web_sites | pyweb.stack.sites")
        sites, secrets = split_secrets(arguments["sites"])
        arguments = {**arguments, "sites": sites, "secrets": json.dumps({"sites": secrets}), "who": who()}
        first = is_first(task_vars or {}, [site["name"] for site in sites if _asks_for_the_first_host(site)])
        if first:
            arguments["first"] = first
        if arguments.get("doctor_timer") is not None:
            arguments["doctor_timer"] = _timer(arguments["doctor_timer"])
        arguments["doctor"] = {site["name"]: wanted(dict(site)) for site in sites if site["state"] == "present"}
        sources = command_archive.sources()
        arguments["command_sources"] = command_archive.digest(sources)
        arguments["collection_version"] = collection_version.version()
        doing = f"releasing {waiting.names(sites)}: migrations, start, health check"
        answer = execute(self, "pyweb.stack.uwsgi_release", arguments, task_vars, doing, USUAL)
        if answer.get("command_wanted"):
            # It is sent only if the host does not have it: once for each version.
            content = base64.b64encode(command_archive.packed(sources)).decode()
            arguments.update(command_content=content, command_completion=BASH)
            answer = execute(self, "pyweb.stack.uwsgi_release", arguments, task_vars, doing, USUAL)
        result.update(answer)
        return result


def _timer(given: Any) -> DoctorTimer | bool:
    """Return the variable `doctor_timer` in its normal form, so that the host does not need the tables of keys."""
    try:
        return doctor_timer(given) or False
    except InventoryError as error:
        raise AnsibleActionFail(str(error)) from error


def _asks_for_the_first_host(site: Mapping[str, Any]) -> bool:
    """Return whether something of a site is for one of several hosts; otherwise the hosts are not compared."""
    sections = [*site.get("workers", {}).values(), *site.get("timers", {}).values()]
    return any(section["hosts"] == "first" for section in sections) or any(step["once"] for step in site["release"])
