# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the workers run, of the live release and without restarts, and whether the timers run and end well."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import BackgroundUnit, Host, Site
from ..fault import BROKEN, DEGRADED, Fault, Faults
from ..fixes import start
from ..logs import last_lines, traceback
from ..refused import allowing, by_sandbox, database_of

_BEFORE = ["app", "database", "host.disk-full"]
FAULTS = Faults(
    "background",
    {
        "background.worker-stopped": _BEFORE,
        "background.worker-restarting": _BEFORE,
        "background.other-release": [],
        "background.timer-stopped": [],
        "background.timer-failed": _BEFORE,
        "background.sandbox": [],
    },
)
# A worker that was restarted three times, most recently within this time, keeps restarting. Seconds.
_LATELY = 20
_MASKED = " and masked, so systemd cannot start it"
_RUNS = ("active", "activating", "reloading", "refreshing")


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    units = site.background.units
    if not units:
        seen.append("no workers and no timers")
    for unit in units:
        if unit.worker:
            yield from _worker(site, unit, seen)
    tasks = {unit.timer: unit for unit in units if unit.timer and unit.unit.endswith(".service")}
    for unit in units:
        if unit.timer and unit.unit.endswith(".timer"):
            yield from _timer(site, unit, tasks.get(unit.timer), seen)


def _worker(site: Site, unit: BackgroundUnit, seen: list[str]) -> Iterator[Fault]:
    what = f"worker {unit.worker}{f' {unit.number}' if unit.number else ''}"
    state = f"{unit.unit}: {unit.state}/{unit.substate}, {unit.restarts} restarts"
    if not unit.wanted:
        if unit.state in _RUNS:
            yield _other_release(site, what, unit, state)
        elif unit.state == "deactivating":
            seen.append(f"{what} of release {unit.release} finishes its task")
    elif (unit.state not in _RUNS or unit.restarts) and (
        refused := _sandbox(site, what, unit, f"workers.{unit.worker}")
    ):
        yield refused
    elif unit.substate == "auto-restart" or (unit.restarts > 2 and unit.age < _LATELY and unit.state in _RUNS):
        yield FAULTS.fault(
            "background.worker-restarting",
            BROKEN,
            f"the {what} keeps exiting and restarting: {_reason(unit)}",
            f"journalctl -u '{unit.unit}' -n 50; pyweb.stack.rollback returns to the workers of the previous release",
            [state, *last_lines(unit.log)],
        )
    elif unit.state not in _RUNS:
        yield FAULTS.fault(
            "background.worker-stopped",
            BROKEN,
            f"the {what} is stopped"
            + (_MASKED if unit.masked else f": {_reason(unit)}" if unit.state == "failed" else ""),
            f"{start(unit.unit, unit.masked)}, or pyweb.stack.site",
            [state, *last_lines(unit.log)[-3:]],
        )
    else:
        seen.append(f"{what}: runs, release {unit.release}, {unit.restarts} restarts")


def _timer(site: Site, unit: BackgroundUnit, task: BackgroundUnit | None, seen: list[str]) -> Iterator[Fault]:
    what = f"timer {unit.timer}"
    if not unit.wanted or not task:
        if unit.state in _RUNS:
            yield _other_release(site, what, unit, f"{unit.unit}: {unit.state}")
        return
    if unit.state not in _RUNS:
        yield FAULTS.fault(
            "background.timer-stopped",
            BROKEN,
            f"the {what} is stopped{_MASKED if unit.masked else ''}: its command does not run",
            f"{start(unit.unit, unit.masked)}, or pyweb.stack.site",
            [f"{unit.unit}: {unit.state}/{unit.substate}, last run {unit.last or 'never'}"],
        )
    elif task.state == "failed" and (refused := _sandbox(site, what, task, f"timers.{unit.timer}")):
        yield refused
    elif task.state == "failed":
        yield FAULTS.fault(
            "background.timer-failed",
            DEGRADED,
            f"the last run of the {what} failed: {_reason(task)}",
            f"journalctl -u '{task.unit}' -n 50; systemctl start '{task.unit}' runs it again",
            [f"{task.unit}: {task.result}, exit status {task.status}, last run {unit.last or 'unknown'}"],
        )
    elif site.background.release not in ("", task.release):
        yield _other_release(site, what, task, f"{task.unit}: {task.state}")
    else:
        now = "runs now" if task.state == "activating" else f"last run {unit.last or 'never'}, result {task.result}"
        seen.append(f"{what}: next run {unit.next or 'never'}; {now}")


def _sandbox(site: Site, what: str, unit: BackgroundUnit, key: str) -> Fault | None:
    """Judge a process that failed because of its sandbox."""
    refused = by_sandbox(unit.log, unit.sandbox, database_of(site))
    if not refused:
        return None
    return FAULTS.fault(
        "background.sandbox",
        DEGRADED if unit.timer else BROKEN,
        f"the sandbox refuses what the {what} does: {refused.directive}",
        allowing(site, refused, unit.unit, key),
        [f"{unit.unit}: {unit.state}/{unit.substate}", refused.words.strip()],
    )


def _other_release(site: Site, what: str, unit: BackgroundUnit, state: str) -> Fault:
    release = f"release {unit.release}" if unit.release else "an earlier release"
    return FAULTS.fault(
        "background.other-release",
        DEGRADED,
        f"the {what} belongs to {release}; the live release is {site.background.release}",
        "pyweb.stack.site runs exactly the workers and timers of the live release",
        [state],
    )


def _reason(unit: BackgroundUnit) -> str:
    """Return why a process ended: its exception, its last line, or systemd's result."""
    lines = [line for line in last_lines(unit.log) if unit.unit not in line]
    if unit.result == "timeout":
        return "it took longer than its timeout"
    # Between two starts there is no status yet.
    ended = f"exit status {unit.status}" if unit.status not in ("", "0") else "it printed nothing"
    return traceback(unit.log) or (lines[-1].strip() if lines else ended)
