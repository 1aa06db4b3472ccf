# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A site as its visitors see it: on its own domain, at this host's own address, through nginx.

The server that answers is determined from nginx's configuration by nginx's rules, because a page alone does not show
which site it belongs to. Then the page is requested. It is the live release's, because nginx follows the link `current`
for each request.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..host import files
from ..host.addresses import own_addresses
from ..host.shell import Shell
from ..model.layout import Layout
from ..model.types import Health
from ..nginx import maintenance, match
from ..nginx.dump import Config, DumpError, read_files
from ..nginx.names import ETC, MARK
from ..uwsgi.protocol import Answer, ProtocolError, any_certificate, http_request, proxy_line
from .assets import static_file
from .health import REDIRECTS, Names, Walk, Wanted, Where, header_name, resolved, walk
from .proxies import Proxies

STEP = "the check through nginx"
# The suffix of the names of servers for unknown names.
CLOSED = ".catch-all.invalid"
# How often a faulty page is requested again, and the pause between, in seconds.
ATTEMPTS, PAUSE = 3, 0.2
# Nothing accepts connections.
_NOBODY = (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)
# nginx's own rules may refuse this host; the release itself was checked over its socket.
_KEPT_OUT = (401, 403)


class Look(NamedTuple):
    """The result: `wrong` is '' for a site that answers, `url` is the requested URL, and `warning` may be ''."""

    wrong: str = ""
    url: str = ""
    warning: str = ""


