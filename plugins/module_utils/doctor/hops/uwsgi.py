# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether uWSGI runs, or keeps restarting, and whether a worker is free."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...uwsgi.options import BUFFER_SIZE_DEFAULT
from .. import judge_unit, judge_workers, uwsgi_words
from ..evidence import LARGE_COOKIE, Host, Site
from ..fault import ADVICE, BROKEN, DEGRADED, Fault, Faults
from ..fixes import BY_HAND, ini, restart
from ..judge_servers import around, left_over, not_running, state_of, waits
from ..logs import last_lines
from ..questions import all_busy

FAULTS = Faults(
    "uwsgi",
    {
        "uwsgi.missing": [],
        "uwsgi.unit": ["app.sandbox", "app.virtualenv", "app.ini"],
        "uwsgi.directory": [],
        "uwsgi.crashing": ["app", "host.disk-full", "uwsgi.unit", "uwsgi.directory"],
        "uwsgi.stopped": ["app", "host.disk-full", "uwsgi.unit", "uwsgi.directory"],
        "uwsgi.plugin": [],
        "uwsgi.busy": ["socket.protocol", "uwsgi.plugin"],
        "uwsgi.harakiri": [],
        "uwsgi.killed": [],
        "uwsgi.worker-crashed": ["app.import"],
        "uwsgi.buffer-size": ["uwsgi.plugin"],
        "uwsgi.supervisor": ["app", "host.disk-full", "uwsgi.unit", "uwsgi.directory"],
        "uwsgi.vassal": [],
        "uwsgi.not-enabled": [],
        "uwsgi.unit-changed": [],
        "uwsgi.left-over": [],
        "uwsgi.twice": [],
    },
)
_INSTALL = (
    "run pyweb.stack.site; by hand: apt-get install uwsgi uwsgi-plugin-python3, or pip install uwsgi into the "
    "virtualenv"
)
# A uWSGI that was restarted three times within this number of seconds is in a loop.
LATELY = 20
# With Type=simple systemd reports a start at once; it counts as young for this number of seconds after each start.
YOUNG = 2
# "ET" of a GET, read as the size of a uwsgi packet: HTTP sent to a uwsgi socket, which is another fault.
_SIZE_OF_A_GET = "21573"
# What nginx writes when uWSGI closes a connection without an answer.
_CUT_OFF = re.compile(r"(?:prematurely closed connection|reset by peer\)) while reading response header")


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    found = site.uwsgi
    unit = found.unit.get("Id", "")
    label = site.server.label
    yield from judge_unit.judge(FAULTS, site)
    yield from judge_workers.judge(FAULTS, site)
    if site.server.stranger and site.server.left_over:
        yield from left_over(FAULTS, site)
        return
    answering = [probe.owner for probe in site.probes if probe.owner and probe.answer and not found.master]
    if answering and site.server.start:
        seen.append(f"{label} answers, started by {site.server.start.name}")
    elif answering or (site.server.stranger and not found.master):
        seen.append(f"not uWSGI: {(answering or [site.server.stranger])[0]} answers")
    elif not found.installed and (site.managed or not host.starts.found):
        yield FAULTS.fault("uwsgi.missing", BROKEN, "uWSGI is not installed on this host", _INSTALL)
    elif _crashing(site, host):
        yield FAULTS.fault(
            "uwsgi.crashing",
            BROKEN,
            f"{label} keeps exiting and restarting: {judge_unit.words(site) or uwsgi_words.why(site)}",
            f"journalctl -u {unit} -n 50; pyweb.stack.rollback makes the previous release live again; by hand: "
            + (uwsgi_words.fix(site) or f"journalctl -u {unit} -n 50 says why; then systemctl restart {unit}"),
            [state_of(site), *last_lines(found.log)],
        )
    elif not found.master and waits(site):
        seen.append(
            f"{label} waits for a request: {site.server.start.socket['Id'] if site.server.start else ''} listens"
        )
    elif not found.master and _unknown(site):
        return  # nginx passes nothing on for this name, and nothing else identifies the server
    elif not found.master:
        yield not_running(FAULTS, site, host)
    else:
        yield from _running(site)
        yield from around(FAULTS, site)
        if found.unit.get("LoadState") == "not-found":
            yield FAULTS.fault(
                "uwsgi.not-enabled",
                DEGRADED,
                f"{label} runs, but the file of its unit {unit} is missing: nothing starts it again after it exits",
                f"pyweb.stack.site writes it again{BY_HAND}restore the file of {unit}, then systemctl daemon-reload",
                [f"{unit}: not-found"],
            )
        elif site.managed and found.starts_at_boot is False:
            yield FAULTS.fault(
                "uwsgi.not-enabled",
                DEGRADED,
                f"uWSGI runs, but {site.layout.boot_unit} is disabled: nothing starts it at the next boot",
                f"systemctl enable {site.layout.boot_unit}",
                [f"{site.layout.boot_unit}: disabled"],
            )
        workers = f"with {len(found.workers)} workers" if found.workers else "alone"
        kind = "process" if site.server.kind == "uwsgi" else f"{label}, process"
        seen.append(f"{kind} {found.master.pid} as {found.user} {workers}{', ' + unit if unit else ''}")


