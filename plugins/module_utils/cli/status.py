# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`pyweb status`: whether each site is live, its processes run, and nginx answers for it. A quick check."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..host.identity import user_name
from ..host.shell import Running, Shell, StepError
from ..release.front import Front
from . import plugin_status
from .output import say, say_line, until_closed
from .plugin_status import BROKEN, DEGRADED, OK, UNKNOWN
from .sites import SiteHere

# How long systemd may take, and a visit of a site, in seconds.
SYSTEMD, VISIT = 10, 5
_PROPERTIES = "Id,LoadState,ActiveState,SubState,NRestarts,Result,ActiveEnterTimestamp"


@dataclass
class Glance:
    """The findings for one site. `faults` are (status, what); `facts` is other information."""

    site: SiteHere
    faults: list[tuple[str, str]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The worst of its faults."""
        return plugin_status.worst([OK, *(status for status, _what in self.faults)])


class OwnShell(Shell):
    """Runs commands as the current user, without becoming root."""

    def start(self, argv: Sequence[str], user: str, *given: Any, **named: Any) -> Running:
        """Start `argv` as `Shell` does, as this process's own user."""
        return super().start(argv, user_name(os.geteuid()), *given, **named)


def run(sites: Sequence[SiteHere]) -> int:
    """Print a summary and a line for each site; return the exit status."""
    glances = [Glance(site) for site in sites]
    units = shown_units([unit for site in sites for unit in _units(site)])
    with ThreadPoolExecutor(max(len(glances), 1)) as pool:
        wrong = [pool.submit(_visit, glance.site) for glance in glances]
        for glance in glances:
            judge_units(glance, units)
        for glance, visited in zip(glances, wrong):
            status, what = visited.result()
            if status == OK:
                glance.facts.append(what)
            else:
                glance.faults.append((status, what))
    with until_closed():
        say(plugin_status.summary({glance.site.name: glance.status for glance in glances}))
        for glance in glances:
            _show(glance)
    return plugin_status.EXIT[plugin_status.worst(glance.status for glance in glances)]


def shown_units(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what systemd says of units, by name; {} where it says nothing."""
    if not names:
        return {}
    argv = ["systemctl", "show", "--all", f"--property={_PROPERTIES}", *names]
    try:
        return parsed(OwnShell("", {}).run("units", argv, timeout=SYSTEMD, check=False).stdout)
    except StepError:
        return {}


def parsed(shown: str) -> dict[str, dict[str, str]]:
    """Return the units in the output of `systemctl show`, by their names."""
    blocks = (dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in shown.split("\n\n"))
    return {block["Id"]: block for block in blocks if block.get("Id")}


def judge_units(glance: Glance, units: Mapping[str, Mapping[str, str]]) -> None:
    """Judge what systemd says of a site's uWSGI, workers and timers."""
    site = glance.site
    if not site.live:
        glance.faults.append((BROKEN, "no release is live"))
        return
    glance.facts.append(f"release {site.live}")
    own = site.layout.unit(site.live)
    state = units.get(own)
    if state is None:
        glance.faults.append((UNKNOWN, "systemd reports nothing about its units"))
        return
    active = state.get("ActiveState", "")
    if active != "active":
        result = state.get("Result", "")
        why = f" ({result})" if result not in ("", "success") else ""
        glance.faults.append((BROKEN, f"{own} is {active or 'unknown'}{why}"))
    else:
        glance.facts.append(f"runs since {_moment(state.get('ActiveEnterTimestamp', ''))}")
    _judge_background(glance, units)


def _judge_background(glance: Glance, units: Mapping[str, Mapping[str, str]]) -> None:
    layout, running = glance.site.layout, 0
    for name in _background(glance.site):
        state = units.get(name, {})
        release_id, worker, _number = layout.worker_of(name)
        active = state.get("ActiveState", "unknown")
        if worker and release_id == glance.site.live:
            running += active == "active"
            if active != "active":
                glance.faults.append((DEGRADED, f"worker {worker} is {active}"))
        elif layout.timer_of(name):
            timer = layout.timer_of(name)
            if name.endswith(".timer") and active != "active":
                glance.faults.append((DEGRADED, f"timer {timer} is {active}"))
            elif name.endswith(".service") and state.get("Result", "success") != "success":
                glance.faults.append((DEGRADED, f"the last run of timer {timer} failed ({state['Result']})"))
    if running:
        glance.facts.append(f"{running} worker{'' if running == 1 else 's'}")


def _units(site: SiteHere) -> list[str]:
    return [site.layout.unit(site.live), *_background(site)] if site.live else []


def _background(site: SiteHere) -> list[str]:
    """Return the units that the live release recorded for its workers and timers."""
    known = site.record.get("background", {})
    layout = site.layout
    return [name for name in known if any(layout.worker_of(name)) or layout.timer_of(name)]


def _visit(site: SiteHere) -> tuple[str, str]:
    """Visit a site as its visitors do, through nginx; return a status, and what was seen."""
    recorded, manifest = site.record.get("site"), site.record.get("manifest")
    if not recorded or not manifest:
        return UNKNOWN, "its release recorded no health check; run pyweb.stack.site once"
    health = {**recorded["health"], "timeout": min(recorded["health"].get("timeout", VISIT), VISIT)}
    try:
        return _through(Front.of(OwnShell(site.name, {}), {**recorded, "health": health}, manifest))
    except Exception as error:  # whatever it is, the other sites are reported
        return UNKNOWN, f"could not be checked: {type(error).__name__}"


def _through(front: Front) -> tuple[str, str]:
    started = time.monotonic()
    if not front.serves():
        wrong = front.unanswered()
        return (BROKEN, wrong) if wrong else (UNKNOWN, "nginx has no server for it, as far as this user can see")
    found: Any = front.look(attempts=2)
    if found.wrong:
        return BROKEN, found.wrong
    if found.warning:
        return DEGRADED, found.warning
    return OK, f"{found.url} answers in {time.monotonic() - started:.2f} s"


def _moment(timestamp: str) -> str:
    """Return systemd's 'Fri 2026-11-27 03:50:16 UTC' without the day of the week and the seconds."""
    match = re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d)", timestamp)
    return match[1] if match else "an unknown time"


def _show(glance: Glance) -> None:
    status = glance.status
    mark, colour = plugin_status.MARKS[status], plugin_status.COLOURS[status]
    say_line(f"{mark} {glance.site.name:<16} {status:<9} {'; '.join(glance.facts)}", colour)
    for status, what in glance.faults:
        say_line(f"{plugin_status.MARKS[status]} {glance.site.name:<16} {what}", plugin_status.COLOURS[status])