class Place(NamedTuple):
    """An address and port of nginx; `address` is one of this host's, without brackets.

    `proxied`: a client must begin with the PROXY protocol there.
    """

    address: str
    port: int
    tls: bool
    proxied: bool = False

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Front:
    """nginx in front of one site. `https_header` is the variable and value of SECURE_PROXY_SSL_HEADER.

    It is empty if the project has none, and None if the project was not asked. `certificate` is the end of the path of
    the certificate that nginx reads if it serves the site over TLS, according to nginx's files.
    """

    shell: Shell
    name: str
    names: Names
    health: Health
    static_url: str
    https_header: list[str] | None
    certificate: str = ""
    conf: str = f"{ETC}/nginx.conf"

    @classmethod
    def of(cls, shell: Shell, site: Mapping[str, Any], manifest: Mapping[str, Any]) -> Front:
        """Return the front of a completed site, or of a release's record, and its build's manifest."""
        static = site["nginx"].get("static") or {"url": "/static/"}
        header = manifest.get("https_header", [] if manifest.get("overlay") is False else None)
        layout = Layout.of(site)
        # In a shared server, it may be that of another site.
        certificate = layout.certificate[len(layout.config) :]
        return cls(shell, site["name"], Names.of(site), site["health"], static["url"], header, certificate)

    def serves(self) -> bool:
        """Return whether nginx runs here and has the site's file of the role nginx."""
        return self._is_there() and self._runs()

    def answers(self) -> bool:
        """Return whether nginx serves the site correctly, requested once."""
        return self.serves() and not self.look(attempts=1).wrong

    def unanswered(self) -> str:
        """Return why nginx does not serve the site correctly; '' if it does, or does not have the site."""
        if not self._is_there():
            return ""
        if not self._runs():
            return "nginx has the site but does not run; start it: systemctl start nginx"
        return self.look().wrong

    def _is_there(self) -> bool:
        return os.path.exists(self.conf) and bool(self._servers)

    def _runs(self) -> bool:
        done = self.shell.run("nginx", ["systemctl", "is-active", "--quiet", "nginx.service"], check=False)
        return done.returncode == 0

    def look(self, attempts: int = ATTEMPTS) -> Look:
        """Request the site, at most `attempts` times until it answers correctly."""
        if not self._servers:
            return Look(self._unread or f"nginx reads no file of the site; check the includes in {self.conf}")
        host, places = self._entrances()
        for place in places:
            winner = match.select(self.config, host, place.address, place.port)
            if not winner or winner.place not in {server.place for server in self._servers}:
                return Look(self._stranger(host, place, winner))
        # A release from before TLS has recorded no port for it.
        ports = tuple(dict.fromkeys([*self.names.ports, *(place.port for place in places)]))
        visit = _Visit(self, dataclasses.replace(self.names, ports=ports), host, places)
        for attempt in range(attempts):
            if attempt:
                time.sleep(PAUSE)
            found = visit.look()
            if not found.wrong:
                break
        return found

    @functools.cached_property
    def _read(self) -> tuple[Config, str]:
        """The configuration, and why there is none."""
        # From the files: `nginx -T` as root would also open logs and the pid file.
        try:
            return read_files(self.conf), ""
        except DumpError as error:
            return Config([]), str(error)

    @property
    def config(self) -> Config:
        """Return nginx's configuration, empty if it cannot be read."""
        return self._read[0]

    @property
    def _unread(self) -> str:
        return "; ".join(filter(None, [self._read[1], *self.config.unread]))

    @functools.cached_property
    def _servers(self) -> list[match.Server]:
        """Return the servers of the role nginx for the site; not the one that closes connections for other names."""
        header = re.compile(rf"^# {re.escape(MARK)}: site {re.escape(self.name)}[.,]", re.MULTILINE)
        own = {path for path in self.config.files if header.search(files.read_or_empty(path))}
        found = [
            server
            for server in match.servers(self.config)
            if not any(name.endswith(CLOSED) for name in server.names)
            and any(directive.file in own for directive in [server.chain[-1], *(server.chain[-1].block or [])])
            and (server.chain[-1].all("location") or {*server.names} & {*self.names.domains})
        ]
        named = [server for server in found if {*server.names} & {*self.names.domains}]
        return named or found

    def _entrances(self) -> tuple[str, list[Place]]:
        """Return the name to request, and where nginx listens for it."""
        listens = [listen for server in self._servers for listen in server.listens if listen.port]
        addresses = self.proxies.first(own_addresses())
        four = next((address for address in addresses if ":" not in address), "127.0.0.1")
        six = next((address for address in addresses if ":" in address), "")
        places = []
        for listen in listens:
            address = {"*": four, "::": six}.get(listen.address, listen.address)
            if address:
                places.append(Place(address, listen.port, listen.ssl, str(listen) in self.proxies.spoken))
        places = list(dict.fromkeys(places)) or [Place("::1", listen.port, listen.ssl) for listen in listens]
        # Plain HTTP first: TLS may be terminated elsewhere. If it is terminated here, https is requested too.
        places.sort(key=lambda place: place.tls)
        return next(self._hosts(places)), places

    @functools.cached_property
    def proxies(self) -> Proxies:
        """Return the load balancers in front of the site in nginx's files."""
        return Proxies.of(self.config, self._servers)

    @functools.cached_property
    def serves_tls(self) -> bool:
        """Return whether nginx serves the site over TLS."""
        used = [given.args for server in self._servers for given in server.chain[-1].all("ssl_certificate")]
        return any(args and args[0].endswith(self.certificate) for args in used)

    def _hosts(self, places: list[Place]) -> Iterator[str]:
        """Yield the names of the site that may be requested, the first one first."""
        served = [name for server in self._servers for name in server.names]
        known = [name for name in self.names.domains if name in served] or served
        yield from (name for name in known if "*" not in name)
        for name in known:
            for label in ("www", "pyweb-check"):
                host = name.replace("*", label, 1)
                # Another server may rightly have one of the names below the domain.
                winners = [match.select(self.config, host, place.address, place.port) for place in places]
                if all(winner is None or winner.matches(host) < 4 for winner in winners):
                    yield host
        yield from known

    def _stranger(self, host: str, place: Place, winner: match.Server | None) -> str:
        own = self._servers[0].place
        if not winner:
            return f"nginx has no server for {host} at {place}; the site's own is {own}"
        names = " ".join(name for name in winner.names if name) or "no name"
        key = "nginx.listen_tls" if place.tls and self.serves_tls else "nginx.listen"
        listens = ", ".join(map(str, winner.listens))
        return (
            f"another server answers for {host} at {place}: {winner.place} (server_name {names}; listen "
            f"{listens}), which nginx prefers to the site's own, {own}; remove the name or the address from that "
            "server, "
            f"or let the site listen there as well ({key})"
        )


