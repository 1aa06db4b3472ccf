# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gather the evidence about one site: what nginx would do, what answers, what Django says. It changes nothing.

It only finds out; `doctor.py` judges. Every question has a time limit, and those of a site are asked side by side, so
that a site takes less than five seconds, whatever hangs.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
import ssl
import stat
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar

from ..doctor import ask as doctor_tools
from ..doctor.look_host import RECENT, Host
from ..doctor.look_uwsgi import (
    Uwsgi,
    application_of,
    ask_stats,
    find_uwsgi,
    project_environment,
)
from ..host import path_walk, processes
from ..nginx import dump as nginx_dump
from ..uwsgi import options as uwsgi_options
from ..uwsgi import protocol as uwsgi_protocol

# Browsers keep cookies of up to 4096 bytes each (RFC 6265, section 6.1): one of them has to get through.
LARGE_COOKIE = 4096
# Errors of connecting after which there is nobody to ask.
_NOBODY = ("ENOENT", "ECONNREFUSED", "EAGAIN")
T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds: for the look into Django, for an answer, for a ping.

    A site takes the longest of them, not their sum: its questions are asked side by side.
    """

    look: float = 4.0

    @property
    def answer(self) -> float:
        return self.look / 2

    @property
    def ping(self) -> float:
        return self.look * 3 / 8


@dataclass
class Probe:
    """What happened when one address behind nginx was asked: as nginx's worker, then in the protocol of nginx."""

    address: str
    speaks: str
    exists: bool = True
    is_socket: bool = True
    obstacle: path_walk.Obstacle | None = None
    connect_error: str = ""  # errno name, '' when nginx's worker may connect
    hidden: bool = False  # nginx has a mount namespace in which it is not there
    owner: str = ""
    answer: uwsgi_protocol.Answer | None = None
    failure: str = ""
    pong: float | None = None
    ping_failure: str = ""
    kind: str = ""  # what answers when the wanted protocol gets none
    large_failure: str = ""  # what a request with a large cookie came to
    described: str = ""


@dataclass
class Entrance:
    """One way in: a domain at a port, and what a client got there."""

    domain: str
    address: str
    port: int
    tls: bool
    server: nginx_dump.Server | None
    wanted: list[nginx_dump.Server]
    answer: uwsgi_protocol.Answer | None = None
    failure: str = ""
    errno: int = 0
    certificate: str = ""  # OpenSSL's verdict, '' when it is right
    certificate_place: str = ""

    @property
    def url(self) -> str:
        usual = self.port == (443 if self.tls else 80)
        return f"http{'s' if self.tls else ''}://{self.domain}{'' if usual else f':{self.port}'}"

    @property
    def host(self) -> str:
        return self.url.partition("//")[2]

    @property
    def where(self) -> str:
        return f"{'[' + self.address + ']' if ':' in self.address else self.address}:{self.port}"


@dataclass
class Fetched:
    """A static or media file as a client gets it, and the file that nginx takes for it."""

    uri: str
    status: int = 0
    failure: str = ""
    file: str = ""
    handler: str = ""
    place: str = ""
    obstacle: path_walk.Obstacle | None = None


@dataclass
class Site:
    """All that was found out about one site."""

    name: str
    domains: list[str]
    path: str
    wanted_status: list[int]
    managed: bool
    media_wanted: bool
    patience: Patience = field(default_factory=Patience)
    entrances: list[Entrance] = field(default_factory=list)
    resolved: dict[str, str] = field(default_factory=dict)
    chain: list[nginx_dump.Directive] = field(default_factory=list)
    handler: nginx_dump.Directive | None = None
    speaks: str = ""
    probes: list[Probe] = field(default_factory=list)
    uwsgi: Uwsgi = field(default_factory=Uwsgi)
    inside: dict[str, dict[str, Any]] = field(default_factory=dict)
    inside_last: str = ""
    inside_error: str = ""
    inside_timed_out: bool = False
    debug_page: bool = False
    static: Fetched | None = None
    media: Fetched | None = None
    media_obstacle: path_walk.Obstacle | None = None
    nginx_events: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    @property
    def answers(self) -> list[uwsgi_protocol.Answer]:
        """What was answered, behind nginx and in front of it."""
        return [one for one in [probe.answer for probe in self.probes] + [way.answer for way in self.entrances] if one]


