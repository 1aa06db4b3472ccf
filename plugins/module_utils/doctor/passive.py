# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check a site as the timer does, with a request for one page only, and store the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..uwsgi import stats
from . import log_count, memory
from .evidence import Host, Patience, Site
from .fault import BROKEN, DEGRADED, OK
from .look_site import look_at_site
from .metrics import STATUSES, Samples
from .snapshot import disks_of, snapshot
from .verdict import verdict

# The timer is patient: nothing waits for it, and it takes no time from other processes.
PATIENCE = Patience(12.0)
QUANTILES = (0.5, 0.99)


@dataclass
class Seen:
    """The result of one check of a site. `status` covers only what was checked."""

    site: Site
    report: dict[str, Any]
    requests: log_count.Counted
    noted: memory.Noted

    @property
    def status(self) -> str:
        found = {hop["status"] for hop in self.report["hops"]}
        return next((status for status in (BROKEN, DEGRADED) if status in found), OK)


def look(given: Mapping[str, Any], host: Host) -> Seen:
    """Check a site, and store what a later check needs. Raises OSError if that cannot be written."""
    site = look_at_site(given, host, PATIENCE, passive=True)
    report = verdict(site, host)
    noted = memory.read(site.name)
    seen = Seen(site, report, log_count.count(site.layout.access_log, noted), noted)
    if seen.status != BROKEN:
        noted.working = snapshot(site, host)
        noted.healthy = noted.working if seen.status == OK else noted.healthy
    memory.write(site.name, noted)
    memory.add_line(site.name, _line(seen, host))
    return seen


def measure(seen: Seen, samples: Samples, now: float) -> None:
    """Add the samples of a site."""
    site, name = seen.site, seen.site.name
    samples.add("pyweb_site_status", STATUSES[seen.status], site=name)
    for hop in seen.report["hops"]:
        samples.add("pyweb_hop_status", STATUSES[hop["status"]], site=name, hop=hop["hop"])
    if seen.report["first"]:
        samples.add("pyweb_fault", 1, site=name, fault=seen.report["first"]["fault"])
    code, seconds = _probe(site)
    samples.add("pyweb_probe_status_code", code, site=name)
    if code:
        samples.add("pyweb_probe_duration_seconds", seconds, site=name)
    _measure_requests(seen, samples)
    for state, number in _workers(site).items():
        samples.add("pyweb_workers", number, site=name, state=state)
    release = seen.noted.working.release if seen.noted.working else ""
    if release:
        samples.add("pyweb_release_info", 1, site=name, release=release)
    for entrance in site.entrances:
        if entrance.file and entrance.file.leaf:
            days = (entrance.file.leaf.ends - now) / 86400
            samples.add("pyweb_certificate_remaining_days", round(days, 2), site=name, domain=entrance.domain)
            break
    for place, (free, size) in disks_of(site).items():
        samples.add("pyweb_disk_free_bytes", free, site=name, path=place)
        samples.add("pyweb_disk_size_bytes", size, site=name, path=place)


def _measure_requests(seen: Seen, samples: Samples) -> None:
    name = seen.site.name
    for digit in "12345":
        samples.add("pyweb_requests_total", seen.noted.counted.get(digit, 0), site=name, code=f"{digit}xx")
    samples.add("pyweb_request_errors_total", seen.noted.counted.get("5", 0), site=name)
    samples.add("pyweb_log_skipped_bytes_total", seen.noted.skipped, site=name)
    for metric, values in (
        ("pyweb_request_duration_seconds", seen.requests.seconds),
        ("pyweb_upstream_duration_seconds", seen.requests.upstream),
    ):
        for share in QUANTILES if values else ():
            samples.add(metric, log_count.quantile(values, share), site=name, quantile=str(share))


def _line(seen: Seen, host: Host) -> dict[str, Any]:
    """Return the line of a run in the history: only what is not ok is named."""
    code, seconds = _probe(seen.site)
    first = seen.report["first"]
    return {
        "t": int(host.now),
        "status": seen.status,
        "hops": {hop["hop"]: hop["status"] for hop in seen.report["hops"] if hop["status"] in (BROKEN, DEGRADED)},
        "first": first["fault"] if first else "",
        "code": code,
        "seconds": round(seconds, 3),
        "requests": sum(seen.requests.statuses.values()),
        "errors": seen.requests.statuses.get("5", 0),
        "release": seen.noted.working.release if seen.noted.working else "",
    }


def _probe(site: Site) -> tuple[int, float]:
    """Return the status and the seconds of the requested page; 0 without an answer."""
    answer = next((entrance.answer for entrance in site.entrances if entrance.answer), None)
    return (answer.status, answer.seconds) if answer else (0, 0.0)


def _workers(site: Site) -> dict[str, int]:
    found: dict[str, int] = {}
    for worker in stats.workers(site.uwsgi.stats):
        # What uWSGI calls sig7 and the like is one state; a label has few values.
        state = str(worker.get("status", ""))
        state = state if state in ("idle", "busy", "cheap", "pause") else "other"
        found[state] = found.get(state, 0) + 1
    return found