class _Visit:
    """One visit of a client to a site, at the first of its places: those of one scheme have the same server."""

    def __init__(self, front: Front, names: Names, host: str, places: list[Place]) -> None:
        self.front, self.names, self.host, self.places = front, names, host, places
        self.deadline = 0.0
        # Whether https was only claimed, because nothing here serves it for the name.
        self.claimed = False
        # Whether the last answer is one that the inventory lets nginx give by itself.
        self.by_rule = False

    @functools.cached_property
    def _secure(self) -> Place | None:
        """Return the places where nginx serves the site over TLS."""
        return next((place for place in self.places if place.tls), None) if self.front.serves_tls else None

    @property
    def url(self) -> str:
        """Return the places where visits start."""
        return self._start(self._secure or self.places[0]).url

    def look(self) -> Look:
        """Visit the site over http, and over https if nginx serves it and no redirect led there."""
        walked, found = self._look_at(self.places[0])
        if found.wrong or not self._secure:
            return found
        if any(where.scheme == "https" for where in walked.asked):
            return found._replace(url=self.url)
        return self._look_at(self._secure)[1]

    def _start(self, place: Place) -> Where:
        """Return the first request at a place."""
        port = "" if place.port in (80, 443) else f":{place.port}"
        path = self.front.health["path"] or f"{self.names.prefix}/"
        return Where("https" if place.tls else "http", f"{self.host}{port}", path)

    def _look_at(self, first: Place) -> tuple[Walk, Look]:
        """Follow the redirects of the start page, and request a static file of the last page."""
        front = self.front
        self.deadline = time.monotonic() + front.health["timeout"]
        start = self._start(first)
        wanted = dataclasses.replace(Wanted.of(front.health), also=_KEPT_OUT)
        walked = walk(self._ask, start, self.names, wanted)
        if walked.wrong and self.claimed and _asks_for_https(walked):
            return walked, self._without_https(walked, start.url)
        if walked.answer and walked.answer.status == 503 and (told := maintenance.told(front.name)):
            return walked, Look("", start.url, told)
        wrong = "" if self.by_rule and walked.answer and walked.answer.status < 500 else walked.wrong
        wrong = wrong or self._outside(walked)
        if not wrong and not front.health["path"]:
            wrong = self._static_fault(walked)
        return walked, Look(wrong and f"{wrong} (through nginx at {first})", start.url)

    def _ask(self, where: Where, cookies: str) -> Answer:
        """Request a page where a client would."""
        left = max(self.deadline - time.monotonic(), 0.1)
        headers = {"Cookie": cookies} if cookies else {}
        place = self._place(where)
        if where.scheme == "https" and not (place and place.tls):
            self.claimed = True
            headers.update(self._claims())
        place = place or self.places[0]
        context = any_certificate() if place.tls else None
        greeting = {"greeting": proxy_line(place.address, place.address, place.port)} if place.proxied else {}
        try:
            answer = http_request(str(place), where.host, where.path, left, headers, context, **greeting)
        except ProtocolError as error:
            # As with 444: the protocol's own message is about uWSGI.
            closed = not error.errno and "closed" in error.cause
            cause = "the connection was closed without an answer" if closed else error.cause
            raise ProtocolError(str(place), cause, error.errno or 0) from None
        server = match.select(self.front.config, _name(where.host), place.address, place.port)
        handler = match.handler(match.locate(server, where.path)) if server else None
        self.by_rule = handler is not None and handler.name == "return"
        if self.by_rule and not self._is_served(where, answer):
            answer.headers.pop("location", None)
        return answer

    def _place(self, where: Where) -> Place | None:
        """Return where a client would connect; None if nothing accepts it."""
        _name_only, _colon, given = where.host.rpartition(":") if re.search(r":[0-9]+$", where.host) else ("", "", "")
        tls = where.scheme == "https"
        port = int(given) if given else 443 if tls else 80
        own = next((place for place in self.places if place.port == port and place.tls == tls), None)
        return own or (self._other_tls(where, port) if tls else None)

    def _other_tls(self, where: Where, port: int) -> Place | None:
        """Return where something else terminates TLS for the site on this host: another server of nginx, or a proxy."""
        place = Place(self.places[0].address, port, True)
        server = match.select(self.front.config, _name(where.host), place.address, port)
        if server:
            return place if server.matches(_name(where.host)) else None
        try:
            http_request(str(place), where.host, "/", 2, tls=any_certificate())
        except ProtocolError as error:
            return None if error.errno in _NOBODY else place
        return place

    def _is_served(self, here: Where, answer: Answer) -> bool:
        """Return whether the redirect of nginx itself leads to a server on this host."""
        try:
            target = resolved(here, answer.headers.get("location", ""))
        except ValueError:
            return False
        return target is not None and target != here and self._place(target) is not None

    def _claims(self) -> dict[str, str]:
        """Return the headers of a server in front that terminates TLS: the usual ones, and the project's."""
        claims = {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on", "X-Forwarded-Scheme": "https"}
        header = self.front.https_header
        return {**claims, **({header_name(header[0]): header[1]} if header else {})}

    def _without_https(self, walked: Walk, url: str) -> Look:
        """Check a site that requires https, on a host that does not serve it."""
        said = f"{walked.asked[0].path} as {self.host} redirects to {walked.end.seen_from(walked.asked[0])}"
        if self.front.proxies.trusted:
            # The inventory says that TLS is terminated elsewhere; the site's answers were checked over its socket.
            return Look("", url)
        option = "nginx: {trusted_proxies: [ADDRESS]}"
        if self.front.https_header == []:
            return Look(
                f"{said}, and nothing on this host serves https for it: set SECURE_SSL_REDIRECT: false in settings, or "
                f"tls: {{acme: {{}}}} of the site; behind a server that terminates TLS set {option}",
                url,
            )
        warning = (
            f"site '{self.front.name}': {said}, which was not checked: TLS is terminated on another host, if at all. "
            "nginx "
            "passes its own scheme on to the site; if a server in front terminates TLS and sends "
            f"X-Forwarded-Proto, set {option}"
        )
        return Look("", url, warning)

    def _outside(self, walked: Walk) -> str:
        """Return where a redirect leaves the site's prefix for a path of its domain that no site has."""
        location = walked.answer.headers.get("location", "") if walked.answer else ""
        if not location or not self.names.prefix or walked.answer is None:
            return ""
        try:
            target = resolved(walked.end, location) if walked.answer.status in REDIRECTS else None
        except ValueError:
            return ""
        if target is None or not self.names.share(target) or self.names.have(target):
            return ""
        place = self._place(target) or self.places[0]
        server = match.select(self.front.config, _name(target.host), place.address, place.port)
        if server and match.passes(match.handler(match.locate(server, target.path))):
            return ""  # another site of the domain
        return (
            f"{walked.end.path} as {self.host} redirects to {target.seen_from(walked.end)}, which is outside of the "
            f"site's prefix {self.names.prefix} and of no other site; remove the path from the project's settings, or "
            "use the name of the page's URL"
        )

    def _static_fault(self, walked: Walk) -> str:
        if not walked.answer:
            return ""
        page, front = walked.end, self.front
        path = static_file(walked.answer, page, self.names, front.static_url)
        if not path:
            return ""
        named = f"{page.path} as {page.host} names {path}, which"
        try:
            status = self._ask(page._replace(path=path), "").status
        except ProtocolError as error:
            return f"{named} did not come: {error.cause}"
        return "" if status == 200 else f"{named} answered {status}"


def _asks_for_https(walked: Walk) -> bool:
    """Return whether the redirects loop because the site requires https, although it was told that it has it."""
    return walked.answer is None and [where.scheme for where in walked.asked[-2:]] == ["https", "https"]


def _name(host: str) -> str:
    return re.sub(r":[0-9]+$", "", host)
