# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the address of `uwsgi_pass` or `proxy_pass` can be reached, as nginx's worker and in nginx's protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..evidence import Host, Probe, Site
from ..fault import BROKEN, DEGRADED, Fault, Faults
from ..fixes import BY_HAND, RELOAD, ini, listen_anew, restart
from ..groups import RESTART, restart_for_group
from ..judge_servers import place_of
from ..judge_serving import with_others
from ..questions import SOCKET_CLASSES, declared, good, last_match, of_uwsgi, selinux, without_current

_NOT_RUNNING = ("uwsgi.supervisor", "uwsgi.vassal", "uwsgi.not-enabled")
FAULTS = Faults(
    "socket",
    {
        "socket.missing": ["uwsgi.stopped", "uwsgi.crashing", "app", "uwsgi.missing", *_NOT_RUNNING],
        "socket.hidden": [],
        "socket.stale": ["uwsgi.stopped", "uwsgi.crashing", "app", "uwsgi.missing", *_NOT_RUNNING],
        "socket.refused": ["uwsgi.stopped", "uwsgi.crashing", "app", "uwsgi.missing", *_NOT_RUNNING],
        "socket.denied": [],
        "socket.selinux": [],
        "socket.queue-full": ["uwsgi.stopped", "uwsgi.crashing", "app"],
        "socket.unreachable": ["nginx.upstream-name"],
        "socket.protocol": ["uwsgi.plugin"],
        "socket.silent": ["uwsgi", "app", "django", "database"],
    },
)


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    for probe in site.probes:
        fault = _unreachable(site, host, probe) if probe.connect_error else _unusable(site, probe)
        if fault:
            yield with_others(fault, probe, site)
        else:
            where = probe.described or probe.address
            seen.append(f"{probe.speaks} to {where}: as {host.nginx.worker_name} ok")
    for denial in host.denials:
        if denial.get("tclass") in SOCKET_CLASSES:
            served = [entrance.answer for entrance in site.entrances]
            broken = any(not (answer and good(answer.status, site.wanted_status)) for answer in served)
            yield selinux(FAULTS, denial, BROKEN if broken else DEGRADED, _denied_path(site, denial))
    full = re.findall(r"listen queue of socket \S+ \(fd: \d+\) full !!! \([^)]*\)", site.uwsgi.log)
    if full and not any(probe.connect_error for probe in site.probes):
        yield FAULTS.fault(
            "socket.queue-full",
            DEGRADED,
            "the listen queue has been full since uWSGI started: connections were refused",
            _queue(site),
            [full[-1]],
        )


def _unreachable(site: Site, host: Host, probe: Probe) -> Fault:
    """Judge an address that nginx's worker cannot connect to."""
    error, failed = probe.connect_error, f"connect({probe.address}): {probe.connect_error}"
    if error == "ENOENT" or not probe.exists:
        return _missing(site, probe)
    if probe.hidden:
        return _hidden(probe)
    if error == "ECONNREFUSED" and probe.address.startswith("unix:"):
        runs = f"; {site.server.label} runs, but the file that it listened on was replaced" if site.uwsgi.master else ""
        cause = f"{probe.address} is a stale socket: the file exists, but nothing listens on it{runs}"
        binds = _listens(site)
        if binds and probe.is_socket and not {probe.address, f"unix:{probe.real}"} & {*binds}:
            cause = f"{probe.address} is a stale socket: {site.server.label} listens on {', '.join(binds)} instead"
            return FAULTS.fault("socket.stale", BROKEN, cause, _fix_address(site, probe), [failed, probe.described])
        fix = _restart(site) or f"restart {site.server.label}"
        if not probe.is_socket:
            cause = f"{probe.address} is not a socket but another kind of file"
        return FAULTS.fault("socket.stale", BROKEN, cause, fix, [failed, probe.described])
    if error == "ECONNREFUSED":
        listens = _listens(site)
        cause = f"nothing listens on {probe.address}, which nginx connects to"
        cause += f"; {site.server.label} listens on {', '.join(listens)}" if listens else ""
        evidence = [failed, f"{site.handler} in {site.handler.place}"] if site.handler else []
        return FAULTS.fault("socket.refused", BROKEN, cause, _fix_address(site, probe), evidence)
    if error in ("EACCES", "EPERM"):
        return _denied(site, host, probe)
    waiting = _waiting(probe, host)
    if error == "EAGAIN" or (error == "ETIMEDOUT" and waiting):
        lines = [f"{waiting} connections wait"] if waiting else last_match(site.uwsgi.log, r".*listen queue.*full.*")
        return FAULTS.fault(
            "socket.queue-full",
            BROKEN,
            f"the listen queue of {probe.address} is full: connections arrive faster than they are accepted",
            _queue(site),
            [failed, *lines],
        )
    if error == "EHOSTUNREACH" and site.managed:
        unit = f"pyweb-ports-{site.name}.service"
        cause = (
            f"{unit} does not let {host.nginx.worker_name} connect to {probe.address}: nginx now runs as another user"
        )
        return FAULTS.fault(
            "socket.denied", BROKEN, cause, f"run pyweb.stack.site; for now: systemctl stop {unit}", [failed]
        )
    cause = f"nginx's worker cannot connect to {probe.address}: {error}"
    told = f"`{site.handler}` at {site.handler.place}" if site.handler else "uwsgi_pass"
    return FAULTS.fault("socket.unreachable", BROKEN, cause, f"correct the address in {told}, then {RELOAD}", [cause])


