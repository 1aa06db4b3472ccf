# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Examine one site: what nginx would do, what answers, what Django reports. Changes nothing.

It only collects evidence; the hops judge. Every check has a time limit, and the checks of a site run in parallel, so a
site takes less than five seconds, whatever hangs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import traceback
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, TypeVar

from ..host import path_walk, processes
from ..host.files import read_or_empty
from ..model import prefixes
from ..model.layout import Layout
from ..model.secrets import hidden_variables, own_names
from ..nginx import match
from ..tls import pairs
from ..uwsgi import protocol
from . import ask
from .client import get
from .evidence import LARGE_COOKIE, Entrance, Host, Patience, Probe, Site
from .evidence_tls import Https
from .look_again import look_again_at_first
from .look_background import look_at_background, uptime_of
from .look_directives import look_at_directives, way_in
from .look_files import look_at_disks, look_at_events, look_at_files
from .look_inside import look_inside
from .look_locks import look_at_servers, watch_locks
from .look_logs import look_at_logs
from .look_mounts import look_at_mounts
from .look_pages import look_at_pages
from .look_proxies import look_in_front
from .look_redirects import greets, look_at_redirects
from .look_renewal import look_at_renewal
from .look_servers import look_around
from .look_tls import look_at_certificate
from .look_unread import look_for_unread
from .look_uwsgi import ask_stats, find_uwsgi, uwsgi_log
from .look_visitors import look_at_visitors
from .names import reserved
from .serving import fallback_of, fallbacks, main_server

# The User-Agent of the timer. Visitor counts leave out every User-Agent that begins with our name.
WATCHING = "pyweb.stack-watch"
# Connection errors after which nothing can answer.
_NOBODY = ("ENOENT", "ECONNREFUSED", "EAGAIN")
# Limits of addresses behind nginx, of domains, and of entrances that are checked.
_PROBES, _DOMAINS, _ENTRANCES = 4, 4, 6
T = TypeVar("T")


def look_at_site(given: Mapping[str, Any], host: Host, patience: Patience, passive: bool = False) -> Site:
    """Examine one site. `given` needs a name and domains, and has the model's `paths` if they are known.

    `passive` is for the timer: it requests one page through nginx, and runs no code of the project.
    """
    site = site_of(given, patience)
    site.passive = passive
    config = host.nginx.config
    site.entrances = _entrances(site, host)
    if passive:  # where the site is served, not where it only redirects
        site.entrances = ([entrance for entrance in site.entrances if entrance.tls] or site.entrances)[:1]
    main, addresses = _handed_over(site, main_server(site, host), host)
    site.uwsgi = find_uwsgi(site.layout, site.domains, host, addresses, site.server)
    site.secrets = secrets_of(site.uwsgi.environment, site)
    # Children that change their ids are forked here, before any thread runs.
    site.probes = [_approach(address, site, host) for address in addresses[:_PROBES]]
    _apart(site, "what serves it", look_around, site, host)
    # The access log is read before it contains the doctor's own requests.
    _apart(site, "what is in front of nginx", _look_in_front, site, host)
    with ThreadPoolExecutor(24) as pool:
        jobs: list[Future[Any]] = [] if passive else [pool.submit(look_inside, site, main)]
        jobs += [pool.submit(_resolve, site, domain) for domain in site.domains[:_DOMAINS]]
        # Checks whether a worker is free before the doctor's own requests keep one busy.
        numbers = pool.submit(ask_stats, site.uwsgi, patience.ping)
        if passive:  # or they would use the worker that answers the ping
            numbers.result()
        pings = [pool.submit(_ping, probe, site) for probe in site.probes]
        _all_done([numbers, *pings])
        asked = [] if passive else [pool.submit(_ask_probe, probe, site) for probe in site.probes]
        asked += [pool.submit(_ask_entrance, entrance, site) for entrance in site.entrances[:_ENTRANCES]]
        jobs += asked
        if not passive:
            jobs += [pool.submit(_apart, site, "the first page, asked again", _ask_again, site, host, asked)]
            jobs += [pool.submit(_debug_page, site)]
            jobs += [pool.submit(_apart, site, "the pages", look_at_pages, site, host)]
        jobs += [
            pool.submit(_apart, site, "the certificate", look_at_certificate, entrance, site, config)
            for entrance in site.entrances[:_ENTRANCES]
            if entrance.tls
        ]
        if not passive:
            jobs += [pool.submit(_apart, site, "the redirects", _look_at_redirects, site, host)]
            jobs += [pool.submit(_apart, site, "locks of SQLite", watch_locks, site)]
        _all_done(jobs)
    _apart(site, "the renewal of the certificate", _look_at_renewal, site, host)
    _apart(site, "what visitors get", look_at_visitors, site, host, given.get("outside") or [])
    _apart(site, "the database servers", look_at_servers, site, host)
    if any(answer.status >= 500 for answer in site.answers):
        site.uwsgi.log = uwsgi_log(site.uwsgi, host.now, site.server.start)  # now with the traceback of these answers
    _apart(site, "the logs", look_at_logs, site, host)
    if not passive:
        look_at_files(site, main, host)
    look_at_events(site, host)
    _look_at_configuration(site, main, host)
    look_at_disks(site)
    look_at_mounts(site)
    site.background = look_at_background(site.layout, uptime_of(read_or_empty("/proc/uptime")))
    return site


