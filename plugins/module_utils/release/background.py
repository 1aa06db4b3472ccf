# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The workers and timers of a site: start, stop and restore them when another release goes live.

A deploy calls in this order: `check`, before anything changes; `start_new`, which also watches them; `stop_old`, which
does not wait; then `current` is renamed; `follow`, for the timers. `put_back` undoes all of it. `tidy` starts and stops
exactly what the live release has, whatever a killed run left; `in_use` returns the releases that must not be removed
yet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping

from ..host import files
from ..host.shell import Shell
from ..model.layout import SYSTEMD
from . import worker_check, worker_units
from .background_state import Unit, releases_in_use
from .background_units import BackgroundUnits
from .release import Release
from .worker_watch import watch

# How many seconds a worker may continue to take tasks after its SIGTERM: Celery's checks once a second whether to stop.
# Until then, the new code must not queue tasks that the old code does not know.
NOTICED_SECONDS = 2.0
# How many seconds a failed run waits for its new workers to end; those with a task are left to finish it.
GIVEN_UP_SECONDS = 5.0
# How many seconds a timer's run that is just starting or ending has to show its release, or to be gone.
RELEASE_KNOWN_SECONDS = 3.0


class Background:
    """The workers and timers of one site on this host, as the release that goes live defines them."""

    def __init__(self, shell: Shell, release: Release, folder: str = SYSTEMD) -> None:
        self.shell, self.release = shell, release
        self.layout = release.layout
        self.units = BackgroundUnits(shell, release.layout, folder)
        self.own = {name: text for name, text in release.background.items() if self.layout.worker_of(name)[0]}
        # The boot unit and those of the timers: their names are the same for all releases.
        self.shared = {name: text for name, text in release.background.items() if name not in self.own}

    def check(self) -> None:
        """Refuse what this host cannot run. Raises `StepError`."""
        if self.release.background:
            worker_check.check(self.shell, self.release)

    def texts(self) -> dict[str, str]:
        """Return the current units whose names are the same for all releases; '' for missing ones."""
        present = [name for name in self.units.present() if not self.layout.worker_of(name)[0]]
        return {name: self.units.read(name) for name in {*present, *self.shared}}

    def start_new(self) -> None:
        """Start the workers of the release and watch them briefly. Raises `StepError`.

        A running singleton is stopped first, within its stop_timeout. All others are started beside the old ones.
        """
        if not self.own:
            return
        self._stop_former_of(self.own)
        self.units.write(self.own)
        started = time.time()
        self.units.start(self.own)
        watch(self.shell, self.release, self.own, started)

    def stop_old(self) -> None:
        """Tell the workers of all other releases to take no more tasks, and to finish their current one.

        Those without a task end. This waits for the others only until they have noticed.
        """
        if not self._has_any():
            return
        old = [unit.name for unit in self._others() if unit.runs]
        self.units.stop(old, wait=False)
        self._let_notice(old, NOTICED_SECONDS)

    def follow(self) -> None:
        """Switch the timers and the boot unit to the release. A run in progress stays with its own release."""
        self.units.install(self.shared)

    def put_back(self, old: str, texts: Mapping[str, str]) -> None:
        """Restore the workers and timers of `old`, and `texts` of the units that all releases share."""
        if not self._has_any():
            return
        new = [unit for unit in self.units.states() if unit.release == self.release.id != old and unit.alive]
        # There must not be two of a singleton, so the old one waits for the new one.
        self.units.stop([unit.name for unit in new if self._is_single(unit.name)], wait=True)
        self.units.stop([unit.name for unit in new], wait=False)
        self.units.drop([name for name, text in texts.items() if not text])
        self.units.install({name: text for name, text in texts.items() if text})
        former = [name for name in self.units.present() if self.layout.worker_of(name)[0] == old != ""]
        self.units.start(former, wait=False)
        self._let_notice([unit.name for unit in new], GIVEN_UP_SECONDS)
        self.units.remove_drained(former)

    def tidy(self, check_mode: bool = False) -> list[str]:
        """Start and stop units to match the live release; return what was, or in check mode would be, done.

        A worker that finishes a task is kept; remains of a finished one are removed without a report.
        """
        if not self._has_any():
            return []
        wanted = self.release.background
        running = {unit.name: unit for unit in self.units.states()}
        # Of other releases, or of this one if the host is no longer the first that has the site.
        strays = [unit for unit in running.values() if unit.worker and unit.runs and unit.name not in self.own]
        changed = [name for name, text in wanted.items() if self.units.read(name) != text]
        missing = [name for name in self.own if name not in running or not running[name].runs]
        timers = [name for name in wanted if name.endswith(".timer")]
        idle = [name for name in timers if name not in running or not running[name].runs]
        stale = [name for name in self.units.present() if name not in wanted and self.units.is_enabled(name)]
        if not check_mode:
            self.units.stop([unit.name for unit in strays], wait=False)
            self._stop_former_of(missing)
            self.units.write(self.own)
            self.units.start(missing, wait=False)
            self.units.install(self.shared)
            self.units.drop(stale)
            self.units.remove_drained(self.own)
            self._record()
        return [
            *(f"stopped {self._shown(unit.name)} of release {unit.release}" for unit in strays),
            *(f"wrote {self.units.folder}/{name}" for name in changed),
            *(f"started {self._shown(name)}" for name in [*missing, *idle] if name not in changed),
            *(f"removed {self.units.folder}/{name}" for name in stale),
        ]

    def in_use(self) -> set[str]:
        """Return the releases that a worker, or a run of a timer, still uses. If one is unknown, all are in use.

        A run that has just started, or is about to end, has no process that names its release. Without waiting for it,
        this would now and then keep releases that only the next deploy removes.
        """
        if not self._has_any():
            return set()
        deadline = time.monotonic() + RELEASE_KNOWN_SECONDS
        while "" in (used := releases_in_use(self.units.states())):
            if time.monotonic() >= deadline:
                return used - {""} | set(files.names(self.layout.releases))
            time.sleep(0.1)
        return used

    # --- helpers ---

    def _has_any(self) -> bool:
        return bool(self.release.background or self.units.present())

    def _others(self) -> list[Unit]:
        """Return the existing units of workers of other releases."""
        return [unit for unit in self.units.states() if unit.release not in ("", self.release.id) and unit.alive]

    def _stop_former_of(self, names: Iterable[str]) -> None:
        """Stop, and wait for, units that must not run beside the singletons among `names`."""
        singles = {self.layout.worker_of(name)[1] for name in names if self._is_single(name)}
        if singles:
            others = [unit for unit in self._others() if unit.worker in singles or self._is_single(unit.name)]
            self.units.stop([unit.name for unit in others], wait=True)

    def _let_notice(self, names: Collection[str], seconds: float) -> None:
        """Wait until workers that were told to stop have noticed: those without a task have then ended."""
        deadline = time.monotonic() + seconds
        while names and time.monotonic() < deadline:
            if not any(unit.alive and unit.name in names for unit in self.units.states()):
                return
            time.sleep(0.1)

    def _record(self) -> None:
        """Note what this host has if it became, or no longer is, the first host since the release went live."""
        path = self.layout.record(self.release.id)
        record = files.recorded(path)
        if record and record.get("background", {}) != dict(self.release.background):
            record["background"] = dict(self.release.background)
            files.write(path, json.dumps(record, indent=1, sort_keys=True) + "\n")

    def _is_single(self, name: str) -> bool:
        return self.layout.worker_of(name)[2] == worker_units.ONLY

    def _shown(self, unit: str) -> str:
        return worker_check.shown(self.layout, unit)