def look_at_site(given: Mapping[str, Any], host: Host, django_look: str, patience: Patience) -> Site:
    """Find out about one site: `given` needs a name and domains; `django_look` is the text of django_look.py."""
    health = given.get("health") or {}
    root = given.get("root") or f"/opt/sites/{given['name']}"
    site = Site(
        name=given["name"],
        domains=[one.replace("*", "www", 1) for one in given["domains"]],
        path=str(health.get("path") or "/"),
        wanted_status=list(health.get("status") or []),
        managed=os.path.islink(f"{root}/current"),
        media_wanted=given.get("media") is not False,
        patience=patience,
    )
    config = host.nginx.config
    site.entrances = _entrances(site, host)
    main = _main_server(site, config)
    addresses: list[str] = []
    if config and main:
        site.chain = nginx_dump.locate(main, site.path)
        site.handler = nginx_dump.handler(site.chain)
        if site.handler and site.handler.name.endswith("_pass"):
            site.speaks, addresses = nginx_dump.targets(config, site.handler)
    site.uwsgi = find_uwsgi(site.name, site.domains, root, host, addresses)
    site.secrets = secrets_of(site.uwsgi.environment, site)
    # Children that change their ids are forked here, before any thread runs.
    site.probes = [_approach(one, site, host) for one in addresses[:4]]
    with ThreadPoolExecutor(16) as pool:
        jobs: list[Future[Any]] = [pool.submit(_look_inside, site, main, django_look)]
        jobs += [pool.submit(_resolve, site, one) for one in site.domains[:4]]
        # Whether a worker is free is asked before this doctor's own requests keep one busy.
        _all_done(
            [pool.submit(ask_stats, site.uwsgi, patience.ping), *(pool.submit(_ping, one, site) for one in site.probes)]
        )
        jobs += [pool.submit(_ask_probe, one, site) for one in site.probes]
        jobs += [pool.submit(_ask_entrance, one, site) for one in site.entrances[:6]]
        jobs += [pool.submit(_debug_page, site)]
        _all_done(jobs)
    if main:
        _look_at_files(site, main, host)
    _events(site, host)
    _disks(site, main, given)
    return site


def reserved(domain: str) -> bool:
    """Whether a name never stands in the public DNS: RFC 2606, RFC 6761, RFC 6762, an address, a single label."""
    if re.fullmatch(r"[0-9.]+|\[?[0-9a-f:]+\]?", domain) or "." not in domain:
        return True
    labels = domain.lower().rstrip(".").split(".")
    return labels[-1] in ("test", "example", "invalid", "localhost", "local", "internal", "lan", "home") or (
        labels[-2] == "example" and labels[-1] in ("com", "net", "org")
    )


def secrets_of(environment: Mapping[str, str], site: Site) -> list[str]:
    """What must not be shown: the values of a site's own environment variables."""
    known = {site.name, *site.domains}
    return [
        value
        for name, value in environment.items()
        if len(value) > 3 and value not in known and not _PUBLIC.fullmatch(name)
    ]


