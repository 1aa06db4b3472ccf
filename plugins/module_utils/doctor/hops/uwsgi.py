# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether uWSGI runs, or runs again and again, and whether a worker is free."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...uwsgi.options import BUFFER_SIZE_DEFAULT
from ..evidence import LARGE_COOKIE, Host, Site
from ..fault import BROKEN, DEGRADED, Fault, Faults
from ..logs import last_lines, reason
from ..questions import all_busy

FAULTS = Faults(
    "uwsgi",
    {
        "uwsgi.missing": [],
        "uwsgi.crashing": ["app", "host.disk-full"],
        "uwsgi.stopped": ["app", "host.disk-full"],
        "uwsgi.busy": ["socket.protocol"],
        "uwsgi.harakiri": [],
        "uwsgi.buffer-size": [],
    },
)
# A uWSGI that was started again three times in so many seconds is in a loop.
LATELY = 20
# Where systemd calls it started at once (Type=simple), it is young for so many seconds after each start.
YOUNG = 2
# "ET" of a GET, read as the size of a uwsgi packet: HTTP sent to a uwsgi socket, which is another fault.
_SIZE_OF_A_GET = "21573"


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    found = site.uwsgi
    unit = found.unit.get("Id", "")
    others = [probe.owner for probe in site.probes if probe.owner and probe.answer and not found.master]
    if others:
        seen.append(f"not uWSGI: {others[0]} answers")
    elif not found.installed:
        yield FAULTS.fault("uwsgi.missing", BROKEN, "there is no uWSGI on this host", "playbooks/site.yml")
    elif _crashing(site, host):
        yield FAULTS.fault(
            "uwsgi.crashing",
            BROKEN,
            f"uWSGI ends and is started again, over and over: {reason(found.log)}",
            f"journalctl -u {unit} -n 50; a rollback brings the release before",
            [_state(site), *last_lines(found.log)],
        )
    elif not found.master:
        yield _stopped(site)
    else:
        yield from _running(site)
        workers = f"with {len(found.workers)} workers" if found.workers else "alone"
        seen.append(f"process {found.master.pid} as {found.user} {workers}{', ' + unit if unit else ''}")


def _stopped(site: Site) -> Fault:
    found, unit = site.uwsgi, site.uwsgi.unit.get("Id", "")
    failed = found.unit.get("ActiveState") == "failed"
    command = f"systemctl start {unit}" if unit else " ".join(found.command) or "start uWSGI"
    state = _state(site) if unit else "no uWSGI of this site in the process table"
    cause = f"uWSGI failed: {reason(found.log)}" if failed else "uWSGI is stopped"
    return FAULTS.fault("uwsgi.stopped", BROKEN, cause, command, [state, *last_lines(found.log)[-3:]])


def _running(site: Site) -> Iterator[Fault]:
    found = site.uwsgi
    if all_busy(site):
        yield _busy(site)
    killed = re.findall(r"HARAKIRI ON WORKER \d+ \(pid: \d+[^)]*\)", found.log)
    if killed:
        slow = re.findall(r"HARAKIRI \[core \d+\] \S+ - (\S+ \S+) since", found.log)
        yield FAULTS.fault(
            "uwsgi.harakiri",
            DEGRADED,
            f"harakiri: {len(killed)} request{'s' if len(killed) > 1 else ''} took longer than "
            f"{found.options.last('harakiri') or '?'} s, and the worker was killed",
            "make it faster, or web_sites[].nginx.read_timeout (harakiri follows it)"
            if site.managed
            else "make it faster, or raise harakiri in the ini",
            [killed[-1] + (f" at {slow[-1]}" if slow else "")],
        )
    small = [probe for probe in site.probes if probe.large_failure and "within" not in probe.large_failure]
    blocks = re.findall(r"invalid request block size: (\d+) \(max (\d+)\)", found.log)
    if small or any(size != _SIZE_OF_A_GET and int(size) > int(most) for size, most in blocks):
        most = found.options.number("buffer-size", BUFFER_SIZE_DEFAULT)
        yield FAULTS.fault(
            "uwsgi.buffer-size",
            DEGRADED,
            f"buffer-size is too small ({most}): a request with a large cookie gets 502",
            "web_sites[].uwsgi.options.buffer-size (65535 is the default here); by hand: buffer-size = 32768",
            [
                f"a cookie of {LARGE_COOKIE} bytes: {small[0].large_failure}" if small else "",
                *(f"invalid request block size: {size} (max {most})" for size, most in blocks[-1:]),
            ],
        )


def _busy(site: Site) -> Fault:
    workers = site.uwsgi.stats.get("workers", [])
    busy = [worker for worker in workers if worker.get("status") == "busy"]
    # Of the variables of a request in flight only its path is for everybody to see.
    variables = [text for worker in busy for core in worker.get("cores", []) for text in core.get("vars", [])]
    paths = sorted({text[len("PATH_INFO=") :] for text in variables if text.startswith("PATH_INFO=")})
    evidence = f"no pong within {site.patience.ping:g} s: {site.probes[0].ping_failure}"
    if workers:
        evidence = f"{len(busy)} of {len(workers)} workers are busy{': ' + ', '.join(paths[:3]) if paths else ''}"
    return FAULTS.fault(
        "uwsgi.busy",
        BROKEN,
        "all workers are busy: requests wait until one is free",
        "find what takes so long; web_sites[].uwsgi.processes or threads for more at once",
        [evidence],
    )


def _crashing(site: Site, host: Host) -> bool:
    """Say whether systemd starts it again after it ended by itself, or did so over and over until just now."""
    unit, master = site.uwsgi.unit, site.uwsgi.master
    again = unit.get("ActiveState") == "activating" and site.uwsgi.restarted
    young = master is None or host.now - master.started < YOUNG
    lately = [when for when in site.uwsgi.restarted if host.now - when < LATELY]
    return unit.get("SubState") == "auto-restart" or bool(again) or (len(lately) > 2 and young)


def _state(site: Site) -> str:
    unit = site.uwsgi.unit
    states = f"{unit.get('ActiveState', '')}/{unit.get('SubState', '')}"
    return f"{unit.get('Id', '')}: {states}, {int(unit.get('NRestarts') or 0)} restarts"
