# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watch workers that were just started: one that ends at once must not replace one that works."""

from __future__ import annotations

import time
from collections.abc import Collection

from ..host.causes import cause
from ..host.shell import Shell, StepError
from ..uwsgi import tracebacks
from .background_state import Unit, busy, states
from .journal import last_lines
from .release import Release
from .worker_check import shown

# The minimum time to watch workers, in seconds; longer while they still load, which uses the CPU.
WATCH_SECONDS, WATCH_MAX, WATCH_PAUSE = 2.0, 20.0, 0.25
# A process that was found asleep this many times in a row, and used less than this share of a core, has loaded. On a
# busy machine, a loading process waits for the CPU, which is not sleep.
IDLE, IDLE_TIMES = 0.1, 3
# The journal of a failure starts this many seconds before the start.
JOURNAL_SECONDS = 1


def watch(shell: Shell, release: Release, names: Collection[str], started: float) -> None:
    """Watch units until they have loaded; `started` is in seconds since the epoch. Raises `StepError` if one ends."""
    began = looked = time.monotonic()
    first = {unit.name: unit for unit in states(shell, release.layout, names)}
    used = {name: busy(unit.pid)[0] for name, unit in first.items()}
    asleep = dict.fromkeys(names, 0)
    while True:
        time.sleep(WATCH_PAUSE)
        now = time.monotonic()
        for unit in states(shell, release.layout, names):
            if unit.active != "active" or unit.restarts > first[unit.name].restarts:
                raise _ended(shell, release, unit, started)
            seconds, sleeps = busy(unit.pid)
            idle = sleeps and seconds - used[unit.name] <= IDLE * (now - looked)
            if asleep[unit.name] < IDLE_TIMES:
                asleep[unit.name] = asleep[unit.name] + 1 if idle else 0
            used[unit.name] = seconds
        looked = now
        loading = min(asleep.values()) < IDLE_TIMES
        if now - began >= (WATCH_MAX if loading else WATCH_SECONDS):
            return


def _ended(shell: Shell, release: Release, unit: Unit, started: float) -> StepError:
    """Return the error for a worker that ended, with its traceback or its last output."""
    journal = last_lines(shell, unit.name, started - JOURNAL_SECONDS)
    # systemd's own lines begin with the name of the unit, or with the action.
    lines = [line for line in journal.splitlines() if line.strip() and unit.name not in line]
    said = [line for line in lines if not line.startswith(("Started ", "Starting ", "Stopped ", "Stopping "))]
    raised = tracebacks.last("\n".join(said))
    reason = cause(tracebacks.root(raised)) if raised else said[-1].strip() if said else "it wrote nothing"
    what = f"{shown(release.layout, unit.name)} of release {release.id} ended at once: {unit.ended}; {reason}"
    output = tracebacks.shorten(raised) if raised else "\n".join(said)
    return StepError(release.name, "workers", what, output, tracebacks.LINES if raised else 25)
