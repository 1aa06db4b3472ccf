# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`pyweb doctor`: run the doctor of pyweb.stack.doctor on the host itself."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from ..doctor.examine import examine
from ..host.visible import all_visible, one_line
from . import plugin_status
from .output import say, say_line, until_closed
from .sites import SiteHere

# Lines on the terminal are short; the faults follow in full below them.
LINE_MAX = 110


def run(sites: Sequence[SiteHere], as_json: bool, deep: bool, patience: float) -> int:
    """Examine the sites, print what was found, and return the exit status."""
    asked = [(site, site.request()) for site in sites]
    wanted = {
        "sites": [request for _site, request in asked if request],
        "names": [],
        "deep": deep,
        "patience": patience,
        "controller_time": 0.0,
    }
    found = examine(wanted) if wanted["sites"] else {"broken": False, "sites": []}
    reports: list[dict[str, Any]] = all_visible(found["sites"])
    statuses = {report["name"]: str(report["status"]) for report in reports}
    unasked = [site.name for site, request in asked if not request]
    statuses.update(dict.fromkeys(unasked, plugin_status.UNKNOWN))
    total = plugin_status.worst(statuses.values())
    with until_closed():
        if as_json:
            data = {"status": total, "broken": found["broken"], "sites": reports, "unasked": unasked}
            say(json.dumps(data, indent=1))
            return plugin_status.EXIT[total]
        say(plugin_status.summary(statuses))
        for report in reports:
            show(report)
        for name in unasked:
            say_line(
                f"? {name}: its release recorded no domains, so the doctor cannot check it; run pyweb.stack.site once"
            )
    return plugin_status.EXIT[total]


def show(report: dict[str, Any]) -> None:
    """Print the report on one site: a line for each hop, each cause in full, the steps of the ladder."""
    colours = plugin_status.COLOURS
    say("")
    title = f"{report['name']} ({', '.join(report['domains'])}): {report['status']}, {report['seconds']} s"
    say_line(title, colours[report["status"]])
    for hop in report["hops"]:
        says = hop["cause"] or "; ".join(hop["evidence"]) or "it was not examined"
        tail = f"  [follows from {hop['follows']}]" if hop["follows"] else ""
        text = f"  {plugin_status.MARKS[hop['status']]} {hop['hop']:<12}{hop['status']:<10}"
        say(text + _cut(says, LINE_MAX - len(text) - len(tail)) + tail, colours[hop["status"]])
    for rung in report["ladder"]:
        text = f"  {plugin_status.MARKS[rung['status']]} step        {rung['status']:<10}{rung['rung']}"
        says = f": {rung['cause']}" if rung["cause"] else ""
        say(text + _cut(says, LINE_MAX - len(text)), colours[rung["status"]])
    for fault in _told(report):
        _show_fault(fault)
    _show_changes(report.get("changes"))


def _told(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the faults to print in full: the first one, then others that are not consequences."""
    first = report["first"]
    own = [fault for hop in report["hops"] for fault in hop["faults"] if not fault["follows"] and fault != first]
    return [*([first] if first else []), *own]


def _show_fault(fault: dict[str, Any]) -> None:
    mark, colour = plugin_status.MARKS[fault["status"]], plugin_status.COLOURS[fault["status"]]
    say("")
    say_line(f"{mark} {fault['fault']} ({fault['status']}): {fault['cause']}", colour, "  ")
    for line in fault["evidence"]:
        say_line(line, indent="      ")
    if fault["fix"]:
        say_line(f"fix: {fault['fix']}", indent="      ")


def _show_changes(changes: dict[str, Any] | None) -> None:
    """Print what has changed since the site last worked; nothing if that was not recorded."""
    if not changes:
        return
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(changes["since"]))
    say("")
    say_line(f"changed since {when}, when {'all was ok' if changes['how'] == 'ok' else 'it last worked'}:", indent="  ")
    for change in changes["found"]:
        say_line(f"{change['kind']}: {change['what']}", indent="    - ")
    if not changes["found"]:
        say_line("nothing that the doctor records", indent="    ")


def _cut(text: str, most: int) -> str:
    text = one_line(text)
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"
