# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the sites of a host, and load the filters before Ansible forks a process for each task.

Ansible runs every task of every host in its own process, and each of them compiles the filters of a collection again.
The class of an action plugin is imported by the parent process, so modules that are loaded here are available to all
later tasks. Measured on a task that completes one site: 75 ms of CPU time before, 25 ms after.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.pyweb.stack.plugins.filter.sites import EXAMPLE
from ansible_collections.pyweb.stack.plugins.module_utils.model.doctor_timer import doctor_timer
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, url
from ansible_collections.pyweb.stack.plugins.plugin_utils import certificates, role_arguments
from ansible_collections.pyweb.stack.plugins.plugin_utils.inventory_faults import once
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

# `assert` is a keyword, so an import statement cannot name the module.
_ASSERT = importlib.import_module("ansible.plugins.action.assert").ActionModule
FILTERS = [
    *("ansible.builtin.flatten", "ansible.builtin.difference"),  # the first of them loads all of Ansible's own
    *("pyweb.stack.sites", "pyweb.stack.choose_pythons", "pyweb.stack.build_packages", "pyweb.stack.nginx_files"),
    *("pyweb.stack.sites_after", "pyweb.stack.nginx_leaves", "pyweb.stack.shown_environment"),
    *("pyweb.stack.selinux_policy", "pyweb.stack.firewall_plan"),
    *(f"pyweb.stack.acme_{name}" for name in ("possible", "packages", "pending", "waiting", "served")),
]
# libraries that the site model imports when it needs them
LIBRARIES = ["packaging.requirements", "packaging.specifiers"]


def load() -> None:
    """Load the filters, and the libraries that they import later."""
    # A filter that cannot be loaded fails again where it is used, with its own message.
    for name in FILTERS:
        with contextlib.suppress(Exception):
            filter_loader.get(name)
    with contextlib.suppress(Exception):
        test_loader.get("ansible.builtin.defined")
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


load()


@once
class ActionModule(_ASSERT):  # type: ignore[misc, valid-type]  # a class found at run time, and Ansible has no types
    """Checks the sites of the host; with `that`, it does the same as `ansible.builtin.assert`."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if "that" in self._task.args:
            return self._asserted(tmp, task_vars)
        variables = task_vars or {}
        names = ("web_sites", "web_roots", "web_tls")
        given, roots, tls = (plain(self._templar.template(variables.get(name))) for name in names)
        timer = plain(self._templar.template(variables.get("doctor_timer")))
        # No exception: of a result, Ansible shows only the message, and only once.
        wrong = []
        try:
            start, shared = str(variables.get("inventory_dir") or "."), plain(variables.get("web_run") or {})
            former = str(variables.get("playbook_dir") or "")
            names_of = shared.get("shared_names")
            sites = complete(given, roots, start, EXAMPLE, tls, certificates, names_of, former_base=former)
            doctor_timer(timer)
        except InventoryError as error:
            wrong.append(str(error))
        wrong += role_arguments.faults(plain(self._task.args.get("roles") or []), variables, self._templar.template)
        if wrong:
            lines = [*wrong, str(self._task.args.get("fail_msg") or "")]
            return {"failed": True, "changed": False, "msg": "\n".join(line for line in lines if line)}
        shown = [{"name": site["name"], "state": site["state"], "url": url(site)} for site in sites]
        return {"changed": False, "sites": shown}

    def _asserted(self, tmp: Any, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Return the result of `assert` for the conditions, with the warning of the task if they are true."""
        warning = str(self._task.args.pop("warning", "") or "").strip()
        result = dict(super().run(tmp, task_vars))
        if warning and not result.get("failed"):
            result["warnings"] = [*result.get("warnings", []), warning]
        return result
