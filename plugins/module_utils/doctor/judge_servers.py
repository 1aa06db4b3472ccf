# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why nobody serves a site, by the way in which its server is started, and what is amiss with one that runs.

The faults are those of the hop uwsgi, whatever the server is.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from . import judge_unit, uwsgi_words
from .evidence import Host, Site
from .evidence_servers import DEBIAN, SUPERVISOR, VASSAL, Start
from .fault import ADVICE, BROKEN, DEGRADED, Fault, Faults
from .logs import last_lines, reason

# In the words of uWSGI, gunicorn, uvicorn, daphne and granian.
_NO_APPLICATION = re.compile(r"no python application found, check your startup logs[^\n]*")
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
        fix = f"correct what its log says, then: touch {start.file}"
        return faults.fault("uwsgi.stopped", BROKEN, cause, fix, [server.state, *last_lines(site.uwsgi.log)])
    if not start and not site.managed and not site.uwsgi.command and not site.uwsgi.unit and site.probes:
        return _nobody(faults, site, host)
    return _stopped(faults, site)


def around(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge what is amiss around a server that runs."""
    server, log = site.server, site.uwsgi.log
    yield from _left_over(faults, site)
    yield from _at_boot(faults, site)
    if server.twins:
        yield faults.fault(
            "uwsgi.twice",
            DEGRADED,
            f"two masters run one configuration, {_last(site.uwsgi.options.files)}: a client gets now the one, now the "
            "other, and a restart reaches one of them",
            f"end the one that nothing manages: kill -INT {_pid(server.twins[0])}",
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
            f"make it faster, or --timeout in {place_of(site)}",
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
            f"{name} is not enabled: it runs now, and nothing starts it at the next boot",
            f"systemctl enable {name}",
            [f"UnitFileState=disabled, {unit.get('FragmentPath', name)}"],
        )
    if unit.get("NeedDaemonReload") == "yes":
        yield faults.fault(
            "uwsgi.unit-changed",
            ADVICE,
            f"the file of {name} was changed, and systemd has not read it again: a restart starts the old one",
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
            f"the application loads now, and failed when {site.server.label} started: what runs has none",
            restart_of(site),
            [words[-1], *(line for line in last_lines(site.uwsgi.log) if re.match(r"\w*(Error|Exception)\b", line))],
        )


def restart_of(site: Site) -> str:
    """Return the command that starts the server of a site anew."""
    start, unit = site.server.start, site.uwsgi.unit.get("Id", "")
    if start and start.way == VASSAL:
        return f"touch {start.file}"
    if start and start.way == SUPERVISOR:
        return f"supervisorctl restart {start.name}"
    return f"systemctl restart {unit}" if unit else f"restart {site.server.label}"


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
    start = server.start
    failed = found.unit.get("ActiveState") == "failed"
    socket = start.socket if start else {}
    verb = "start"
    # A script of SysV's stays "active (exited)" when what it started has ended: systemctl start does nothing then.
    if (found.unit.get("ActiveState"), found.unit.get("SubState")) == ("active", "exited") or (
        start and start.way == DEBIAN
    ):
        verb = "restart"
    command = f"systemctl {verb} {unit}" if unit else " ".join(found.command) or f"start {server.label}"
    if socket:
        command = f"systemctl start {socket['Id']}"
        command = f"systemctl reset-failed {socket['Id']} {unit}; {command}" if failed else command
    state = state_of(site) if unit else f"no {server.label} of this site in the process table"
    name = f"{server.label} ({unit})" if server.kind != "uwsgi" and unit else server.label
    cause = (
        f"{name} failed: {judge_unit.words(site) or uwsgi_words.why(site)}{_loads_now(site)}"
        if failed
        else f"{name} is stopped"
    )
    if found.unit.get("SubState") == "exited":
        cause += (
            f", though {unit} is {found.unit.get('ActiveState', 'active')} ({found.unit.get('SubState', 'exited')})"
        )
    lines = [state, _of_socket(socket), *last_lines(found.log)[-3:]]
    # The command alone ends as the last start did.
    why = uwsgi_words.fix(site) if failed and not site.managed else ""
    return faults.fault("uwsgi.stopped", BROKEN, cause, why or command, lines)


def _of_socket(socket: dict[str, str]) -> str:
    if not socket:
        return ""
    result = socket.get("Result", "")
    why = f" ({result})" if result not in ("", "success") else ""
    return f"{socket['Id']}: {socket.get('ActiveState', '')}/{socket.get('SubState', '')}{why}"


def _in_supervisor(faults: Faults, site: Site, start: Start) -> Fault:
    server, log = site.server, site.uwsgi.log
    state = (re.findall(r"\b(FATAL|BACKOFF|EXITED|STOPPED|STARTING|UNKNOWN)\b", server.state) or [""])[0]
    evidence = [server.state, *last_lines(log)[-4:]]
    if state in ("FATAL", "BACKOFF", "EXITED"):
        done = {"FATAL": "has given up on", "BACKOFF": "starts again and again", "EXITED": "saw the end of"}[state]
        return faults.fault(
            "uwsgi.supervisor",
            BROKEN,
            f"supervisor {done} {start.name} ({state}): {reason(log)}{_loads_now(site)}",
            f"correct what {start.log or 'its log'} says, then: supervisorctl restart {start.name}",
            evidence,
        )
    command = f"supervisorctl start {start.name}"
    cause = f"{server.label} is stopped: the program {start.name} of supervisor is {state or 'not known to it'}"
    return faults.fault("uwsgi.stopped", BROKEN, cause, command if state else "supervisorctl update", evidence)


def _no_manager(faults: Faults, site: Site, start: Start) -> Fault:
    manager = site.server.manager_stopped
    unit = manager if manager.endswith(".service") else {"supervisor": "supervisor"}.get(manager, "")
    what = f"the program {start.name}" if start.way == SUPERVISOR else f"the vassal {start.name}"
    who = "supervisor" if start.way == SUPERVISOR else "the emperor"
    cause = f"{who} does not run, and with it {what}"
    fix = f"systemctl restart {unit}" if unit else f"start {manager}"
    return faults.fault("uwsgi.stopped", BROKEN, cause, fix, [site.server.state, start.file])


def _not_enabled(faults: Faults, start: Start) -> Fault:
    enabled = posixpath.join(posixpath.dirname(posixpath.dirname(start.file)), "apps-enabled", start.name)
    available = f"../apps-available/{start.name}"
    dangling = "/apps-enabled/" in start.file
    cause = f"{start.name} is not in apps-enabled, only in apps-available: Debian's uWSGI does not start it"
    if dangling:
        cause = f"{start.file} is a link to nothing: Debian's uWSGI does not start it"
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
    target = f"{pattern}/{site.name}.ini" if "*" not in pattern else f"a file that {pattern} finds"
    return faults.fault(
        "uwsgi.vassal",
        BROKEN,
        f"there is no vassal {site.name}: none of those in {pattern} listens on {addresses}",
        f"put the site's configuration back, as {target}; the emperor starts it by itself",
        [*server.vassals_log, f"ls {pattern}"],
    )


def _nobody(faults: Faults, site: Site, host: Host) -> Fault:
    addresses = ", ".join(probe.address for probe in site.probes)
    place = f"{site.handler} in {site.handler.place}" if site.handler else "nginx's files"
    if site.server.elsewhere:
        return faults.fault(
            "uwsgi.missing",
            "unknown",
            f"{site.server.elsewhere} is an address of another host: what serves the site there was not looked at",
            "ask the doctor on that host",
            [place],
        )
    kinds = "no unit, socket unit, program of supervisor, vassal or ini"
    return faults.fault(
        "uwsgi.missing",
        BROKEN,
        f"nothing on this host starts a server for {addresses}: {kinds} names it, and none is this site's",
        f"start the site's server there, or correct {place}",
        [place],
    )


# --- what is amiss ---


def _left_over(faults: Faults, site: Site) -> Iterator[Fault]:
    server, start = site.server, site.server.start
    if not server.left_over or not start:
        return
    address = ", ".join(start.addresses[:2])
    again = f"supervisorctl restart {start.name}" if start.way == SUPERVISOR else f"systemctl restart {start.name}"
    yield faults.fault(
        "uwsgi.left-over",
        DEGRADED,
        f"{start.name} failed: its address {address} is in use by {server.left_over}, which serves what it was started "
        "with, perhaps old code",
        f"kill -INT {server.left_over_pid}, then: {again}",
        [server.state, *server.left_over_log],
    )


def _loads_now(site: Site) -> str:
    """Say so where the application that failed can be loaded by now."""
    failed = bool(re.search(r"(?m)^\w*(?:Error|Exception)\b|no python application|\b\w+Error: ", site.uwsgi.log))
    return "; it loads now: start it again" if failed and "app" in site.inside else ""


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
