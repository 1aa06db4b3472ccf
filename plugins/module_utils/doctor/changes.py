# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find what has changed since a site last worked, from the timer's snapshot and the package logs."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime

from . import ask, memory
from .evidence import Host, Site
from .evidence_changes import Change, Changes, Snapshot
from .fault import BROKEN, DEGRADED, OK
from .snapshot import snapshot

# How many packages and files are named one by one.
NAMED = 12
# Report a file system that is fuller by this many percentage points, or has less than this percentage left.
FULLER, NEARLY_FULL = 5, 95
DPKG_LOGS = ("/var/log/dpkg.log.1", "/var/log/dpkg.log")
DNF_LOGS = ("/var/log/dnf.rpm.log.1", "/var/log/dnf.rpm.log")
LOG_MAX = 1 << 20
_DPKG = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (install|upgrade|remove|purge) ([^ :]+)\S* (\S+) (\S+)")
_DNF = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(Z|[+-]\d\d:?\d\d) SUBDEBUG (Installed|Upgrade|Downgrade|Reinstall|Erase): (\S+)"
)
_DNF_WORDS = {"Installed": "installed", "Upgrade": "upgraded to", "Downgrade": "downgraded to", "Erase": "removed"}


def look_at_changes(site: Site, host: Host, status: str) -> Changes | None:
    """Return what has changed since the site last worked; None if it works, or nothing was recorded."""
    noted = memory.read(site.name)
    how, before = OK, noted.healthy
    if status == BROKEN and noted.working and (not before or noted.working.time > before.time):
        how, before = DEGRADED, noted.working
    if status not in (BROKEN, DEGRADED) or not before:
        return None
    found = [*compared(before, snapshot(site, host)), *packages(before.time)]
    if not found and before.time >= max(run.get("t", 0) for run in memory.runs(site.name)[-1:] or [{}]):
        # The timer still considers it ok: it does not check everything that the doctor checks.
        return None
    return Changes(before.time, how, found)


def compared(before: Snapshot, now: Snapshot) -> list[Change]:
    """Return what of two snapshots differs, in words."""
    found = []
    if before.release != now.release:
        found.append(Change("release", f"release {before.release or 'none'} -> {now.release or 'none'}"))
    # Another release has units of its own, with its ID: the change of release is reported instead.
    other = {before.release, now.release} - {""} if before.release != now.release else set()
    old, new = (
        {path: digest for path, digest in units.items() if not any(release in path for release in other)}
        for units in (before.units, now.units)
    )
    found += _files("unit", old, new) + _files("nginx", before.nginx, now.nginx)
    if now.certificate and before.certificate and before.certificate != now.certificate:
        found.append(
            Change("certificate", f"another certificate, until {now.ends}; the one before: until {before.ends}")
        )
    elif now.ends and _day(before.time) <= now.ends <= _day(now.time):
        found.append(Change("certificate", f"the same one, and it ends on {now.ends}: nothing has renewed it"))
    for place, used in now.disk.items():
        was = before.disk.get(place, used)
        if used - was >= FULLER or (used >= NEARLY_FULL > was):
            found.append(Change("disk", f"{place} is {used} % full, it was {was} %"))
    return found


def packages(since: float) -> list[Change]:
    """Return what dpkg and dnf did since then."""
    debian = "".join(ask.tail(path, LOG_MAX) for path in DPKG_LOGS)
    red_hat = "".join(ask.tail(path, LOG_MAX) for path in DNF_LOGS)
    return _cut("package", [*dpkg(debian, since), *dnf(red_hat, since)])


def dpkg(log: str, since: float) -> list[str]:
    """Return what a log of dpkg says since then; its times are local ones."""
    found = {}
    for line in log.splitlines():
        match = _DPKG.match(line)
        if match and _local(match[1]) >= since:
            word, name, old, new = match.group(2, 3, 4, 5)
            said = {"install": f"{name} {new} installed", "upgrade": f"{name} {old} -> {new}"}
            found[name] = said.get(word, f"{name} {old} removed")
    return list(found.values())


def dnf(log: str, since: float) -> list[str]:
    """Return what dnf's log of rpm says since then."""
    found = {}
    for line in log.splitlines():
        match = _DNF.match(line)
        if match and match[3] in _DNF_WORDS and _zoned(match[1] + match[2]) >= since:
            found[match[4]] = f"{_DNF_WORDS[match[3]]} {match[4]}"
    return list(found.values())


def _files(kind: str, before: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    words = [f"{path} is new" for path in now if path not in before]
    words += [f"{path} is gone" for path in before if path not in now]
    words += [f"{path} was changed" for path in now if before.get(path, now[path]) != now[path]]
    return _cut(kind, words)


def _cut(kind: str, words: list[str]) -> list[Change]:
    found = [Change(kind, text) for text in words[:NAMED]]
    return found + ([Change(kind, f"and {len(words) - NAMED} more")] if len(words) > NAMED else [])


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _local(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _zoned(text: str) -> float:
    try:
        return datetime.strptime(text.replace("Z", "+0000"), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (ValueError, OverflowError):
        return 0.0
