# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Follow the redirects from a site's first page, as a browser would, and find out who makes each of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import SplitResult, urljoin, urlsplit

from ..model import prefixes
from ..nginx import match
from ..nginx.dump import Config, Directive
from ..uwsgi import protocol
from . import ask
from .client import get
from .evidence import Entrance, Host, Site
from .evidence_tls import Redirect, Walk
from .names import reserved

# Browsers give up after twenty. And so many first pages of a site.
REDIRECTS_MAX = 10
WALKS_MAX = 6
# How long a redirect may be: the report has to show it.
_COOKIES_MAX, _LOCATION_MAX = 20, 2048
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}


def look_at_redirects(site: Site, host: Host) -> list[Walk]:
    """Return the ways from the first page of every entrance, as far as there is time."""
    deadline = time.monotonic() + site.patience.answer
    found = []
    for entrance in site.entrances[:WALKS_MAX]:
        walk = _Walker(site, host, deadline).walk(entrance)
        if walk.redirects:
            found.append(walk)
    return found


class _Walker:
    """Goes one way. `cookies` are those that it was given: who gets one may be sent to where it was."""

    def __init__(self, site: Site, host: Host, deadline: float) -> None:
        self.site, self.host, self.deadline = site, host, deadline
        self.cookies: dict[str, str] = {}

    def walk(self, entrance: Entrance) -> Walk:
        url = f"{entrance.url}{prefixes.below(self.site.prefix, '/')}"
        walk, seen = Walk(url), set()
        way: Entrance | None = entrance
        while way is not None:
            state = (url, tuple(sorted(self.cookies.items())))
            if state in seen or len(walk.redirects) == REDIRECTS_MAX:
                walk.loops_at = url
                break
            seen.add(state)
            answer = self._ask(way, url)
            target = _target(url, answer)
            if not answer or not target:
                break
            maker = maker_of(way, url, target)
            walk.redirects.append(Redirect(url, answer.status, target, maker, not maker and _hands_over(way, url)))
            before, url, way = way, target, entrance_of(target, self.site, self.host)
            if way is None:
                self._end(walk, before, target)
        return walk

    def _ask(self, way: Entrance, url: str, proxied: bool = False) -> protocol.Answer | None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            return None
        headers = {"X-Forwarded-Proto": "https"} if proxied else {}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            answer = get(way, _path(urlsplit(url)), left, headers)
        except protocol.ProtocolError:
            return None
        for cookie in answer.cookies[:_COOKIES_MAX]:
            name, equals, value = cookie.partition(";")[0].partition("=")
            if equals and cookie.isprintable():
                self.cookies[name.strip()] = value.strip()
        return answer

    def _end(self, walk: Walk, way: Entrance, target: str) -> None:
        """Note where a way leaves this host, and whether one that leads to https of the site itself has to."""
        walk.leaves = target
        parts = urlsplit(target)
        walk.dead = self._dead(parts)
        walk.nameless = self._nameless(way, parts)
        walk.unserved = parts.scheme == "https" and (parts.hostname or "") in self.site.domains and not way.tls
        if walk.unserved:
            last = walk.redirects[-1].url
            chain = match.locate(way.server, urlsplit(last).path) if way.server else []
            answer = self._ask(way, last, proxied=True)
            # Whom nginx believes, if anybody, may be told another answer than this doctor.
            told = match.inherited(chain, "set_real_ip_from") is not None
            walk.heeded = told or answer is None or _target(last, answer) != target

    def _dead(self, parts: SplitResult) -> int:
        """Return the port of this host that a URL of the site leads to, if nothing listens on it; else 0."""
        own = {domain.lower() for domain in self.site.domains} | set(self.host.addresses)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        listened = any(listener.port == port for listener in self.host.listeners)
        return port if (parts.hostname or "") in own and not listened else 0

    def _nameless(self, way: Entrance, parts: SplitResult) -> int:
        """Return the status of a failure that this host answers under a name beside the site's own, 0 for any other."""
        name, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        beside = {domain.lower().removeprefix("www.") for domain in self.site.domains}
        own = {domain.lower() for domain in self.site.domains}
        if name in own or name.removeprefix("www.") not in beside or port != way.port or parts.scheme != "http":
            return 0
        if not reserved(name):
            known = {
                line.split()[0] for line in ask.run(["getent", "ahosts", name], 1.0).out.splitlines() if line.split()
            }
            if not known & set(self.host.addresses):
                return 0
        answer = self._ask(Entrance(name, way.address, port, False, None, [], greets=way.greets), parts.geturl())
        return answer.status if answer and answer.status >= 400 else 0


def _target(url: str, answer: protocol.Answer | None) -> str:
    """Return where an answer redirects to, '' where it does not."""
    location = answer.headers.get("location", "") if answer and answer.status in _REDIRECTS else ""
    if not location or len(location) > _LOCATION_MAX:
        return ""
    try:
        return _plain(urljoin(url, location))
    except ValueError:  # no URL, such as https://[
        return ""


