# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find out about a site's workers and timers: what the live release has, and what systemd says of them."""

from __future__ import annotations

import re

from ..host.files import read_json, read_link
from ..model.layout import Layout
from ..release.worker_units import RELEASE_VARIABLE
from . import ask
from .evidence import Background, BackgroundUnit
from .look_starts import parsed_units

# How many units a command is asked for at once; a site has at most 64 processes of a worker.
UNITS_MAX = 200
LOG_LINES = 40
PROPERTIES = (
    "Id,ActiveState,SubState,NRestarts,Result,ExecMainStatus,ActiveEnterTimestampMonotonic,InactiveEnterTimestamp,"
    "NextElapseUSecRealtime,LastTriggerUSec,ExecStart,ProtectSystem,ProtectHome,LoadState"
)


def look_at_background(layout: Layout, uptime: float) -> Background:
    """Return what there is of a site's workers and timers; `uptime` is the host's, in seconds."""
    release_id = read_link(layout.current).rpartition("/")[2]
    record = read_json(layout.live_record)
    wanted = [name for name in record.get("background", {}) if name != layout.worker_boot_unit]
    present = [name for name in layout.background_present() if name != layout.worker_boot_unit]
    names = list(dict.fromkeys([*wanted, *present]))[:UNITS_MAX]
    if not names:
        return Background(release_id)
    shown = ask.run(["systemctl", "show", "--all", f"--property={PROPERTIES}", *names]).out
    found = [_unit(layout, state, not record or state["Id"] in wanted, uptime) for state in parsed_units(shown)]
    for unit in found:
        if unit.unit.endswith(".service") and (unit.state != "active" or unit.restarts) and unit.wanted:
            command = ["journalctl", "--no-pager", "--output=cat", f"--lines={LOG_LINES}", f"--unit={unit.unit}"]
            unit.log = ask.run(command).out
    return Background(release_id, found)


def uptime_of(text: str) -> float:
    """Return the first number of /proc/uptime, in seconds."""
    match = re.match(r"[0-9.]+", text)
    return float(match[0]) if match else 0.0


def _unit(layout: Layout, state: dict[str, str], wanted: bool, uptime: float) -> BackgroundUnit:
    unit = state["Id"]
    release_id, worker, number = layout.worker_of(unit)
    told = re.search(rf"{RELEASE_VARIABLE}=([0-9a-f]+)", state.get("ExecStart", ""))
    entered = int(state.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    return BackgroundUnit(
        unit=unit,
        worker=worker,
        number="" if number == "only" else number,
        timer=layout.timer_of(unit),
        release=release_id or (told[1] if told else ""),
        wanted=wanted,
        state=state.get("ActiveState", ""),
        substate=state.get("SubState", ""),
        restarts=int(state.get("NRestarts") or 0),
        age=max(uptime - entered, 0.0) if entered else 0.0,
        result=state.get("Result", ""),
        status=state.get("ExecMainStatus", ""),
        next=state.get("NextElapseUSecRealtime", ""),
        last=state.get("LastTriggerUSec", ""),
        masked=state.get("LoadState") == "masked",
        sandbox={name: state.get(name, "") for name in ("ProtectSystem", "ProtectHome")},
    )
