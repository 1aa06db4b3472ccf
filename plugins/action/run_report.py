# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say how a run ended: a line a site on the terminal, and a JSON file. Runs on the controller only."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Mapping
from typing import Any

from ansible import constants, context
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.plugin_utils import output, rollback_command, run_report, run_results
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

# What roles publish for the end of a run: lists of lines.
NOTES = ("nginx_notes", "firewalld_notes")


class ActionModule(ActionBase):
    """Reads what the tasks of all hosts registered; asks no host."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("report",))
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        run = variables["web_run"]
        hosts = [self._host(name, variables) for name in plain(variables["ansible_play_hosts_all"])]
        seconds = time.monotonic() - float(run["began"])
        found = run_report.document(hosts, seconds, bool(self._task.check_mode))
        lines = run_report.lines(found)
        output.show([("", constants.COLOR_OK), *lines])
        report = plain(self._task.args).get("report")
        if report:
            output.write(report, run_report.text(found))
        result.update(changed=False, lines=[text for text, _colour in lines])
        return result

    def _host(self, name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        if name in variables["web_run"]["without_sites"]:
            return run_report.bare(name, run_report.NO_SITES)
        known = variables["hostvars"].raw_get(name)
        alive = name in variables["ansible_play_hosts"]
        command = functools.partial(self._command, self._only(name, variables))
        return run_results.host_of(name, known, alive, self._notes(known, variables), command)

    def _notes(self, known: Mapping[str, Any], variables: Mapping[str, Any]) -> list[str]:
        """Return what the roles want told of a host.

        A role's own variable is a template that this task has; it is filled in with what the host has registered.
        """
        notes: list[str] = []
        templar = self._templar.copy_with_new_env(available_variables={**variables, **known})
        for name in NOTES:
            # A role that did not run on this host has registered nothing to make notes of.
            with contextlib.suppress(Exception):
                notes += [str(note) for note in plain(templar.template({**variables, **known}.get(name) or []))]
        return notes

    def _only(self, host: str, variables: Mapping[str, Any]) -> str:
        """Return the host where the playbooks take others as well, else ''."""
        others = {*plain(variables["ansible_play_hosts_all"])} - {*plain(variables["web_run"]["without_sites"]), host}
        return host if others else ""

    def _command(self, only: str, site: str) -> str:
        """Return the command that rolls a site back; after a prediction there is nothing to roll back."""
        if self._task.check_mode:
            return ""
        return rollback_command.command(context.CLIARGS, constants.DEFAULT_HOST_LIST, site, only=only)