def _unusable(site: Site, probe: Probe) -> Fault | None:
    """Judge an address that accepts connections, or a path that could not be tried."""
    if not probe.exists:
        return _missing(site, probe)
    if probe.hidden:
        return _hidden(probe)
    if probe.kind or ((probe.answer is None or site.server.kind != "uwsgi") and declared(site, probe)):
        return _mismatch(site, probe)
    if site.handler and site.handler.args[:1] and site.handler.args[0].startswith("https://") and probe.answer:
        return _plain(site, probe)
    if probe.answer is None and probe.speaks in ("uwsgi", "http") and not site.passive:
        return FAULTS.fault(
            "socket.silent",
            BROKEN,
            f"{probe.address} accepts connections but does not answer a {probe.speaks} request: {probe.failure}",
            f"stop that program, and start the site's server there; or correct the address in nginx, then {RELOAD}"
            if site.server.stranger or not of_uwsgi(site, probe)
            else f"find out what it does: {_log(site)}; then {restart(site)}",
            [f"{probe.speaks} request to {probe.address}: {probe.failure}", f"held by {probe.owner or '?'}"],
        )
    return None


def _missing(site: Site, probe: Probe) -> Fault:
    listens = ", ".join(_listens(site)) or "something else"
    instead = f"{site.server.label} listens on {listens}" if site.uwsgi.master else f"{site.server.label} does not run"
    if site.uwsgi.master and probe.address in _listens(site):
        instead = f"{site.server.label} runs, but the file that it listened on was removed"
    cause = f"there is no socket {probe.address}: {instead}"
    evidence = [f"connect({probe.address}): ENOENT"]
    if without_current(site) and probe.address.startswith(f"unix:{site.layout.current}/"):
        cause = f"there is no link {site.layout.current}, which points to the live release: nginx finds no socket"
        fix = f"pyweb.stack.site sets it again; for now: ln -s releases/ID {site.layout.current}"
        return FAULTS.fault("socket.missing", BROKEN, cause, fix, evidence)
    return FAULTS.fault("socket.missing", BROKEN, cause, _fix_address(site, probe), evidence)


def _of_owner(probe: Probe) -> str:
    pid = re.search(r"\(pid (\d+)", probe.owner)
    return f" (systemctl status {pid[1]} shows what started it)" if pid else ""


def _hidden(probe: Probe) -> Fault:
    return FAULTS.fault(
        "socket.hidden",
        BROKEN,
        f"nginx cannot see {probe.address}: it has a private /tmp (PrivateTmp=), which does not contain the socket",
        "put the socket in /run/NAME/ instead of /tmp, in uWSGI's ini and in nginx",
        [probe.described],
    )