def _handed_over(site: Site, main: match.Server | None, host: Host) -> tuple[match.Server | None, list[str]]:
    """Return the server that passes requests to the site's application, and the addresses that it passes to."""
    config = host.nginx.config
    addresses: list[str] = []
    if config and main:
        way_in(site, main, host)
        if site.handler and match.passes(site.handler):
            site.speaks, addresses = match.targets(config, site.handler)
        inner = match.inner_server(config, main, addresses, site.domains[0])
        if inner:  # nginx in front of itself: the inner one passes to what answers
            main = inner
            way_in(site, main, host)
            if site.handler and match.passes(site.handler):
                site.speaks, addresses = match.targets(config, site.handler)
    return main, addresses


def site_of(given: Mapping[str, Any], patience: Patience) -> Site:
    """Return a site of which only the inventory is known."""
    health, prefix = given.get("health") or {}, str(given.get("prefix") or "")
    layout = Layout(given["name"], given["paths"]) if given.get("paths") else Layout.under(given["name"])
    return Site(
        name=given["name"],
        domains=[domain.replace("*", "www", 1) for domain in given["domains"]],
        path=prefixes.below(prefix, str(health.get("path") or "/")),
        prefix=prefix,
        wanted_status=list(health.get("status") or []),
        managed=os.path.islink(layout.current) or os.path.isfile(layout.doctor_request),
        media_wanted=given.get("media") is not False,
        layout=layout,
        patience=patience,
        https=Https(
            kind=str(given.get("tls") or ""),
            source=str(given.get("certificate_path") or ""),
            canonical=str(given.get("canonical") or ""),
            trusted_proxies=[str(network) for network in given.get("trusted_proxies") or []],
        ),
    )


def secrets_of(environment: Mapping[str, str], site: Site) -> list[str]:
    """Return what must not be shown: the values of a site's environment variables."""
    names = own_names({"name": site.name, "domains": site.domains, "paths": site.layout.paths})
    own = {name: value for name, value in environment.items() if len(value) > 3 and not _PUBLIC.fullmatch(name)}
    return [text for text in hidden_variables(own, names) if len(text) > 3]


# --- what a client sees ---


