# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why no server serves a site, depending on how it is started, and what is wrong with one that runs.

The faults are those of the hop uwsgi, whatever the server is.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from . import fixes, judge_unit, server_words, uwsgi_words
from .evidence import Host, Site
from .evidence_servers import DEBIAN, SUPERVISOR, VASSAL, Start
from .fault import ADVICE, BROKEN, DEGRADED, Fault, Faults
from .fixes import is_masked, restart
from .logs import last_lines, reason

# In the words of uWSGI, gunicorn, uvicorn, daphne and granian.
_NO_APPLICATION = re.compile(r"no python application found, check your startup logs[^\n]*")
# What supervisor says of a program that should run, and what it does with it.
_STATES = {
    "FATAL": "has given up on",
    "BACKOFF": "starts again and again",
    "EXITED": "saw the end of",
    "STARTING": "starts again and again",
    "RUNNING": "starts again and again",
}
_LONG = re.compile(r"WORKER TIMEOUT \(pid:\s*\d+\)")


def not_running(faults: Faults, site: Site, host: Host) -> Fault:
    """Judge a server that does not run."""
    server, start = site.server, site.server.start
    if server.masked:
        return faults.fault(
            "uwsgi.stopped",
            BROKEN,
            f"{server.label} is stopped: {server.masked} is masked, so nothing can start it",
            f"systemctl unmask {server.masked} && systemctl start {server.masked}",
            [f"{server.masked} is a link to /dev/null", server.state],
        )
    if server.disabled and start:
        return _not_enabled(faults, start)
    if server.vassals:
        return _no_vassal(faults, site)
    if start and server.manager_stopped:
        return _no_manager(faults, site, start)
    if start and start.way == SUPERVISOR:
        return _in_supervisor(faults, site, start)
    if start and start.way == VASSAL:
        cause = f"the vassal {start.name} does not run: {reason(site.uwsgi.log)}"
        cause += _loads_now(site)
        fix = f"fix what its log reports, then: touch {start.file}"
        return faults.fault("uwsgi.stopped", BROKEN, cause, fix, [server.state, *last_lines(site.uwsgi.log)])
    if not start and not site.managed and not site.uwsgi.command and not site.uwsgi.unit and site.probes:
        return _nobody(faults, site, host)
    return _stopped(faults, site)


def waits(site: Site) -> bool:
    """Return whether a socket unit listens, and would start the server with the first request that gets there."""
    start = site.server.start
    socket = start.socket if start else {}
    return (socket.get("ActiveState"), site.uwsgi.unit.get("ActiveState")) == ("active", "inactive")