def _denied(site: Site, host: Host, probe: Probe) -> Fault:
    worker, group = host.nginx.worker_name, host.nginx.worker_group
    found = probe.obstacle
    if not found or found.kind != "denied":
        if host.denials:
            return selinux(FAULTS, host.denials[0], BROKEN, _denied_path(site, host.denials[0]))
        cause = f"{worker} cannot connect to {probe.address}, though its mode allows it: SELinux or another policy"
        return FAULTS.fault("socket.denied", BROKEN, cause, "ausearch -m avc -ts recent", ["EACCES", probe.described])
    mode = f"{found.mode:04o}"
    late = restart_for_group(site, host, probe.address)
    if late:
        cause = f"{worker} cannot use {found.path} ({mode}): {late}"
        evidence = [f"connect({probe.address}): EACCES", found.evidence]
        return FAULTS.fault("socket.denied", BROKEN, cause, RESTART, evidence)
    if not found.directory:
        option = f"web_sites[].uwsgi.chmod_socket; by hand: {_open_socket(site, worker, group)}"
        cause = f"{worker} cannot write to the socket {found.path}: its mode is {mode}"
        if found.mode & 0o020 and (owned := re.match(r"\S+ (\S+):(\S+) ", probe.described or "")):
            cause += f", and it belongs to {owned[1]}:{owned[2]}, a group that {worker} is not in"
            now = f"; for now: chgrp {group} {found.path}"
            unit, user = site.uwsgi.unit.get("Id", "the unit"), site.uwsgi.user or "USER"
            option = (
                f"web_sites[].uwsgi.chmod_socket; by hand: Group={group} in {unit} (or chown-socket = {user}:{group} "
                f"in {ini(site)} if root starts uWSGI)"
            )
        else:
            now = f"; for now: chmod 660 {found.path} && chgrp {group} {found.path}"
        fix = f"{option.replace(BY_HAND, now + BY_HAND)}{now}"
    elif re.fullmatch(r"/home/[^/]+|/root", found.path):
        cause = f"the home directory {found.path} is not accessible ({mode}): {worker} cannot reach the socket in it"
        fix = found.fix if found.fix.startswith("setfacl") else f"chmod o+x {found.path}, or a socket in /run"
    else:
        cause = f"the directory {found.path} is not accessible ({mode}): {worker} cannot reach the socket in it"
        fix = found.fix
    return FAULTS.fault("socket.denied", BROKEN, cause, fix, [f"connect({probe.address}): EACCES", found.evidence])


def _open_socket(site: Site, worker: str, group: str) -> str:
    """Return the lines that let nginx use the socket after the next start, which sets its mode."""
    start = site.server.start
    if start and start.socket:
        lines = f"SocketUser={worker} and SocketMode=0660 below [Socket] in {start.socket['Id']}"
        return f"{lines}, then systemctl daemon-reload && {listen_anew(site)}"
    if site.server.kind == "uwsgi":
        return f"set chmod-socket = 660 and a group of {worker} in {ini(site)}"
    if site.server.kind == "gunicorn":
        return f"--umask 007 and Group={group} in {place_of(site)}, then {restart(site)}"
    return f"UMask=0007 and Group={group} in what starts it ({place_of(site)}), then {restart(site)}"


def _mismatch(site: Site, probe: Probe) -> Fault:
    told, where = declared(site, probe), probe.address
    bind = where.replace("unix:", "", 1)  # as the ini has it
    if probe.speaks == "uwsgi":
        router = told != "http-socket"
        option = "http" if router else "http-socket"
        target = f"http://{where}" if not where.startswith("unix:") else f"http://{where}:/"
        if site.server.kind not in ("uwsgi", ""):
            who = f"{site.server.label} listens and speaks HTTP"
        elif not told and not site.uwsgi.master:
            who = f"a program that speaks HTTP listens ({probe.owner or 'unknown'})"
        elif router:
            who = "uWSGI's HTTP router (--http) listens: it waits for HTTP, and nginx gives up with 504"
        else:
            who = "uWSGI speaks HTTP (--http-socket): it refuses the request, and nginx answers 502"
        cause = f"protocol mismatch: nginx speaks uwsgi (uwsgi_pass) to {where}, where {who}"
        fix = (
            f"either start uWSGI with `socket = {bind}` instead of `{option} = {bind}`, or use `proxy_pass {target};` "
            f"instead of `{site.handler}`"
        )
        if not told and not site.uwsgi.master and site.uwsgi.unit.get("Id"):
            # The site's own server should listen there, but cannot.
            fix = f"stop that program{_of_owner(probe)}, then systemctl restart {site.uwsgi.unit['Id']}"
        if site.server.kind not in ("uwsgi", ""):
            fix = f"use `proxy_pass {target};` and `proxy_set_header Host $host;` instead of `{site.handler}`"
    else:
        cause = (
            f"protocol mismatch: nginx speaks HTTP (proxy_pass) to {where}, where uWSGI has a uwsgi socket: "
            "it closes the connection, and nginx answers 502"
        )
        fix = (
            f"either use `uwsgi_pass {where};` with `include uwsgi_params;` instead of `{site.handler}`, or start "
            f"uWSGI with `http-socket = {bind}` instead of `socket = {bind}`"
        )
    wire = f"a {probe.speaks} request to {where}: {probe.failure}; "
    wire += f"one in {probe.kind} was answered" if probe.kind else f"started with {told}"
    place = site.handler.place if site.handler else "?"
    return FAULTS.fault("socket.protocol", BROKEN, cause, fix, [wire, f"{site.handler} in {place}"])


