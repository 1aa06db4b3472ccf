# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inner hops: socket, uWSGI, application, Django. Each looks at the evidence and names its faults."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ...doctor import look_site as doctor_look
from ...doctor import look_uwsgi as doctor_uwsgi
from ...doctor.fault import (
    BROKEN,
    DEGRADED,
    UNKNOWN,
    Fault,
    all_busy,
    declared,
    good,
    matching,
    selinux,
)
from ...doctor.look_host import Host
from ...doctor.look_site import Probe, Site
from ...host import path_walk
from ...nginx import dump as nginx_dump
from ...uwsgi import options as uwsgi_options
from ...uwsgi.failures import own_words

# A uWSGI that was started again three times in so many seconds is in a loop.
LATELY = 20


def judge_socket(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    worker = host.nginx.worker
    for one in site.probes:
        option = "web_sites[].uwsgi.chmod_socket" if site.managed else f"chmod-socket = 660 and group {worker.name}"
        if one.connect_error == "ENOENT" or not one.exists:
            yield Fault(
                "socket.missing",
                BROKEN,
                f"there is no socket {one.address}: {_not_there(site, one)}",
                _mend_address(site, one),
                [f"connect({one.address}): ENOENT"],
            )
        elif one.hidden:
            yield Fault(
                "socket.hidden",
                BROKEN,
                f"nginx cannot see {one.address}: it has a private /tmp (PrivateTmp=) in which the socket is not",
                "put the socket into /run/NAME/ instead of /tmp, in uWSGI's ini and in nginx",
                [one.described],
            )
        elif one.connect_error == "ECONNREFUSED" and one.address.startswith("unix:"):
            runs = "; uWSGI runs, but the file that it listened on was replaced" if site.uwsgi.master else ""
            cause = f"{one.address} is a stale socket: the file is there, and nobody listens on it{runs}"
            if not one.is_socket:
                cause = f"{one.address} is no socket but another kind of file"
            yield Fault(
                "socket.stale",
                BROKEN,
                cause,
                f"systemctl restart {site.uwsgi.unit['Id']}" if site.uwsgi.unit.get("Id") else "restart uWSGI",
                [f"connect({one.address}): ECONNREFUSED", one.described],
            )
        elif one.connect_error == "ECONNREFUSED":
            yield Fault(
                "socket.refused",
                BROKEN,
                f"nothing listens on {one.address}, where nginx connects to" + _but_there(site),
                _mend_address(site, one),
                [f"connect({one.address}): ECONNREFUSED", f"{site.handler} in {site.handler.place}"]
                if site.handler
                else [],
            )
        elif one.connect_error in ("EACCES", "EPERM"):
            yield _denied(one, worker, option, host)
        elif one.connect_error == "EAGAIN" or (one.connect_error == "ETIMEDOUT" and _queued(one, host)):
            yield Fault(
                "socket.queue-full",
                BROKEN,
                f"the listen queue of {one.address} is full: nobody accepts as fast as clients come",
                "web_sites[].uwsgi.processes, or uwsgi.options.listen with net.core.somaxconn; see what is slow",
                [f"connect({one.address}): {one.connect_error}", *_queue_evidence(one, host, site)],
            )
        elif one.connect_error:
            cause = f"nginx's worker cannot connect to {one.address}: {one.connect_error}"
            yield Fault("socket.unreachable", BROKEN, cause, "look at the address in uwsgi_pass", [cause])
        elif one.kind or (one.answer is None and declared(site, one)):
            yield _mismatch(site, one)
        elif one.answer is None and one.speaks in ("uwsgi", "http"):
            yield Fault(
                "socket.silent",
                BROKEN,
                f"{one.address} takes connections and gives no answer to a {one.speaks} request: {one.failure}",
                "see what uWSGI and the application do",
                [f"{one.speaks} request to {one.address}: {one.failure}", f"held by {one.owner or '?'}"],
            )
        else:
            seen.append(f"{one.speaks} to {one.described if one.described else one.address}: as {worker.name} ok")
    for denial in host.denials:
        if denial.get("tclass") in ("sock_file", "unix_stream_socket", "tcp_socket"):
            broken = any(not (one.answer and good(one.answer.status, site)) for one in site.entrances)
            yield selinux(denial, BROKEN if broken else DEGRADED, "socket")
    full = re.findall(r"listen queue of socket \S+ \(fd: \d+\) full !!! \([^)]*\)", site.uwsgi.log)
    if full and not any(one.connect_error for one in site.probes):
        yield Fault(
            "socket.queue-full",
            DEGRADED,
            "the listen queue was full since uWSGI started: clients were turned away",
            "web_sites[].uwsgi.processes, or uwsgi.options.listen with net.core.somaxconn",
            [full[-1]],
        )


def judge_uwsgi(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    found = site.uwsgi
    unit = found.unit.get("Id", "")
    others = [one.owner for one in site.probes if one.owner and one.answer and not found.master]
    if others:
        seen.append(f"not uWSGI: {others[0]} answers")
        return
    if not found.installed:
        yield Fault("uwsgi.missing", BROKEN, "there is no uWSGI on this host", "playbooks/site.yml")
        return
    restarts = int(found.unit.get("NRestarts") or 0)
    state = f"{unit}: {found.unit.get('ActiveState', '')}/{found.unit.get('SubState', '')}, {restarts} restarts"
    if _crashing(site, host):
        yield Fault(
            "uwsgi.crashing",
            BROKEN,
            f"uWSGI ends and is started again, over and over: {_uwsgi_reason(found.log)}",
            f"journalctl -u {unit} -n 50; a rollback brings the release before",
            [state, *_last_lines(found.log)],
        )
        return
    if not found.master:
        cause = "uWSGI is stopped" if found.unit.get("ActiveState") != "failed" else "uWSGI failed"
        reason = _uwsgi_reason(found.log) if found.unit.get("ActiveState") == "failed" else ""
        command = f"systemctl start {unit}" if unit else " ".join(found.command) or "start uWSGI"
        yield Fault(
            "uwsgi.stopped",
            BROKEN,
            cause + (f": {reason}" if reason else ""),
            command,
            [state if unit else "no uWSGI of this site in the process table", *_last_lines(found.log)[-3:]],
        )
        return
    workers = found.stats.get("workers", [])
    busy = [one for one in workers if one.get("status") == "busy"]
    if all_busy(site):
        # Of the variables of a request in flight only its path is for everybody to see.
        variables = [text for one in busy for core in one.get("cores", []) for text in core.get("vars", [])]
        paths = sorted({text[10:] for text in variables if text.startswith("PATH_INFO=")})
        yield Fault(
            "uwsgi.busy",
            BROKEN,
            "all workers are busy: requests wait until one is free",
            "find what takes so long; web_sites[].uwsgi.processes or threads for more at once",
            [
                f"{len(busy)} of {len(workers)} workers are busy{': ' + ', '.join(paths[:3]) if paths else ''}"
                if workers
                else f"no pong within {site.patience.ping:g} s: {site.probes[0].ping_failure}"
            ],
        )
    killed = re.findall(r"HARAKIRI ON WORKER \d+ \(pid: \d+[^)]*\)", found.log)
    if killed:
        slow = re.findall(r"HARAKIRI \[core \d+\] \S+ - (\S+ \S+) since", found.log)
        yield Fault(
            "uwsgi.harakiri",
            DEGRADED,
            f"harakiri: {len(killed)} request{'s' if len(killed) > 1 else ''} took longer than "
            f"{found.options.last('harakiri') or '?'} s, and the worker was killed",
            "make it faster, or web_sites[].nginx.read_timeout (harakiri follows it)"
            if site.managed
            else "make it faster, or raise harakiri in the ini",
            [killed[-1] + (f" at {slow[-1]}" if slow else "")],
        )
    small = [one for one in site.probes if one.large_failure and "within" not in one.large_failure]
    block = re.findall(r"invalid request block size: (\d+) \(max (\d+)\)", found.log)
    # 21573 is "ET" of a GET read as a size: HTTP sent to a uwsgi socket, which is another fault.
    if small or any(size != "21573" and int(size) > int(most) for size, most in block):
        most = found.options.number("buffer-size", uwsgi_options.BUFFER_SIZE_DEFAULT)
        yield Fault(
            "uwsgi.buffer-size",
            DEGRADED,
            f"buffer-size is too small ({most}): a request with a large cookie gets 502",
            "web_sites[].uwsgi.options.buffer-size (65535 is the default here); by hand: buffer-size = 32768",
            [
                f"a cookie of {doctor_look.LARGE_COOKIE} bytes: {small[0].large_failure}" if small else "",
                *(f"invalid request block size: {size} (max {most})" for size, most in block[-1:]),
            ],
        )
    workers_word = f"with {len(found.workers)} workers" if found.workers else "alone"
    seen.append(f"process {found.master.pid} as {found.user} {workers_word}{', ' + unit if unit else ''}")


def judge_app(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    found, options = site.uwsgi, site.uwsgi.options
    log = found.log
    runs = found.master is not None and _answers_well(site)
    status = DEGRADED if runs else BROKEN
    later = "; what runs now was loaded before that" if runs else ""
    ini = options.files[-1] if options.files else "the command line"
    chdir = options.last("chdir")
    module, name = doctor_uwsgi.application_of(options)
    failed = site.inside.get("failed app", {})
    without = site.inside.get("failed django", {})
    if options.missing:
        yield Fault(
            "app.ini",
            status,
            f"uWSGI shall read {options.missing[0]}, which is not there{later}",
            f"put it there, or correct the command: {' '.join(found.command)}",
            [f"{options.missing[0]}: No such file or directory"],
        )
    if chdir and not os.path.isdir(chdir):
        yield Fault(
            "app.chdir",
            status,
            f"chdir is wrong: there is no directory {chdir}{later}",
            f"the directory that holds manage.py, as chdir in {ini} (web_sites[].source)",
            [f"chdir = {chdir} in {ini}", *matching(log, r"chdir\(\): .*")],
        )
        return
    home = options.last("home")
    if (home and not os.path.isdir(home)) or without:
        where = home or _python(site)
        yield Fault(
            "app.virtualenv",
            status,
            f"the virtualenv is wrong: there is no directory {home}{later}"
            if home and not os.path.isdir(home)
            else f"the virtualenv is wrong: {where} has no Django{later}",
            f"the virtualenv that Django was installed into, as home in {ini} (web_sites[].virtualenv)",
            [f"home = {home} in {ini}" if home else "", without.get("error", ""), *matching(log, r".*Python Home.*")],
        )
        return
    if failed:
        error, missing = failed["error"], failed.get("missing", "")
        top = module.partition(".")[0]
        if missing and (module == missing or module.startswith(f"{missing}.")):
            here = any(os.path.isfile(os.path.join(chdir or "/", one)) for one in (f"{top}/__init__.py", f"{top}.py"))
            there = "" if here else _elsewhere(site, top)
            evidence = [f"module = {options.last('module')} in {ini}", error]
            if there:
                yield Fault(
                    "app.chdir",
                    status,
                    f"chdir is wrong: {chdir} has no package {top}, {there} has{later}",
                    f"chdir = {there} in {ini}, the directory that holds manage.py (web_sites[].source)",
                    [f"chdir = {chdir}", *evidence],
                )
            else:
                yield Fault(
                    "app.module",
                    status,
                    f"the module is wrong: there is no {missing} in {chdir}{later}",
                    f"module in {ini} as WSGI_APPLICATION in the settings says it (web_sites[].wsgi)",
                    evidence,
                )
        elif "has no attribute" in error and name in error and not failed.get("where"):
            yield Fault(
                "app.module",
                status,
                f"the module {module} has no callable {name}{later}",
                f"module = {module}:application in {ini} (web_sites[].wsgi)",
                [error],
            )
        else:
            place = failed.get("where", "")
            fix = (
                f"install it: web_sites[].packages or requirements ({missing})" if missing else f"mend {place or 'it'}"
            )
            yield Fault(
                "app.import",
                status,
                f"the application cannot be imported: {error}{later}",
                fix,
                [f"{error}{f' at {place}' if place else ''}", *matching(log, r".*no python application found.*")],
            )
        return
    if not runs and "app" not in site.inside and re.search(r"unable to load app 0 |no python application found", log):
        error = _traceback(log) or "see uWSGI's log"
        yield Fault("app.import", status, f"the application cannot be imported: {error}", "mend it", _last_lines(log))
        return
    if site.inside_error and not site.inside:
        yield Fault(
            "app.interpreter",
            UNKNOWN,
            f"the application could not be looked at: {site.inside_error}",
            "see the evidence",
        )
        return
    if "app" in site.inside:
        python = site.inside.get("python", {}).get("version", "?")
        seen.append(f"{module}:{name} loads in {chdir} with Python {python}")
    elif found.installed and (found.master or module):
        why = "it took too long" if site.inside_timed_out else "uWSGI names no module"
        yield Fault("app.unseen", UNKNOWN, f"the application was not looked at: {why}", f"see {ini}")


def judge_django(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    inside = site.inside.get("settings", {})
    if inside.get("refused"):
        yield Fault(
            "django.allowed-hosts",
            BROKEN,
            f"ALLOWED_HOSTS does not have {', '.join(inside['refused'])}: Django answers 400",
            "web_sites[].domains; by hand: ALLOWED_HOSTS in the settings",
            [f"ALLOWED_HOSTS = {inside.get('allowed_hosts')}", *matching(site.uwsgi.log, r".*Invalid HTTP_HOST.*")],
        )
    for one in inside.get("origins", []):
        yield Fault(
            "django.csrf",
            DEGRADED,
            f"forms sent from {one['origin']} get 403: Django sees {one['sees']} and does not trust that origin",
            "web_sites[].nginx.listen and domains (they fill CSRF_TRUSTED_ORIGINS); by hand: CSRF_TRUSTED_ORIGINS = "
            f"['{one['origin']}'], or uwsgi_param HTTP_HOST $http_host and SECURE_PROXY_SSL_HEADER",
            [f"Origin: {one['origin']}; CsrfViewMiddleware refuses it"],
        )
    if site.debug_page or inside.get("debug"):
        yield Fault(
            "django.debug",
            DEGRADED,
            "DEBUG is on: everybody sees settings and code on an error page, and memory grows",
            "DEBUG = False in the settings (the overlay of this collection sets it)",
            [
                "a page that is not there is answered by Django's debug page"
                if site.debug_page
                else "settings.DEBUG is True"
            ],
        )
    if "failed settings" in site.inside:
        error = site.inside["failed settings"]["error"]
        yield Fault("django.settings", BROKEN, f"the settings cannot be used: {error}", "mend the settings", [error])
    if any(one.status == 500 for one in site.answers):
        reason = _traceback(site.uwsgi.log)
        cause = f"Django answers 500{': ' + reason if reason else ''}"
        yield Fault("django.error", BROKEN, cause, "read the traceback in uWSGI's log", [reason or "status 500"])
    timed_out = [one for one in site.probes if one.answer is None and "within" in one.failure and not one.connect_error]
    if timed_out and not all_busy(site) and not timed_out[0].kind and not declared(site, timed_out[0]):
        limit = nginx_dump.inherited(site.chain, f"{'proxy' if site.speaks == 'http' else 'uwsgi'}_read_timeout")
        yield Fault(
            "django.slow",
            BROKEN,
            f"the application is slow: no answer to {site.path} within {site.patience.answer:g} s while workers are "
            f"free; nginx waits {limit.args[0] if limit else '60s'} and then says 504",
            "make it faster; web_sites[].nginx.read_timeout for more patience (uwsgi_read_timeout)",
            [timed_out[0].failure],
        )
    late = [one for one in site.nginx_events if "upstream timed out" in one and "while reading response" in one]
    if late:
        limit = nginx_dump.inherited(site.chain, f"{'proxy' if site.speaks == 'http' else 'uwsgi'}_read_timeout")
        request = re.search(r'request: "(\S+ \S+)', late[-1])
        yield Fault(
            "django.timeouts",
            DEGRADED,
            f"{len(late)} request{'s' if len(late) > 1 else ''} got 504 lately ({request[1] if request else '?'}): the "
            f"application is slower than uwsgi_read_timeout ({limit.args[0] if limit else '60s'})",
            "make it faster, or web_sites[].nginx.read_timeout",
            [late[-1]],
        )
    if inside:
        seen.append(
            f"Django {site.inside.get('django', {}).get('version', '?')}, {inside.get('module', '')}, DEBUG off"
        )


def _denied(one: Probe, worker: path_walk.Identity, option: str, host: Host) -> Fault:
    found = one.obstacle
    if not found or found.kind != "denied":
        denial = next((one for one in host.denials), None)
        if denial:
            return selinux(denial, BROKEN, "socket")
        cause = f"{worker.name} may not connect to {one.address}, though its mode allows it: SELinux or another policy"
        return Fault("socket.denied", BROKEN, cause, "ausearch -m avc -ts recent", ["EACCES", one.described])
    mode = f"{found.mode:04o}"
    if not found.directory:
        cause = f"{worker.name} may not write to the socket {found.path}: its mode is {mode}"
        mend = f"{option}; now: chmod 660 {found.path} && chgrp {path_walk.group_name(worker.gid)} {found.path}"
    elif re.fullmatch(r"/home/[^/]+|/root", found.path):
        cause = f"the home directory {found.path} is closed ({mode}): {worker.name} cannot get to the socket in it"
        mend = f"chmod o+x {found.path}, or a socket in /run"
    else:
        cause = f"the directory {found.path} is closed ({mode}): {worker.name} cannot get to the socket in it"
        mend = found.mend
    return Fault("socket.denied", BROKEN, cause, mend, [f"connect({one.address}): EACCES", found.evidence])


def _mismatch(site: Site, one: Probe) -> Fault:
    told = declared(site, one)
    port = one.address
    bind = port.replace("unix:", "", 1)  # as the ini has it
    if one.speaks == "uwsgi":
        router = told != "http-socket"
        option = "http" if router else "http-socket"
        target = f"http://{port}" if not port.startswith("unix:") else f"http://{port}:/"
        who = (
            "uWSGI's HTTP router (--http) listens: it waits for HTTP, and nginx gives up with 504"
            if router
            else ("uWSGI speaks HTTP (--http-socket): it refuses the request, and nginx answers 502")
        )
        if not told and not site.uwsgi.master:
            who = f"a program that speaks HTTP listens ({one.owner or 'unknown'})"
        cause = f"protocol mismatch: nginx speaks uwsgi (uwsgi_pass) to {port}, where {who}"
        mend = (
            f"either start uWSGI with `socket = {bind}` instead of `{option} = {bind}`, "
            f"or let nginx say `proxy_pass {target};` instead of `{site.handler}`"
        )
    else:
        cause = (
            f"protocol mismatch: nginx speaks HTTP (proxy_pass) to {port}, where uWSGI has a uwsgi socket: "
            "it closes the connection, and nginx answers 502"
        )
        mend = (
            f"either let nginx say `uwsgi_pass {port};` with `include uwsgi_params;` instead of `{site.handler}`, "
            f"or start uWSGI with `http-socket = {bind}` instead of `socket = {bind}`"
        )
    wire = (
        f"a {one.speaks} request to {port}: {one.failure}; one in {one.kind} was answered"
        if one.kind
        else (f"a {one.speaks} request to {port}: {one.failure}; started with {told}")
    )
    return Fault(
        "socket.protocol",
        BROKEN,
        cause,
        mend,
        [wire, f"{site.handler} in {site.handler.place if site.handler else '?'}"],
    )


def _listens(site: Site) -> list[str]:
    """Where the site's uWSGI takes requests."""
    stats = site.uwsgi.options.last("stats")
    return [one for one in site.uwsgi.listens if site.uwsgi.master and not (stats and one.endswith(stats))]


def _but_there(site: Site) -> str:
    """Where the site's uWSGI takes requests instead, as the end of a sentence."""
    return f"; uWSGI listens on {', '.join(_listens(site))}" if _listens(site) else ""


def _not_there(site: Site, one: Probe) -> str:
    if not site.uwsgi.master:
        return "uWSGI does not run"
    return f"uWSGI listens on {', '.join(_listens(site)) or 'something else'}"


def _mend_address(site: Site, one: Probe) -> str:
    binds = _listens(site)
    if binds and site.handler:
        return (
            f"let both name one address: uwsgi_pass {binds[-1]}; in {site.handler.place} or its upstream"
            f" (web_sites[].uwsgi.socket), or socket = {one.address.replace('unix:', '')} in the ini"
        )
    return f"systemctl restart {site.uwsgi.unit['Id']}" if site.uwsgi.unit.get("Id") else "start uWSGI there"


def _queued(one: Probe, host: Host) -> int:
    port = one.address.rpartition(":")[2]
    return sum(listener.queue for listener in host.listeners if str(listener.port) == port)


def _queue_evidence(one: Probe, host: Host, site: Site) -> list[str]:
    waiting = _queued(one, host)
    return [f"{waiting} connections wait"] if waiting else matching(site.uwsgi.log, r".*listen queue.*full.*")[-1:]


def _answers_well(site: Site) -> bool:
    return any(one.answer and one.answer.status != 500 for one in site.probes)


def _crashing(site: Site, host: Host) -> bool:
    """systemd is starting it again, after it ended by itself, or has done so over and over until just now."""
    unit = site.uwsgi.unit
    again = unit.get("ActiveState") == "activating" and site.uwsgi.restarted
    # Where systemd calls it started at once (Type=simple), a loop looks like this: three restarts, the last just now.
    young = site.uwsgi.master is None or host.now - site.uwsgi.master.started < 2
    lately = [one for one in site.uwsgi.restarted if host.now - one < LATELY]
    return unit.get("SubState") == "auto-restart" or bool(again) or (len(lately) > 2 and young)


def _uwsgi_reason(log: str) -> str:
    """Why uWSGI ended, from its own words."""
    return own_words(log) or "it says nothing"


def _traceback(log: str) -> str:
    """The last line of the last traceback."""
    part = log.rpartition("Traceback (most recent call last)")[2] if "Traceback" in log else ""
    found = re.findall(r"(?m)^[A-Za-z_][\w.]*(?:Error|Exception|DoesNotExist|Configured|Exit)(?::.*)?$", part)
    return str(found[-1]) if found else ""


def _last_lines(log: str) -> list[str]:
    lines = [line for line in log.splitlines() if line.strip() and "systemd" not in line]
    return lines[-5:]


def _python(site: Site) -> str:
    return uwsgi_options.python_of(site.uwsgi.options, site.uwsgi.command)


def _elsewhere(site: Site, package: str) -> str:
    """A directory near chdir in which the package lies."""
    chdir = site.uwsgi.options.last("chdir")
    if not chdir or not os.path.isdir(chdir):
        return ""
    parent = os.path.dirname(chdir)
    places = [parent, *(os.path.join(base, one) for base in (chdir, parent) for one in _folders(base))]
    return next((one for one in places if os.path.isfile(os.path.join(one, package, "__init__.py"))), "")


def _folders(path: str) -> list[str]:
    try:
        return [one for one in sorted(os.listdir(path))[:50] if os.path.isdir(os.path.join(path, one))]
    except OSError:
        return []
