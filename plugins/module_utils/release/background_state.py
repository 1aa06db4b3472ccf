# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of the units of workers and timers, from systemd and the kernel."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass

from ..host import files
from ..host.shell import Shell
from ..model.layout import Layout
from .worker_units import RELEASE_VARIABLE

PROC, CGROUPS = "/proc", "/sys/fs/cgroup"
PROPERTIES = (
    "Id",
    "ActiveState",
    "SubState",
    "NRestarts",
    "MainPID",
    "ControlGroup",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecMainExitTimestamp",
    "NextElapseUSecRealtime",
)
_RUNS = ("active", "activating", "reloading", "refreshing")


@dataclass(frozen=True)
class Unit:
    """The state of a unit; `release` and `worker` are '' for a timer's. `found` are its properties."""

    name: str
    release: str
    worker: str
    found: dict[str, str]

    @property
    def active(self) -> str:
        return self.found.get("ActiveState", "")

    @property
    def runs(self) -> bool:
        """Return whether it runs, or systemd is about to start it; not if it finishes its last task."""
        return self.active in _RUNS

    @property
    def alive(self) -> bool:
        """Return whether it may have a process."""
        return self.runs or self.active == "deactivating"

    @property
    def restarts(self) -> int:
        return _number(self.found.get("NRestarts", ""))

    @property
    def pid(self) -> int:
        return _number(self.found.get("MainPID", ""))

    @property
    def ended(self) -> str:
        """Return how its main process ended."""
        status = _number(self.found.get("ExecMainStatus", ""))
        if self.found.get("ExecMainCode") in ("2", "3"):
            return f"killed by {_signal(status)}"
        result = self.found.get("Result", "")
        return f"exit status {status}" if result in ("exit-code", "success") else f"{result or 'no result'}"

    def release_of_processes(self, proc: str = PROC, cgroups: str = CGROUPS) -> str:
        """Return the release in the environment of its processes; '' if there is none."""
        group = self.found.get("ControlGroup", "")
        text = files.read_or_empty(f"{cgroups}{group}/cgroup.procs") if group else ""
        for pid in [str(self.pid), *text.split()]:
            environment = files.read_or_empty(f"{proc}/{pid}/environ")
            match = re.search(rf"(?:^|\0){RELEASE_VARIABLE}=([0-9a-f]+)(?:\0|$)", environment)
            if match:
                return match[1]
        return ""


def states(shell: Shell, layout: Layout, names: Iterable[str] | None = None) -> list[Unit]:
    """Return the loaded units of a site's workers and timers, or those called `names`."""
    wanted = list(names) if names is not None else [f"{layout.worker_identifier}@*", f"{layout.timer_identifier}@*"]
    if not wanted:
        return []
    shown = shell.run("units", ["systemctl", "show", "--all", f"--property={','.join(PROPERTIES)}", *wanted]).stdout
    return parse(shown, layout)


def parse(shown: str, layout: Layout) -> list[Unit]:
    """Return the units in the output of `systemctl show`: a block of NAME=VALUE for each."""
    found = []
    for block in shown.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        name = values.get("Id", "")
        release_id, worker, _number_of_it = layout.worker_of(name)
        if release_id or layout.timer_of(name):
            found.append(Unit(name, release_id, worker, values))
    return found


def releases_in_use(units: Iterable[Unit]) -> set[str]:
    """Return the releases of all units that may have a process; '' for one that is unknown now."""
    alive = [unit for unit in units if unit.alive and (unit.release or unit.name.endswith(".service"))]
    return {unit.release or unit.release_of_processes() for unit in alive}


def busy(pid: int, proc: str = PROC) -> tuple[float, bool]:
    """Return a process's CPU time in seconds, and whether it sleeps now; (0, False) if it does not exist.

    A process that waits for the CPU, or for a disk, does not sleep.
    """
    text = files.read_or_empty(f"{proc}/{pid}/stat") if pid else ""
    fields = text.rpartition(")")[2].split()
    if len(fields) < 13:
        return 0.0, False
    # state, utime and stime: proc(5), fields 3, 14 and 15.
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"), fields[0] == "S"


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
