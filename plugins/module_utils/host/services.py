# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start a service of systemd, now and at boot, and say why one does not start."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .file_set import Run, telling
from .visible import visible


class ServiceError(Exception):
    """Why a service does not start; `output` is what it said, `done` what was done to it before."""

    def __init__(self, cause: str, output: str = "", done: Sequence[str] = ()) -> None:
        self.output, self.done = visible(output), list(done)
        super().__init__(visible(cause))


def start(unit: str, run: Run, dry: bool) -> list[str]:
    """Start and enable a unit; return what was, or in a dry run would be, done. Raises `ServiceError`.

    In a dry run a unit that is not there yet would be: its package is only installed by a real one.
    """
    shown = run(["systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", unit])[1]
    state = dict(line.partition("=")[::2] for line in shown.splitlines())
    if state.get("LoadState") in ("not-found", "masked") and not dry:
        there = "it is masked: systemctl unmask" if state["LoadState"] == "masked" else "systemd knows no unit"
        raise ServiceError(f"{unit} does not start: {there} {unit}")
    steps = []
    # In this order: what does not start is not left to be started at boot.
    if state.get("ActiveState") != "active":
        steps.append("start")
    if not state.get("UnitFileState", "").startswith("enabled"):
        steps.append("enable")
    for number, step in enumerate([] if dry else steps):
        since = time.time()
        status, out, err = run(["systemctl", step, unit])
        if status:
            log = run(_journal(unit, since))[1] if step == "start" else ""
            raise ServiceError(
                f"{unit} does not start: {_cause(unit, log, err or out)}", log or err or out, steps[:number]
            )
    return steps


def _cause(unit: str, log: str, said: str) -> str:
    """Return why a step failed: by the unit's own log where it has one, else by what systemctl said."""
    words = [line for line in log.splitlines() if not _of_systemd(line, unit)]
    return telling("\n".join(words)) or telling(said)


def _journal(unit: str, since: float) -> Sequence[str]:
    return ["journalctl", "--no-pager", "--output=cat", f"--since=@{int(since)}", f"--unit={unit}"]


def _of_systemd(line: str, unit: str) -> bool:
    """Say whether systemd wrote the line: it says that the service failed, not why."""
    return line.startswith((f"{unit}: ", "Starting ", "Failed to start ", "Failed to attach ", "Started ", "Stopped "))