def _plain(url: str) -> str:
    """Return a URL without its fragment and the usual port, the host in lowercase. Raises ValueError."""
    parts = urlsplit(url)
    port = parts.port
    name = (parts.hostname or "").lower()
    name = f"[{name}]" if ":" in name else name
    host = name if port in (None, _PORTS.get(parts.scheme)) else f"{name}:{port}"
    return parts._replace(netloc=host, fragment="", path=parts.path or "/").geturl()


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def entrance_of(url: str, site: Site, host: Host) -> Entrance | None:
    """Return the way to a URL through this host's nginx; None where none of its servers has that name and port."""
    try:
        parts = urlsplit(url)
        name, port, tls = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0), parts.scheme == "https"
    except ValueError:
        return None
    for entrance in site.entrances:
        if (entrance.domain.lower(), entrance.port, entrance.tls) == (name, port, tls) and entrance.wanted:
            return entrance
    config = host.nginx.config
    for server in match.servers(config) if config and parts.scheme in _PORTS else []:
        for listen in server.listens:
            # The site's own name may be that of a server for all names.
            own = name in site.domains and _for_all(server)
            fits = (server.matches(name) > 1 or own) and (listen.port, listen.ssl) == (port, tls)
            if config and fits and ":" not in listen.address:
                address = site.entrances[0].address if listen.address == "*" else listen.address
                chosen = match.select(config, name, address, port)
                if chosen and (chosen.matches(name) > 1 or _for_all(chosen)):
                    return Entrance(name, address, port, tls, chosen, [chosen], greets=greets(config, port))
    return None


def _for_all(server: match.Server) -> bool:
    """Return whether a server is meant for every name, and does not just end handshakes or connections."""
    block = server.chain[-1]
    closes = any(given.args[:1] == ["444"] for given in block.all("return"))
    closes = closes or any(given.args == ["on"] for given in block.all("ssl_reject_handshake"))
    return bool({"", "_"} & set(server.names)) and not closes


def greets(config: Config | None, port: int) -> bool:
    """Return whether a port expects the PROXY protocol: one `listen` sets it for all servers of its address."""
    return any(
        listen.port == port and listen.proxy_protocol for server in match.servers(config) for listen in server.listens
    )


# --- who makes a redirect ---


def maker_of(way: Entrance, url: str, target: str) -> str:
    """Return the directive of nginx that sends a request to `target`, with its place; '' where none does."""
    if not way.server:
        return ""
    parts = urlsplit(url)
    for block in reversed(match.locate(way.server, parts.path)[1:]):
        for directive, template in _redirecting(block, parts.path):
            # Behind a name alone, a browser asks for /.
            if re.fullmatch(f"{_pattern(template, way, parts)}/?", target):
                return f"{str(directive).rstrip(';')} in {directive.place}"
    return ""


def insists_on_https(server: match.Server, path: str) -> bool:
    """Return whether a server redirects to https, on a condition or without one."""
    return any(template.startswith("https://") for _given, template in _redirecting(server.chain[-1], path))


def _redirecting(block: Directive, path: str) -> Iterator[tuple[Directive, str]]:
    """Yield the directives of a block, and of each `if` in it, that redirect `path`, with what they redirect to."""
    for inner in [block, *block.all("if")]:
        for given in inner.all("return"):
            if given.args and (len(given.args) == 1 or given.args[0] in map(str, _REDIRECTS)):
                yield given, given.args[-1]
        for given in inner.all("rewrite"):
            if len(given.args) > 1 and (
                given.args[2:3] in (["redirect"], ["permanent"]) or re.match(r"https?://|\$scheme", given.args[1])
            ):
                found = _search(given.args[0], path)
                if found:
                    yield given, _filled(given.args[1], found)


def _pattern(template: str, way: Entrance, parts: SplitResult) -> str:
    """Return what a target looks like that nginx makes of a template. A variable that is not known may be anything."""
    known = {
        "$host": way.domain,
        "$http_host": way.host,
        "$server_name": way.server.names[0] if way.server else "",
        "$scheme": parts.scheme,
        "$request_uri": _path(parts),
        "$uri": parts.path or "/",
        "$document_uri": parts.path or "/",
        "$server_port": str(way.port),
        "$is_args": "?" if parts.query else "",
        "$args": parts.query,
        "$query_string": parts.query,
    }
    pieces = re.split(r"(\$\{?\w+\}?)", template)
    texts = [re.escape(known[name]) if (name := re.sub(r"[{}]", "", piece)) in known else None for piece in pieces]
    # nginx puts its own scheme and name in front of a path.
    return ("https?://[^/]+" if template.startswith("/") else "") + "".join(
        text if text is not None else ".*" if piece.startswith("$") else re.escape(piece)
        for piece, text in zip(pieces, texts)
    )


def _filled(template: str, found: re.Match[str]) -> str:
    """Return a replacement with what its `$1` stand for."""
    for number, text in enumerate(found.groups(), 1):
        template = template.replace(f"${number}", text or "")
    return re.sub(r"\$[0-9]", "", template)


def _search(pattern: str, text: str) -> re.Match[str] | None:
    try:
        return re.search(pattern, text)
    except re.error:
        return None


def _hands_over(way: Entrance, url: str) -> bool:
    """Return whether nginx passes a request to an application."""
    return way.server is not None and match.passes(match.handler(match.locate(way.server, urlsplit(url).path)))