def _entrances(site: Site, host: Host) -> list[Entrance]:
    """Return every domain at every port that a server of nginx has for it, over IPv4 and then over IPv6."""
    config, found = host.nginx.config, []
    address = next((own for own in host.addresses if ":" not in own), "127.0.0.1")
    address6 = next((own for own in host.addresses if ":" in own), "")
    servers = match.servers(config)
    for domain in site.domains:
        wanted = [server for server in servers if server.matches(domain)]
        if not wanted and not site.managed:
            wanted = fallbacks(config, domain)
            if wanted:
                site.directives.fallbacks[domain] = fallback_of(wanted[0])
        # Of several that listen on the same port the first one counts.
        listens = {
            (listen.port, listen.ssl): listen for server in wanted for listen in reversed(server.listens) if listen.port
        }
        both = {
            (listen.port, listen.ssl) for server in wanted for listen in server.listens if listen.address == "::"
        } & {(listen.port, listen.ssl) for server in wanted for listen in server.listens if listen.address == "*"}
        for (port, tls), listen in sorted(listens.items()) or [((80, False), match.Listen("*", 80))]:
            where = address if listen.address in ("*", "::") else listen.address
            where = address if ":" in where and not host.ipv6 else where
            for one in [where, address6] if (port, tls) in both and host.ipv6 and address6 else [where]:
                chosen = match.select(config, domain, one, port) if config else None
                found.append(Entrance(domain, one, port, tls, chosen, wanted, greets=greets(config, port)))
    # The first ones are asked: all names over IPv4, which more clients have.
    return sorted(found, key=lambda entrance: ":" in entrance.address and entrance.address == address6)


def _ask_entrance(entrance: Entrance, site: Site) -> None:
    """Check what a client on this host gets."""
    try:
        headers = {"User-Agent": WATCHING} if site.passive else None
        entrance.answer = get(entrance, site.path, site.patience.answer, headers)
    except protocol.ProtocolError as error:
        entrance.failure, entrance.errno = error.cause, error.errno or 0


def _ask_again(site: Site, host: Host, asked: list[Future[Any]]) -> None:
    _all_done(asked)
    if any(answer.status == 500 for answer in site.answers):
        site.uwsgi.log = uwsgi_log(site.uwsgi, host.now)
        look_again_at_first(site)


def _look_at_redirects(site: Site, host: Host) -> None:
    site.walks = look_at_redirects(site, host)


def _look_at_renewal(site: Site, host: Host) -> None:
    site.https.placeholder = pairs.is_placeholder(site.layout)
    if any(entrance.tls for entrance in site.entrances):
        site.renewal = look_at_renewal(site, host)


def _look_at_configuration(site: Site, main: match.Server | None, host: Host) -> None:
    _apart(site, "files that nginx does not read", look_for_unread, site, host)
    _apart(site, "nginx's directives", look_at_directives, site, main, host)


def _look_in_front(site: Site, host: Host) -> None:
    site.in_front = look_in_front(site, host)


def _apart(site: Site, what: str, look: Callable[..., None], *given: Any) -> None:
    """Run a check that cannot end the others."""
    try:
        look(*given)
    except Exception as error:
        # Its text is not shown, because it may contain a secret.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        site.unexamined.append(f"{what}: {type(error).__name__} ({place})")


def _debug_page(site: Site) -> None:
    """Check whether Django's yellow debug page answers for a page that does not exist."""
    serving = [entrance for entrance in site.entrances if entrance.tls] or site.entrances
    for entrance in serving[:1]:
        with contextlib.suppress(protocol.ProtocolError):
            page = get(entrance, f"{site.prefix}/pyweb-doctor-{uuid.uuid4().hex}", site.patience.answer)
            site.debug_page = b"DEBUG = True" in page.body


def _resolve(site: Site, domain: str) -> None:
    """Resolve the addresses of a domain; a child process limits the time."""
    if reserved(domain):
        return
    looked = ask.run(["getent", "ahosts", domain], timeout=1.5)
    found = list(dict.fromkeys(line.split()[0] for line in looked.out.splitlines() if line.strip()))
    site.resolved[domain] = " ".join(found) if found else "" if looked.status is not None else "?"


# --- what is behind nginx ---