def certificate_fault(where: str, domain: str, timeout: float) -> str:
    """OpenSSL's verdict on the certificate that is served for a domain; '' where it is right or none comes.

    The certificate itself is the trust anchor, so that a self-signed one is as good as any: what is judged are its
    dates and its names.
    """
    host, _colon, port = where.rpartition(":")
    peer = (host.strip("[]"), int(port))
    try:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection(peer, timeout))
            trusting = stack.enter_context(_any_certificate().wrap_socket(plain, server_hostname=domain))
            served = ssl.DER_cert_to_PEM_cert(trusting.getpeercert(binary_form=True) or b"")
        strict = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        strict.load_verify_locations(cadata=served)
        strict.verify_flags |= 0x80000  # X509_V_FLAG_PARTIAL_CHAIN, named since Python 3.10
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection(peer, timeout))
            stack.enter_context(strict.wrap_socket(plain, server_hostname=domain))
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except (OSError, ValueError):
        pass
    return ""


# --- what a client sees ---


def _entrances(site: Site, host: Host) -> list[Entrance]:
    """Every domain at every port that a server of nginx has for it."""
    config, found = host.nginx.config, []
    address = next((one for one in host.addresses if ":" not in one), "127.0.0.1")
    for domain in site.domains:
        wanted = [one for one in config.servers if one.matches(domain)] if config else []
        listens = {(one.port, one.ssl): one for server in wanted for one in reversed(server.listens) if one.port}
        for (port, tls), one in sorted(listens.items()) or [((80, False), nginx_dump.Listen("*", 80))]:
            where = address if one.address in ("*", "::") else one.address
            where = address if ":" in where and not host.ipv6 else where
            server = config.select(domain, where, port) if config else None
            found.append(Entrance(domain, where, port, tls, server, wanted))
    return found


def _main_server(site: Site, config: nginx_dump.Config | None) -> nginx_dump.Server | None:
    """The server that hands over to the application: of those with the site's name one that has a `*_pass`."""
    named = [one for domain in site.domains for one in (config.servers if config else []) if one.matches(domain)]

    def rank(server: nginx_dump.Server) -> int:
        handler = nginx_dump.handler(nginx_dump.locate(server, site.path))
        return 2 if handler and handler.name.endswith("_pass") else 0 if handler else 1

    return max(named, key=rank) if named else None


def _ask_entrance(one: Entrance, site: Site) -> None:
    """What a client of this host gets."""
    if one.tls:
        place = nginx_dump.inherited(one.server.chain, "ssl_certificate") if one.server else None
        one.certificate_place = place.args[0] if place else ""
        one.certificate = certificate_fault(one.where, one.domain, site.patience.ping)
    try:
        one.answer = _get(one, site.path, site.patience.answer)
    except uwsgi_protocol.ProtocolError as error:
        one.failure, one.errno = error.cause, error.errno or 0


def _get(one: Entrance, path: str, timeout: float) -> uwsgi_protocol.Answer:
    return uwsgi_protocol.http_request(one.where, one.host, path, timeout, tls=_any_certificate() if one.tls else None)


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _debug_page(site: Site) -> None:
    """Whether a page that is not there is answered by Django's yellow one."""
    for one in site.entrances[:1]:
        with contextlib.suppress(uwsgi_protocol.ProtocolError):
            page = _get(one, f"/pyweb-doctor-{uuid.uuid4().hex}", site.patience.answer)
            site.debug_page = b"DEBUG = True" in page.body


def _resolve(site: Site, domain: str) -> None:
    """What this host's resolver says of a domain: its addresses, or why there are none; bounded by a child process."""
    if reserved(domain):
        return
    looked = doctor_tools.run(["getent", "ahosts", domain], timeout=1.5)
    found = list(dict.fromkeys(line.split()[0] for line in looked.out.splitlines() if line.strip()))
    site.resolved[domain] = " ".join(found) if found else "" if looked.status is not None else "?"


# --- what is behind nginx ---