def _unknown(site: Site) -> bool:
    """Return whether nothing identifies the site's server: no server of nginx with its name, no unit, no command."""
    served = site.probes or any(entrance.wanted for entrance in site.entrances)
    known = site.uwsgi.unit.get("Id") or site.uwsgi.command or site.server.start or site.server.masked
    return not site.managed and not served and not known


def _running(site: Site) -> Iterator[Fault]:
    found = site.uwsgi
    if site.server.halted:
        pids = " ".join(map(str, site.server.halted[:20]))
        yield FAULTS.fault(
            "uwsgi.stopped",
            BROKEN,
            f"{site.server.label} is halted by a signal (SIGSTOP): {len(site.server.halted)} of its processes do "
            "nothing until they are resumed",
            f"kill -CONT {pids}",
            [f"process {pid}: state T (stopped)" for pid in site.server.halted[:3]],
        )
    elif all_busy(site):
        yield _busy(site)
    killed = re.findall(r"HARAKIRI ON WORKER \d+ \(pid: \d+[^)]*\)", found.log)
    if killed:
        slow = re.findall(r"HARAKIRI \[core \d+\] \S+ - (\S+ \S+) since", found.log)
        yield FAULTS.fault(
            "uwsgi.harakiri",
            DEGRADED,
            f"harakiri: {len(killed)} request{'s' if len(killed) > 1 else ''} took longer than "
            f"{found.options.last('harakiri') or '?'} s, and the worker was killed",
            "make it faster, or increase web_sites[].nginx.read_timeout (harakiri follows it); by hand: make it "
            f"faster, or raise harakiri in {ini(site)}, then {restart(site)}",
            [killed[-1] + (f" at {slow[-1]}" if slow else "")],
        )
    small = [probe for probe in site.probes if probe.large_failure and "within" not in probe.large_failure]
    blocks = re.findall(r"invalid request block size: (\d+) \(max (\d+)\)", found.log)
    # The doctor's own large request is in uWSGI's log, too; what a visitor got is in that of nginx.
    refused = any(size != _SIZE_OF_A_GET and int(size) > int(most) for size, most in blocks)
    hurt = refused and any(_CUT_OFF.search(event) for event in site.nginx_events)
    if small or hurt:
        most = found.options.number("buffer-size", BUFFER_SIZE_DEFAULT)
        yield FAULTS.fault(
            "uwsgi.buffer-size",
            DEGRADED if hurt else ADVICE,
            f"buffer-size is too small ({most}): a request with a large cookie "
            + ("got 502" if hurt else "would get 502"),
            "web_sites[].uwsgi.options.buffer-size (65535 by default); by hand: set buffer-size = 32768 in "
            f"{ini(site)}, then {restart(site)}",
            [
                f"a cookie of {LARGE_COOKIE} bytes: {small[0].large_failure}" if small else "",
                *(f"invalid request block size: {size} (max {most})" for size, most in blocks[-1:] if hurt),
                *[re.sub(r"\?[^\s\"]*", "", event) for event in site.nginx_events if _CUT_OFF.search(event)][-1:],
            ],
        )


def _busy(site: Site) -> Fault:
    workers = site.uwsgi.stats.get("workers", [])
    busy = [worker for worker in workers if worker.get("status") == "busy"]
    # Of the variables of a current request, only its path may be shown.
    variables = [text for worker in busy for core in worker.get("cores", []) for text in core.get("vars", [])]
    paths = sorted({text[len("PATH_INFO=") :] for text in variables if text.startswith("PATH_INFO=")})
    evidence = f"no pong within {site.patience.ping:g} s: {site.probes[0].ping_failure}"
    if workers:
        evidence = f"{len(busy)} of {len(workers)} workers are busy{': ' + ', '.join(paths[:3]) if paths else ''}"
    return FAULTS.fault(
        "uwsgi.busy",
        BROKEN,
        "all workers are busy: requests wait until one is free",
        "find out what takes so long; increase web_sites[].uwsgi.processes or threads to handle more requests at once; "
        f"by hand: find out what takes so long, or set more processes in {ini(site)}, then {restart(site)}",
        [evidence],
    )


def _crashing(site: Site, host: Host) -> bool:
    """Return whether systemd is restarting it after it ended by itself, or did so repeatedly until just now."""
    unit, master = site.uwsgi.unit, site.uwsgi.master
    again = unit.get("ActiveState") == "activating" and site.uwsgi.restarted
    answers = bool(site.probes) and all(probe.answer for probe in site.probes)
    young = master is None or (host.now - master.started < YOUNG and not answers)
    lately = [when for when in site.uwsgi.restarted if host.now - when < LATELY]
    return unit.get("SubState") == "auto-restart" or bool(again) or (len(lately) > 2 and young)
