# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Return which hosts of a play have no sites, and when the run began. Runs once, on the controller."""

from __future__ import annotations

import time
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pyweb.stack.plugins.plugin_utils import output, run_hosts, run_report
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """Reads the variables of all hosts of the play; contacts no host."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("report",))
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        hosts = plain(variables["ansible_play_hosts_all"])
        skipped = run_hosts.without_sites(variables["hostvars"], hosts)
        others = run_hosts.forgotten(variables, hosts)
        told = run_hosts.lines(skipped, others)
        output.show([(text, constants.COLOR_SKIP) for text in told])
        warning = run_hosts.warning(skipped, hosts)
        if warning:
            Display().warning(warning)
        report = plain(self._task.args).get("report")
        if report:
            # A run that is interrupted leaves this.
            begun = run_report.begun(hosts, skipped, bool(self._task.check_mode))
            output.write(report, run_report.text(begun))
        shared = run_hosts.names_of_several(variables, hosts)
        result.update(changed=False, without_sites=skipped, lines=told, shared_names=shared, began=time.monotonic())
        return result