def _approach(address: str, site: Site, host: Host) -> Probe:
    """Walk to a socket and connect to it as nginx's worker would."""
    probe = Probe(address, site.speaks)
    worker = host.nginx.worker
    if address.startswith("unix:"):
        path = address[5:]
        probe.exists = os.path.exists(path)
        probe.is_socket = not probe.exists or _is_socket(path)
        probe.obstacle = path_walk.obstacle(path, worker, path_walk.READ | path_walk.WRITE)
        probe.described = path_walk.described(path)
        own_tmp = host.nginx.unit.get("PrivateTmp") == "yes"
        probe.hidden = probe.exists and own_tmp and path.startswith(("/tmp/", "/var/tmp/"))  # noqa: S108 - looked at only
        real = os.path.realpath(path)
        holders = [one for one in host.listeners if one.address[5:] in (path, real)]
    else:
        port = int(address.rpartition(":")[2]) if address.rpartition(":")[2].isdigit() else 0
        holders = [one for one in host.listeners if one.port == port]
    pids = [pid for one in holders for pid in one.pids]
    owners = [host.table[pid] for pid in pids if pid in host.table]
    probe.owner = str(min(owners, key=lambda one: one.pid)) if owners else ""

    def connect() -> str:
        try:
            # Longer than an accept takes, far shorter than a queue that is full.
            with uwsgi_protocol.connect(address, 1.0):
                return ""
        except uwsgi_protocol.ProtocolError as error:
            return _errno_name(error.errno or 0)

    said = processes.run_as(worker, connect)
    probe.connect_error = said if isinstance(said, str) else ""
    return probe


def _ping(probe: Probe, site: Site) -> None:
    """Whether a worker of uWSGI is free, at an address where one may be."""
    if probe.connect_error not in _NOBODY:
        probe.pong, probe.ping_failure = _attempt(lambda: uwsgi_protocol.ping(probe.address, site.patience.ping))


def _ask_probe(probe: Probe, site: Site) -> None:
    """Ask in the protocol that nginx speaks; where that fails, in the other one."""
    host = site.domains[0]
    asks: dict[str, Callable[..., uwsgi_protocol.Answer]] = {
        "uwsgi": uwsgi_protocol.request,
        "http": uwsgi_protocol.http_request,
    }
    ask = asks.get(probe.speaks)
    if not ask or probe.connect_error in _NOBODY:
        return
    probe.answer, probe.failure = _attempt(lambda: ask(probe.address, host, site.path, site.patience.answer))
    if probe.answer is None:
        other = "http" if probe.speaks == "uwsgi" else "uwsgi"
        answer, _failure = _attempt(lambda: asks[other](probe.address, host, site.path, site.patience.ping / 2))
        probe.kind = other if answer is not None or (other == "uwsgi" and probe.pong is not None) else ""
    elif probe.speaks == "uwsgi":
        cookie = {"Cookie": "pyweb-doctor=" + "x" * (LARGE_COOKIE - 13)}
        large, why = _attempt(lambda: ask(probe.address, host, site.path, site.patience.answer / 2, cookie))
        probe.large_failure = "" if large is not None else why


def _attempt(ask: Callable[[], T]) -> tuple[T | None, str]:
    try:
        return ask(), ""
    except uwsgi_protocol.ProtocolError as error:
        return None, error.cause


def _all_done(jobs: list[Future[Any]]) -> None:
    for job in jobs:
        job.result()


def _errno_name(number: int) -> str:
    return errno.errorcode.get(number, str(number))


