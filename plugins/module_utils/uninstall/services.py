# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a service's state before the first run: running or not, enabled or not, masked or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..host import file_set, memory
from .report import Fault, Report

RUNNING = ("active", "activating", "reloading")
# The state after each verb of systemctl.
DONE = {
    "unmask": "unmasked",
    "stop": "stopped",
    "disable": "disabled",
    "mask": "masked",
    "enable": "enabled",
    "start": "started",
}


def was_active(before: Mapping[str, Any], name: str) -> bool:
    return bool(before.get("services", {}).get(name, {}).get("active") in RUNNING)


def is_active(run: file_set.Run, name: str) -> bool:
    return memory.services(run).get(name, {}).get("active") in RUNNING


def put_back(run: file_set.Run, name: str, before: Mapping[str, Any], report: Report, check_mode: bool) -> None:
    """Restore the service, if its previous state is known. Raises `Fault`."""
    was = before["services"].get(name, {"active": "", "enabled": ""})
    now = memory.services(run).get(name, {"active": "", "enabled": ""})
    verbs = steps(was, now)
    for verb in verbs:
        if check_mode:
            continue
        status, out, err = run(["systemctl", *verb, f"{name}.service"])
        if status:
            raise Fault(f"systemctl {' '.join(verb)} {name}: {(err or out).strip()}")
    if verbs:
        done = " and ".join(DONE[verb[0]] for verb in verbs)
        report.restored.append(f"{name}.service: {done}, as it was")


def steps(was: Mapping[str, str], now: Mapping[str, str]) -> list[list[str]]:
    """Return the verbs for systemctl, in order."""
    found: list[list[str]] = []
    if not now["enabled"]:  # the unit does not exist
        return found
    if now["enabled"] == "masked-runtime" != was["enabled"]:  # a killed run left it
        found.append(["unmask", "--runtime"])
    if was["active"] not in RUNNING and now["active"] in RUNNING:
        found.append(["stop"])
    if now["enabled"] == "enabled" and was["enabled"] != "enabled":
        found.append(["disable"])
    if was["enabled"] == "masked" != now["enabled"]:
        found.append(["mask"])
    if was["enabled"] == "enabled" != now["enabled"]:
        found.append(["enable"])
    if was["active"] in RUNNING and now["active"] not in RUNNING:
        found.append(["start"])
    return found
