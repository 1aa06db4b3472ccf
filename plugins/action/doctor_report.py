# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show what the doctor found: aligned, coloured lines on the terminal, a page and a JSON file on the controller."""

from __future__ import annotations

import datetime
import functools
import json
import os
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pyweb.stack.plugins.plugin_utils import doctor_junit, doctor_report, output
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """Runs on the controller only."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        if not isinstance(arguments.get("reports"), dict):
            raise AnsibleActionFail(
                "reports is missing or is not a mapping; expected host name -> result of site_doctor"
            )
        hosts = doctor_report.collected(arguments["reports"])
        try:
            statuses = doctor_junit.failing(arguments.get("fail", False))
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from None
        display = Display()
        output.show(doctor_report.lines(hosts))
        when = datetime.datetime.now(datetime.timezone.utc)
        written: list[str] = []
        if not self._task.check_mode:
            kinds: dict[str, Callable[..., str]] = {
                "html": doctor_report.page,
                "json": _document,
                "junit": functools.partial(doctor_junit.junit, statuses=statuses),
            }
            for kind, text_of in kinds.items():
                if arguments.get(kind):
                    path = os.path.abspath(os.path.expanduser(str(arguments[kind])))
                    _put(path, text_of(hosts, when))
                    display.display(f"written: {path}")
                    written.append(path)
        broken = [
            f"{host['host']}/{site['name']}" for host in hosts for site in host["sites"] if site["status"] == "broken"
        ]
        result.update(changed=False, written=written, broken=broken)
        failed = doctor_junit.failed(hosts, statuses)
        if failed:
            said = f"doctor_fail is {arguments['fail']}, and this is not {'ok' if 'degraded' in statuses else 'served'}"
            result.update(failed=True, msg=f"{said}: {', '.join(failed)}")
        return result


def _document(hosts: list[dict[str, Any]], when: datetime.datetime) -> str:
    return json.dumps(doctor_report.document(hosts, when), indent=1, ensure_ascii=False) + "\n"


def _put(path: str, text: str) -> None:
    """Write a file on the controller, and the directories above it. Raises AnsibleActionFail."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise AnsibleActionFail(f"{path}: {error.strerror}") from error