def _is_socket(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISSOCK(os.stat(path).st_mode)
    return False


# --- Django ---


def _look_inside(site: Site, main: nginx_dump.Server | None, text: str) -> None:
    """Load the application as uWSGI would, in a process of its own, and read what it says."""
    found, options = site.uwsgi, site.uwsgi.options
    module, name = application_of(options)
    if not module:
        return
    wanted = {"hosts": site.domains, "requests": _forms(site, main)}
    folder = options.last("chdir") or "/"
    python = uwsgi_options.python_of(options, found.command)
    who = found.master.identity if found.master else doctor_tools.account(found.user)
    if not os.path.isdir(folder):
        site.inside_error = f"chdir: there is no directory {folder}"
        return
    said = doctor_tools.run(
        [python, "-", module, name, json.dumps(wanted)],
        timeout=site.patience.look,
        cwd=folder,
        environment=project_environment(found),
        stdin=text,
        who=who,
    )
    site.inside_timed_out = said.status is None and not said.err
    for line in said.out.splitlines():
        if line.startswith("pyweb-look "):
            with contextlib.suppress(ValueError):
                one = json.loads(line.partition(" ")[2])
                site.inside_last = one["step"]
                key = f"{one['step']} {one['at']}" if one["step"] == "failed" else one["step"]
                if key not in site.inside or one.get("alias") == "default":
                    site.inside[key] = one
    if not site.inside and not site.inside_timed_out:
        site.inside_error = (said.err.strip().splitlines() or ["it said nothing"])[-1]


def _forms(site: Site, main: nginx_dump.Server | None) -> list[dict[str, Any]]:
    """How a form of every entrance reaches Django: its origin, and what nginx passes on as host and scheme."""
    forms = []
    for one in site.entrances:
        server = one.server if one.server in one.wanted else main
        if not server:
            continue
        chain = nginx_dump.locate(server, site.path)
        handler = nginx_dump.handler(chain)
        if not handler or not handler.name.endswith("_pass"):
            continue
        is_http = handler.name == "proxy_pass"
        passed = nginx_dump.parameters(chain, "proxy_set_header" if is_http else "uwsgi_param")
        host = passed.get("Host", "$proxy_host") if is_http else passed.get("HTTP_HOST", "$http_host")
        variables = {"$http_host": one.host, "$host": one.domain, "$server_name": one.domain}
        variables["$proxy_host"] = handler.args[0].partition("://")[2].partition("/")[0]
        variables["$server_port"] = str(one.port)
        variables["$scheme"] = "https" if one.tls else "http"
        for variable, value in sorted(variables.items(), reverse=True):  # $http_host before $host
            host = host.replace(variable, value)
        scheme = passed.get("X-Forwarded-Proto", passed.get("HTTP_X_FORWARDED_PROTO", ""))
        meta = {"HTTP_X_FORWARDED_PROTO": variables.get(scheme, scheme)} if scheme else {}
        secure = one.tls and not is_http and ("HTTPS" in passed or "HTTP_X_FORWARDED_PROTO" in passed)
        forms.append({"domain": one.domain, "host": host, "origin": one.url, "secure": secure, "meta": meta})
    return forms


# --- files, logs, disks ---


def _look_at_files(site: Site, main: nginx_dump.Server, host: Host) -> None:
    """Fetch a static file, and walk to the media, as nginx would."""
    files = site.inside.get("files", {})
    worker = host.nginx.worker
    url = files.get("static_url") or "/static/"
    if files.get("static_used", True) and "//" not in url:
        folder = nginx_dump.file_of(nginx_dump.locate(main, f"/{url.strip('/')}/x"), f"/{url.strip('/')}/x")
        sample = files.get("sample") or _sample(os.path.dirname(folder))
        site.static = _fetch(site, main, f"/{url.strip('/')}/{sample}", worker) if sample else None
    media_url, media_root = files.get("media_url", ""), files.get("media_root", "")
    if media_root and media_url.strip("/") and "//" not in media_url and site.media_wanted:
        sample = _sample(media_root)
        site.media = _fetch(site, main, f"/{media_url.strip('/')}/{sample or 'x'}", worker, ask=bool(sample))
        if os.path.isdir(media_root):
            site.media_obstacle = path_walk.obstacle(media_root, worker, path_walk.ENTER)
            for name in _some_files(media_root):
                site.media_obstacle = site.media_obstacle or path_walk.obstacle(name, worker)


def _fetch(site: Site, main: nginx_dump.Server, uri: str, worker: path_walk.Identity, ask: bool = True) -> Fetched:
    chain = nginx_dump.locate(main, uri)
    handler = nginx_dump.handler(chain)
    found = Fetched(uri, file=nginx_dump.file_of(chain, uri), handler=str(handler) if handler else "")
    found.place = chain[-1].place
    if found.file and os.path.lexists(os.path.dirname(found.file)):
        found.obstacle = path_walk.obstacle(found.file, worker)
    entrance = next((one for one in site.entrances if one.server is not None and one.server.place == main.place), None)
    entrance = entrance or next(iter(site.entrances), None)
    if entrance and ask:
        try:
            found.status = _get(entrance, uri, site.patience.ping / 2).status
        except uwsgi_protocol.ProtocolError as error:
            found.failure = error.cause
    return found


def _sample(folder: str) -> str:
    """A file below a folder, relative to it."""
    names = _some_files(folder)
    return os.path.relpath(names[0], folder) if names else ""


def _some_files(folder: str, most: int = 50) -> list[str]:
    """The newest of the first files below a folder: what was uploaded last is what people look at."""
    found: list[tuple[float, str]] = []
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in files:
            if not name.startswith("."):
                with contextlib.suppress(OSError):
                    found.append((os.lstat(f"{root}/{name}").st_mtime, f"{root}/{name}"))
        if len(found) > 2000:
            break
    return [name for _when, name in sorted(found, reverse=True)[:most]]


def _events(site: Site, host: Host) -> None:
    """What nginx wrote into its error log about this site, lately and since uWSGI and nginx run as they do."""
    config = host.nginx.config
    if not config or not site.chain:
        return
    log = nginx_dump.inherited(site.chain, "error_log")
    path = log.args[0] if log else config.value("error_log", "/var/log/nginx/error.log")
    started = [one.started for one in [*host.nginx.workers[-1:], site.uwsgi.master] if one]
    since = max([host.now - RECENT, *started])
    names = {name for one in site.entrances for server in one.wanted for name in server.names}
    for line in doctor_tools.tail(path).splitlines():
        match = re.match(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?:error|crit|warn)\] ", line)
        server = re.search(r", server: ([^,]*),", line)
        if match and server and server[1] in names and "pyweb-doctor" not in line:
            with contextlib.suppress(ValueError):
                if time.mktime(time.strptime(match[1], "%Y/%m/%d %H:%M:%S")) + 1 >= since:
                    site.nginx_events.append(line)