def _plain(site: Site, probe: Probe) -> Fault:
    """Judge a proxy_pass that speaks TLS to a server without TLS."""
    told, place = str(site.handler), site.handler.place if site.handler else "?"
    return FAULTS.fault(
        "socket.protocol",
        BROKEN,
        f"protocol mismatch: nginx speaks https (`{told}`) to {probe.address}, where {site.server.label} speaks plain "
        "HTTP: nginx answers 502",
        f"`{told.replace('https://', 'http://', 1)}` in {place}, then {RELOAD}",
        [f"a plain HTTP request to {probe.address} was answered", f"{told} in {place}"],
    )


def _fix_address(site: Site, probe: Probe) -> str:
    binds = _listens(site)
    if binds and site.handler and probe.address not in binds:
        return (
            "use the same address in both: web_sites[].uwsgi.socket with pyweb.stack.site writes it for uWSGI and for "
            f"uwsgi_pass; by hand: set {_passing(site, binds[-1])}; at {site.handler.place} or in its upstream, then "
            f"{RELOAD}; or {_option(site, probe)}, then {listen_anew(site)}"
        )
    return _restart(site) or f"start {site.server.label} there"


def _passing(site: Site, bind: str) -> str:
    """Return the directive that passes requests to an address, in nginx's current protocol."""
    if site.speaks != "http":
        return f"uwsgi_pass {bind}"
    return f"proxy_pass http://{bind}{':' if bind.startswith('unix:') else ''}"


def _option(site: Site, probe: Probe) -> str:
    """Return what makes the server listen at the address that nginx connects to."""
    start, where = site.server.start, probe.address.replace("unix:", "")
    if start and start.socket:
        return f"ListenStream={where} in {start.socket['Id']}"
    if site.server.kind == "uwsgi":
        return f"socket = {where} in {site.uwsgi.options.files[-1] if site.uwsgi.options.files else 'the ini'}"
    return f"let {site.server.label} listen on {where} ({place_of(site)})"


def _queue(site: Site) -> str:
    return (
        "find out what is slow; increase web_sites[].uwsgi.processes, or uwsgi.options.listen with net.core.somaxconn; "
        f"by hand: find out what is slow; increase processes, or set listen = 1024 in {ini(site)} with sysctl "
        "net.core.somaxconn=1024"
    )


def _log(site: Site) -> str:
    unit = site.uwsgi.unit.get("Id")
    return f"journalctl -u {unit} -n 50" if unit else "the log of the program that listens there"


def _restart(site: Site) -> str:
    unit = site.uwsgi.unit.get("Id")
    return listen_anew(site) if unit or site.server.start else ""


def _listens(site: Site) -> list[str]:
    """Return the addresses at which the site's uWSGI accepts requests."""
    stats = site.uwsgi.options.last("stats")
    # gunicorn's control socket, for gunicornc, accepts no requests.
    aside = (stats, "/gunicorn.ctl") if stats else ("/gunicorn.ctl",)
    return [where for where in site.uwsgi.listens if site.uwsgi.master and not where.endswith(aside)]


def _waiting(probe: Probe, host: Host) -> int:
    """Return how many connections to a port wait to be accepted."""
    port = probe.address.rpartition(":")[2]
    return sum(listener.queue for listener in host.listeners if str(listener.port) == port)


def _denied_path(site: Site, denial: dict[str, str]) -> str:
    """Return the socket that a denial is about: the audit log has the last part of its path only."""
    sockets = [probe.real for probe in site.probes if probe.real]
    name = denial.get("name", "")
    named = [path for path in sockets if path.endswith(f"/{name}")]
    return (named or sockets or [f"{site.layout.run}/{name}"])[0]