def around(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge what is amiss around a server that runs."""
    server, log = site.server, site.uwsgi.log
    yield from left_over(faults, site)
    yield from _at_boot(faults, site)
    if server.twins:
        yield faults.fault(
            "uwsgi.twice",
            DEGRADED,
            f"two masters run the same configuration, {_last(site.uwsgi.options.files)}: clients reach either of them, "
            "and a restart affects only one",
            f"stop the one that nothing manages: kill -INT {_pid(server.twins[0])}",
            [f"process {site.uwsgi.master.pid if site.uwsgi.master else '?'} serves the site", *server.twins],
        )
    late = _LONG.findall(log)
    if late:
        given = site.uwsgi.options.last("harakiri") or "30"
        yield faults.fault(
            "uwsgi.harakiri",
            DEGRADED,
            f"{server.label}: {len(late)} request{'s' if len(late) > 1 else ''} took longer than {given} s, its "
            "timeout, and the worker was killed",
            f"make it faster, or set --timeout in {place_of(site)}",
            [late[-1]],
        )


def _at_boot(faults: Faults, site: Site) -> Iterator[Fault]:
    """Advise on a unit that runs, and would not be the same or not at all after the next boot."""
    unit, start = site.uwsgi.unit, site.server.start
    name = unit.get("Id", "")
    if site.managed or not name or (start and start.socket) or site.uwsgi.master is None:
        return
    others = [unit.get(key) for key in ("WantedBy", "RequiredBy", "TriggeredBy") if unit.get(key)]
    if unit.get("UnitFileState") == "disabled" and not others and "@" not in name:
        yield faults.fault(
            "uwsgi.not-enabled",
            ADVICE,
            f"{name} is not enabled: it runs now, but nothing starts it at the next boot",
            f"systemctl enable {name}",
            [f"UnitFileState=disabled, {unit.get('FragmentPath', name)}"],
        )
    if unit.get("NeedDaemonReload") == "yes":
        yield faults.fault(
            "uwsgi.unit-changed",
            ADVICE,
            f"the file of {name} was changed, but systemd has not read it again: a restart uses the old one",
            f"systemctl daemon-reload && systemctl restart {name}",
            [unit.get("FragmentPath", name)],
        )


def stale(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge a server that began without an application which can be loaded by now."""
    words = _NO_APPLICATION.findall(site.uwsgi.log)
    failed = any(answer.status == 500 for answer in site.answers)
    if site.uwsgi.master and words and failed and "app" in site.inside:
        yield faults.fault(
            "app.stale",
            BROKEN,
            f"the application loads now, but failed when {site.server.label} started: the running server has no "
            "application",
            restart(site),
            [words[-1], *(line for line in last_lines(site.uwsgi.log) if re.match(r"\w*(Error|Exception)\b", line))],
        )


def place_of(site: Site) -> str:
    """Return where the options of a site's server stand, in words."""
    start = site.server.start
    if site.uwsgi.options.files:
        return site.uwsgi.options.files[-1]
    if start and start.way == SUPERVISOR:
        return f"the command in {start.file}"
    unit = site.uwsgi.unit.get("Id", "")
    return f"ExecStart of {unit}" if unit and site.server.kind != "uwsgi" else "the command line"


# --- why it does not run ---


def _stopped(faults: Faults, site: Site) -> Fault:
    found, server, unit = site.uwsgi, site.server, site.uwsgi.unit.get("Id", "")
    socket = server.start.socket if server.start else {}
    state = state_of(site) if unit else f"no {server.label} of this site in the process table"
    name = f"{server.label} ({unit})" if server.kind != "uwsgi" and unit else server.label
    cause, command = f"{name} is stopped", _start_command(site)
    if found.unit.get("ActiveState") == "failed":
        of_systemd = judge_unit.words(site)
        own = None if of_systemd else server_words.of_the_server(found.log)
        said = of_systemd or (own.cause if own else uwsgi_words.why(site))
        cause = f"{name} failed: {said}{_loads_now(site)}"
        # The command alone ends as the last start did.
        of_uwsgi = "" if own or site.managed else uwsgi_words.fix(site)
        command = of_uwsgi or (f"{own.fix.format(place=place_of(site))}; then {command}" if own else command)
    if found.unit.get("LoadState") == "not-found" and site.managed:
        cause = f"{name} is stopped, and the file of its unit {unit} is missing"
        command = "pyweb.stack.site writes it again and starts it"
    elif is_masked(found.unit):
        cause = f"{name} is stopped, and {unit} is masked, so systemd cannot start it"
    if found.unit.get("SubState") == "exited":
        cause += f", though {unit} is {found.unit.get('ActiveState', 'active')} (exited)"
    lines = [state, _of_socket(socket), *last_lines(found.log)[-3:]]
    return faults.fault("uwsgi.stopped", BROKEN, cause, command, lines)


def _start_command(site: Site) -> str:
    """Return what starts a stopped server, depending on what manages it."""
    found, start, unit = site.uwsgi, site.server.start, site.uwsgi.unit.get("Id", "")
    if start and start.socket:
        socket = start.socket["Id"]
        reset = f"systemctl reset-failed {socket} {unit}; " if found.unit.get("ActiveState") == "failed" else ""
        return f"{reset}systemctl start {socket}"
    if is_masked(found.unit):
        return fixes.start(unit, masked=True)
    # A script of SysV's stays "active (exited)" when what it started has ended: systemctl start does nothing then.
    exited = (found.unit.get("ActiveState"), found.unit.get("SubState")) == ("active", "exited")
    verb = "restart" if exited or (start and start.way == DEBIAN) else "start"
    return f"systemctl {verb} {unit}" if unit else " ".join(found.command) or f"start {site.server.label}"


def _of_socket(socket: dict[str, str]) -> str:
    if not socket:
        return ""
    result = socket.get("Result", "")
    why = f" ({result})" if result not in ("", "success") else ""
    return f"{socket['Id']}: {socket.get('ActiveState', '')}/{socket.get('SubState', '')}{why}"


def _in_supervisor(faults: Faults, site: Site, start: Start) -> Fault:
    server, log = site.server, site.uwsgi.log
    state = (re.findall(rf"\b({'|'.join(_STATES)}|STOPPED|UNKNOWN)\b", server.state) or [""])[0]
    evidence = [server.state, *last_lines(log)[-4:]]
    refused = server_words.of_supervisor(server.state)
    if state in _STATES or refused:
        own = refused or server_words.of_the_server(log)
        return faults.fault(
            "uwsgi.supervisor",
            BROKEN,
            f"supervisor {_STATES.get(state, 'cannot start')} {start.name} ({state}): "
            f"{own.cause if own else reason(log)}{_loads_now(site)}",
            f"{own.fix.format(place=place_of(site))}; then: {restart(site)}"
            if own
            else f"fix what {start.log or 'its log'} reports, then: {restart(site)}",
            evidence,
        )
    command = f"supervisorctl start {start.group or start.name}"
    cause = f"{server.label} is stopped: the program {start.name} of supervisor is {state or 'not known to it'}"
    return faults.fault("uwsgi.stopped", BROKEN, cause, command if state else "supervisorctl update", evidence)


def _no_manager(faults: Faults, site: Site, start: Start) -> Fault:
    manager = site.server.manager_stopped
    unit = manager if manager.endswith(".service") else {"supervisor": "supervisor"}.get(manager, "")
    what = f"the program {start.name}" if start.way == SUPERVISOR else f"the vassal {start.name}"
    who = "supervisor" if start.way == SUPERVISOR else "the emperor"
    cause = f"{who} does not run, and so neither does {what}"
    fix = f"systemctl restart {unit}" if unit else f"start {manager}"
    return faults.fault("uwsgi.stopped", BROKEN, cause, fix, [site.server.state, start.file])


def _not_enabled(faults: Faults, start: Start) -> Fault:
    enabled = posixpath.join(posixpath.dirname(posixpath.dirname(start.file)), "apps-enabled", start.name)
    available = f"../apps-available/{start.name}"
    dangling = "/apps-enabled/" in start.file
    cause = f"{start.name} is not in apps-enabled, only in apps-available: Debian's uWSGI does not start it"
    if dangling:
        cause = f"{start.file} is a dangling link: Debian's uWSGI does not start it"
    return faults.fault(
        "uwsgi.not-enabled",
        BROKEN,
        cause,
        f"ln -sf {available} {enabled}, then: systemctl restart {start.unit.get('Id', 'uwsgi.service')}",
        [f"{enabled}: {'its target is not there' if dangling else 'No such file or directory'}"],
    )


def _no_vassal(faults: Faults, site: Site) -> Fault:
    server = site.server
    addresses = ", ".join(probe.address for probe in site.probes)
    pattern = server.vassals
    if server.vassal_link:
        return faults.fault(
            "uwsgi.vassal",
            BROKEN,
            f"the vassal {server.vassal_link} is a link to {server.vassal_target}, which does not exist: the emperor "
            "does not see it",
            f"restore {server.vassal_target}, or ln -sfn the site's configuration to {server.vassal_link}; the emperor "
            "starts it automatically",
            [*server.vassals_log, f"{server.vassal_link} -> {server.vassal_target}"],
        )
    target = f"{pattern}/{site.name}.ini" if "*" not in pattern else f"a file that {pattern} finds"
    return faults.fault(
        "uwsgi.vassal",
        BROKEN,
        f"there is no vassal {site.name}: none of those in {pattern} listens on {addresses}",
        f"restore the site's configuration as {target}; the emperor starts it automatically",
        [*server.vassals_log, f"ls {pattern}"],
    )


def _nobody(faults: Faults, site: Site, host: Host) -> Fault:
    addresses = ", ".join(probe.address for probe in site.probes)
    place = f"{site.handler} in {site.handler.place}" if site.handler else "nginx's files"
    if site.server.elsewhere:
        return faults.fault(
            "uwsgi.missing",
            "unknown",
            f"{site.server.elsewhere} is an address of another host: the server there was not examined",
            "run the doctor on that host",
            [place],
        )
    kinds = "no unit, socket unit, program of supervisor, vassal or ini"
    return faults.fault(
        "uwsgi.missing",
        BROKEN,
        f"nothing on this host starts a server for {addresses}: {kinds} names it or belongs to this site",
        f"start the site's server there, or correct {place}",
        [place],
    )


# --- what is amiss ---


def left_over(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge a process that holds the address which the site's server failed to take."""
    server, start = site.server, site.server.start
    if not server.left_over or not start:
        return
    address = ", ".join(start.addresses[:2])
    again = restart(site) if start.way == SUPERVISOR else f"systemctl restart {start.name}"
    what = "which serves the code that it was started with, perhaps old code"
    if server.stranger:
        what = "which is not a server of this site"
    yield faults.fault(
        "uwsgi.left-over",
        BROKEN if server.stranger else DEGRADED,
        f"{start.name} failed: its address {address} is in use by {server.left_over}, {what}",
        f"kill -{'TERM' if server.stranger else 'INT'} {server.left_over_pid}, then: {again}",
        [server.state, *server.left_over_log],
    )


def _loads_now(site: Site) -> str:
    """Say so where the application that failed can be loaded by now."""
    log = site.uwsgi.log
    failed = bool(re.search(r"(?m)^\w*(?:Error|Exception)\b|no python application|\b\w+Error: ", log))
    own = server_words.of_the_server(log)
    return "; it loads now: start it again" if failed and "app" in site.inside and not own else ""


def state_of(site: Site) -> str:
    """Return what systemd says of the unit of a site's server."""
    unit = site.uwsgi.unit
    states = f"{unit.get('ActiveState', '')}/{unit.get('SubState', '')}"
    return f"{unit.get('Id', '')}: {states}, {int(unit.get('NRestarts') or 0)} restarts"


def _last(words: list[str]) -> str:
    return words[-1] if words else ""


def _pid(described: str) -> str:
    found = re.search(r"pid (\d+)", described)
    return found[1] if found else "PID"