def _approach(address: str, site: Site, host: Host) -> Probe:
    """Walk to a socket and connect to it as nginx's worker would."""
    probe = Probe(address, site.speaks)
    worker = host.nginx.worker
    if address.startswith("unix:"):
        path = address[5:]
        probe.real = os.path.realpath(path)
        probe.exists = os.path.exists(path)
        probe.is_socket = not probe.exists or _is_socket(path)
        probe.obstacle = path_walk.obstacle(path, worker, path_walk.READ | path_walk.WRITE)
        probe.described = path_walk.described(path)
        own_tmp = host.nginx.unit.get("PrivateTmp") == "yes"
        probe.hidden = probe.exists and own_tmp and path.startswith(("/tmp/", "/var/tmp/"))  # noqa: S108 - looked at only
        holders = [listener for listener in host.listeners if listener.address[5:] in (path, probe.real)]
    else:
        port = address.rpartition(":")[2]
        holders = [listener for listener in host.listeners if port.isdigit() and listener.port == int(port)]
    pids = {pid for listener in holders for pid in listener.pids if pid in host.table}
    probe.owner = str(host.table[min(pids)]) if pids else ""

    def connect() -> str:
        try:
            # Longer than an accept takes, far shorter than the wait on a full queue.
            with protocol.connect(address, 1.0):
                return ""
        except protocol.ProtocolError as error:
            return errno.errorcode.get(error.errno or 0, str(error.errno or 0))

    said = processes.run_as(worker, connect)
    probe.connect_error = said if isinstance(said, str) else ""
    return probe


def _ping(probe: Probe, site: Site) -> None:
    """Check whether a worker of uWSGI is free, at an address where one may listen."""
    if probe.connect_error not in _NOBODY and site.server.kind in ("uwsgi", ""):
        probe.pong, probe.ping_failure = _attempt(lambda: protocol.ping(probe.address, site.patience.ping))


def _ask_probe(probe: Probe, site: Site) -> None:
    """Send a request in nginx's protocol; if that fails, in the other one."""
    host, patience = site.domains[0], site.patience
    asks: dict[str, Callable[..., protocol.Answer]] = {"uwsgi": protocol.request, "http": protocol.http_request}
    request = asks.get(probe.speaks)
    if not request or probe.connect_error in _NOBODY:
        return
    probe.answer, probe.failure = _attempt(lambda: request(probe.address, host, site.path, patience.answer, site.told))
    if probe.answer is None:
        other = "http" if probe.speaks == "uwsgi" else "uwsgi"
        answer, _failure = _attempt(lambda: asks[other](probe.address, host, site.path, patience.ping / 2, site.told))
        probe.kind = other if answer is not None or (other == "uwsgi" and probe.pong is not None) else ""
    elif probe.speaks == "uwsgi":
        cookie = {**site.told, "Cookie": "pyweb-doctor=" + "x" * (LARGE_COOKIE - 13)}
        large, why = _attempt(lambda: request(probe.address, host, site.path, patience.answer / 2, cookie))
        probe.large_failure = "" if large is not None else why


def _attempt(request: Callable[[], T]) -> tuple[T | None, str]:
    try:
        return request(), ""
    except protocol.ProtocolError as error:
        return None, error.cause


def _all_done(jobs: list[Future[Any]]) -> None:
    for job in jobs:
        job.result()


def _is_socket(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISSOCK(os.stat(path).st_mode)
    return False


# Variables that contain nothing secret.
_PUBLIC = re.compile(
    r"PATH|HOME|LANG(UAGE)?|LC_\w+|USER|LOGNAME|SHELL|PWD|OLDPWD|SHLVL|TERM|TZ|MAIL|_|VIRTUAL_ENV|PYTHON\w*|UWSGI_\w+"
    r"|(GRANIAN|UVICORN)_(HOST|PORT|INTERFACE|WORKERS|UDS|LOG_LEVEL)|HOST|PORT|WEB_CONCURRENCY"
    r"|DJANGO_SETTINGS_MODULE|INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|SYSTEMD_EXEC_PID|LISTEN_\w+|RUNTIME_DIRECTORY"
)