def _disks(site: Site, main: nginx_dump.Server | None, given: Mapping[str, Any]) -> None:
    """The file systems that the site writes to and that have no room left."""
    database = site.inside.get("database", {}).get("file", "")
    places = [
        os.path.dirname(database),
        site.inside.get("files", {}).get("media_root", ""),
        str(given.get("state") or ""),
        site.uwsgi.options.last("chdir"),
        "/var/log",
        "/tmp",  # noqa: S108 - its free space is looked at, nothing is put there
        "/run",
        "/",
    ]
    seen = set()
    for place in places:
        with contextlib.suppress(OSError):
            info = os.statvfs(place)
            device = os.stat(place).st_dev
            free = info.f_bavail * info.f_frsize
            if device not in seen and info.f_blocks and (free < 1 << 20 or (info.f_files and not info.f_favail)):
                what = f"{free >> 10} KiB of {info.f_blocks * info.f_frsize >> 20} MiB free"
                site.full.append(f"{place}: {what}, {info.f_favail} of {info.f_files} inodes free")
            seen.add(device)


# Variables that say nothing that anybody would hide.
_PUBLIC = re.compile(
    r"PATH|HOME|LANG(UAGE)?|LC_\w+|USER|LOGNAME|SHELL|PWD|OLDPWD|SHLVL|TERM|TZ|MAIL|_|VIRTUAL_ENV|PYTHON\w*|UWSGI_\w+"
    r"|DJANGO_SETTINGS_MODULE|INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|SYSTEMD_EXEC_PID|LISTEN_\w+|RUNTIME_DIRECTORY"
)
