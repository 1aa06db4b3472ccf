# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write, enable, start, stop and remove the unit files of a site's workers and timers on this host."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from subprocess import CompletedProcess

from ..host import files
from ..host.shell import STEP_TIMEOUT, Shell
from ..model.layout import SYSTEMD, Layout
from .background_state import Unit, states

# The maximum time that systemd waits for stopping units: the maximum stop_timeout and a margin.
STOP_MAX = 86400 + 60


class BackgroundUnits:
    """The units of the workers and timers of one site."""

    def __init__(self, shell: Shell, layout: Layout, folder: str = SYSTEMD) -> None:
        self.shell, self.layout, self.folder = shell, layout, folder

    def present(self) -> list[str]:
        """Return the file names of the site's existing units."""
        return self.layout.background_present(self.folder)

    def states(self) -> list[Unit]:
        """Return the units that systemd has loaded."""
        return states(self.shell, self.layout)

    def read(self, name: str) -> str:
        return files.read(f"{self.folder}/{name}")

    def start(self, names: Iterable[str], wait: bool = True) -> None:
        """Start units. One that still finishes its last task starts afterwards, so the caller should not wait."""
        names = list(names)
        if names:
            self._systemctl("workers", "start", *([] if wait else ["--no-block"]), *names)

    def stop(self, names: Iterable[str], wait: bool) -> None:
        """Send the single SIGTERM; with `wait`, wait until the units have ended or their time is over."""
        names = list(names)
        if names:
            arguments = ["stop", *([] if wait else ["--no-block"]), *names]
            self._systemctl("workers", *arguments, check=False, timeout=STOP_MAX)

    def write(self, wanted: Mapping[str, str]) -> list[str]:
        """Write changed units and reload systemd; return their names."""
        changed = [name for name, text in wanted.items() if self.read(name) != text]
        for name in changed:
            files.write(f"{self.folder}/{name}", wanted[name])
        if changed:
            self._systemctl("units", "daemon-reload")
        return changed

    def install(self, wanted: Mapping[str, str]) -> None:
        """Write timers, their services and the boot unit, and apply them."""
        changed = self.write(wanted)
        enabled = [name for name in wanted if self.is_enabled(name)]
        new = [name for name in enabled if not os.path.lexists(f"{self.folder}/{_wants(name)}/{name}")]
        if new:
            self._systemctl("timers", "enable", "--quiet", *new)
        timers = [name for name in enabled if name.endswith(".timer")]
        again = [name for name in timers if name in changed]
        if again:
            self._systemctl("timers", "restart", *again)
        if timers:
            self._systemctl("timers", "start", *timers)

    def drop(self, names: Iterable[str]) -> None:
        """Remove timers and the boot unit. A running service of a timer is kept until it ends: see `remove_drained`."""
        gone = [name for name in names if self.is_enabled(name) and os.path.lexists(f"{self.folder}/{name}")]
        if gone:
            self._systemctl("timers", "disable", "--quiet", "--now", *gone, check=False)
            for name in gone:
                files.remove(f"{self.folder}/{name}")
            self._systemctl("units", "daemon-reload")

    def remove_drained(self, kept: Collection[str]) -> None:
        """Remove inactive units of workers not in `kept`, and of removed timers.

        Without its file, a running unit would lose its stop_timeout.
        """
        alive = {unit.name for unit in self.states() if unit.alive}
        present = self.present()
        gone = []
        for name in present:
            worker, timer = self.layout.worker_of(name)[1], self.layout.timer_of(name)
            over = (worker and name not in kept) or (timer and self.layout.timer_unit(timer) not in present)
            if over and name not in alive:
                gone.append(name)
        if gone:
            for name in gone:
                files.remove(f"{self.folder}/{name}")
            self._systemctl("units", "daemon-reload")
            self._systemctl("units", "reset-failed", *gone, check=False)

    def is_enabled(self, name: str) -> bool:
        """Return whether a unit starts at boot."""
        return name == self.layout.worker_boot_unit or name.endswith(".timer")

    def withdraw(self, names: Collection[str] | None = None) -> None:
        """Stop all timers, then the workers within their stop_timeout; remove all units, or those of `names`."""
        present = self.present() if names is None else list(names)
        if not present:
            return
        self.drop(present)
        patterns = [self.layout.task_unit("*"), self.layout.worker_unit("*", "*", "*")]
        for pattern in patterns:
            self.stop([pattern], wait=True)
        for name in present:
            files.remove(f"{self.folder}/{name}")
        self._systemctl("units", "daemon-reload")
        self._systemctl("units", "reset-failed", *patterns, check=False)

    def _systemctl(
        self, step: str, *arguments: str, check: bool = True, timeout: float = STEP_TIMEOUT
    ) -> CompletedProcess[str]:
        return self.shell.run(step, ["systemctl", *arguments], check=check, timeout=timeout)


def _wants(unit: str) -> str:
    return "timers.target.wants" if unit.endswith(".timer") else "multi-user.target.wants"
