# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge whether visitors reach the site: redirects to a closed port, servers on loopback."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ..nginx import match
from .evidence import Entrance, Host, Site
from .evidence_tls import Walk
from .fault import BROKEN, DEGRADED, UNKNOWN, Fault, Faults
from .fixes import RELOAD
from .front import in_front, loopback

_LOCAL = ("localhost", "localhost.localdomain", "ip6-localhost")


def judge(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    told: set[str] = set()
    for fault in [
        *_dead_ends(faults, site, host),
        *_loopback_only(faults, site, host),
        *_bound(faults, site, host),
        *_of_ipv6_alone(faults, site, host),
        *_without_ssl(faults, site, host),
    ]:
        if fault.cause not in told:
            told.add(fault.cause)
            yield fault


def _dead_ends(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    """Report redirects to a closed port of this host. A proxy in front may listen on that port."""
    yield from _nameless(faults, site)
    for walk in site.walks:
        # Where X-Forwarded-Proto is not heeded, it is a loop as well, which is told as such.
        if not walk.dead or not walk.redirects or (walk.unserved and not walk.heeded):
            continue
        last = walk.redirects[-1]
        settings = site.inside.get("settings", {})
        by_django = last.by_application and urlsplit(walk.leaves).scheme == "https" and settings.get("ssl_redirect")
        who = last.maker or ("Django, by SECURE_SSL_REDIRECT = True" if by_django else "")
        who = who or ("the application" if last.by_application else "nginx")
        proxy = _proxy(site, host)
        cause = f"{last.url} is redirected to {walk.leaves}, but nothing listens on port {walk.dead} of this host"
        if proxy:
            cause += f": this is correct if a proxy in front has that port ({proxy}), otherwise nobody reaches the site"
        yield faults.fault(
            "nginx.redirect-dead",
            UNKNOWN if proxy else BROKEN,
            f"{cause}. {who} does that",
            _fix(site, walk, last.maker, bool(by_django)),
            [f"GET {last.url} -> {last.status}, Location: {last.location}; {who}", _listening(host)],
        )


def _nameless(faults: Faults, site: Site) -> Iterator[Fault]:
    """Report a redirect to the name with or without `www.`, which no server of nginx has."""
    for walk in site.walks:
        if not walk.nameless or not walk.redirects:
            continue
        last, name = walk.redirects[-1], urlsplit(walk.leaves).hostname or ""
        who = last.maker or ("the application (PREPEND_WWW?)" if last.by_application else "nginx")
        also = f"'{name}' in ALLOWED_HOSTS, and " if walk.nameless == 400 else ""
        yield faults.fault(
            "nginx.redirect-dead",
            BROKEN,
            f"{last.url} is redirected to {walk.leaves}, and no server of nginx has the name {name}: this host answers "
            f"{walk.nameless} there. {who} does that",
            f"web_sites[].domains with {name}, or remove the redirect; by hand: {also}{name} beside the other names in "
            f"server_name; or remove the redirect ({last.maker or 'PREPEND_WWW = False'})",
            [f"GET {last.url} -> {last.status}, Location: {last.location}", f"GET {walk.leaves} -> {walk.nameless}"],
        )


def _fix(site: Site, walk: Walk, maker: str, by_django: bool) -> str:
    if walk.dead != 443:
        return f"redirect to a port that nginx listens on, or add listen {walk.dead}; {maker}".rstrip("; ")
    if site.managed:
        off = "web_sites[].settings.SECURE_SSL_REDIRECT: false" if by_django else "redirect nowhere"
        return f"web_sites[].tls, with pyweb.stack.site; without TLS: {off}"
    off = (
        "SECURE_SSL_REDIRECT = False in the settings, and restart" if by_django else f"remove {maker or 'the redirect'}"
    )
    return (
        "get a certificate, and in a server of nginx: listen 443 ssl; ssl_certificate; ssl_certificate_key; until then "
        f"{off}"
    )


def _listening(host: Host) -> str:
    ports = sorted({listener.port for listener in host.listeners if listener.port and not loopback(listener.address)})
    return f"sockets that listen for other hosts: port {', '.join(map(str, ports)) or 'none'}"


def _proxy(site: Site, host: Host) -> str:
    """Return what says that a proxy in front of this host may have the port; '' where nothing does.

    That uWSGI itself takes X-Forwarded-Proto for the scheme says nothing: it always does.
    """
    addresses = {address for domain in site.domains for address in site.resolved.get(domain, "").split()} - {"?"}
    if addresses & set(host.addresses):
        return ""
    if addresses:
        return f"{site.domains[0]} is {sorted(addresses)[0]}, no address of this host"
    if site.https.trusted_proxies:
        return f"trusted_proxies: {', '.join(site.https.trusted_proxies[:3])}"
    if site.in_front.addresses:
        return f"requests come from {site.in_front.addresses[0]} with another client's address"
    for entrance in site.entrances:
        trusted = match.inherited(entrance.server.chain, "set_real_ip_from") if entrance.server else None
        if trusted:
            return f"{str(trusted).rstrip(';')} in {trusted.place}"
    header = site.inside.get("settings", {}).get("proxy_header") or []
    return f"SECURE_PROXY_SSL_HEADER is {header[0]}" if header else in_front(site, host)


# --- listeners ---


def _loopback_only(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    """Report a name whose servers listen on loopback only, if nothing in front passes visitors on to them."""
    if in_front(site, host):
        return
    for domain in site.domains:
        own = [entrance for entrance in site.entrances if entrance.domain == domain and entrance.wanted]
        if not own or domain.lower() in _LOCAL or not all(_on_loopback(entrance) for entrance in own):
            continue
        first = own[0]
        instead = _instead(host, domain, first.port)
        if instead and any(match.passes(handler) for handler in [match.handler(match.locate(instead, site.path))]):
            handler = match.handler(match.locate(instead, site.path))
            if handler and handler.name == "proxy_pass":
                continue  # it may well hand over to this one
        server = first.server or first.wanted[0]
        # nginx does not give up a socket that it has for all addresses by a reload.
        still = not instead and any(not loopback(one.address) and one.port == first.port for one in host.listeners)
        place = next((given.place for given in server.chain[-1].all("listen")), server.place)
        listens = ", ".join(str(listen) for listen in server.listens)
        public = f"listen {first.port}{' ssl' if first.tls else ''};"
        meets = f"; clients from outside get the server in {instead.place}" if instead else ""
        yield faults.fault(
            "nginx.loopback-only",
            DEGRADED if still else BROKEN,
            f"nginx {'will listen' if still else 'listens'} on loopback only for {domain} "
            f"({listens}){' from its next start on' if still else ''}: only this host itself can connect{meets}",
            f"{public} instead of listen {server.listens[0]} in {place}, then systemctl restart nginx",
            [f"listen {listens} in {place}", *_sockets(host, first.port)],
        )


def _bound(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    """Report an nginx that still has the sockets of an older configuration: a reload cannot widen them."""
    for entrance in site.entrances:
        held = [listener for listener in host.listeners if listener.port == entrance.port]
        within = entrance.address.startswith("127.") or entrance.address == "::1"
        if entrance.server and held and not within and all(loopback(listener.address) for listener in held):
            yield faults.fault(
                "nginx.not-listening",
                BROKEN,
                f"nginx runs, but listens on port {entrance.port} of loopback only, as an older configuration told it "
                "to",
                "systemctl restart nginx: a reload cannot bind an address whose port is in use",
                [f"listen {entrance.port} in {entrance.server.place}", *_sockets(host, entrance.port)],
            )


def _of_ipv6_alone(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    """Report a port on which nginx listens over IPv6 only: `listen [::]:80` does not include `listen 80`."""
    for entrance in site.entrances:
        held = [listener for listener in host.listeners if listener.port == entrance.port]
        refused = entrance.errno == errno.ECONNREFUSED and ":" not in entrance.address
        server = entrance.server or next(iter(entrance.wanted), None)
        if server and refused and held and all(listener.address.startswith("[") for listener in held):
            given = next((one for one in server.chain[-1].all("listen") if "[" in "".join(one.args)), None)
            words = f"{str(given).rstrip(';')} in {given.place}" if given else f"a server in {server.place}"
            yield faults.fault(
                "nginx.not-listening",
                BROKEN,
                f"nginx listens on port {entrance.port} over IPv6 only ({words}): IPv4 clients are refused",
                f"listen {entrance.port}{' ssl' if entrance.tls else ''}; beside it in "
                f"{given.place if given else server.place}, then systemctl restart nginx",
                _sockets(host, entrance.port),
            )


def _without_ssl(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    """Report that nginx speaks plain http on port 443: https clients get a TLS error."""
    for entrance in site.entrances:
        server = entrance.server
        if entrance.port != 443 or entrance.tls or entrance.greets or not server or not entrance.answer:
            continue
        given = next((one for one in server.chain[-1].all("listen") if re.search(r"(?:^|:)443$", one.args[0])), None)
        if given and not loopback(given.args[0]) and not _proxy(site, host):
            yield faults.fault(
                "nginx.no-ssl",
                BROKEN,
                f"nginx speaks plain http on port 443: `{given}` in {given.place} has no ssl, so https clients get a "
                "TLS error",
                f"listen {given.args[0]} ssl; in {given.place}, with ssl_certificate and ssl_certificate_key, or "
                f"remove that line; then {RELOAD}",
                [f"GET {entrance.url}{site.path} -> {entrance.answer.status}, without TLS"],
            )


def _on_loopback(entrance: Entrance) -> bool:
    listens = [listen for server in entrance.wanted for listen in server.listens]
    return bool(listens) and all(
        listen.address.startswith("127.") or listen.address == "::1" for listen in listens if listen.port
    )


def _instead(host: Host, domain: str, port: int) -> match.Server | None:
    """Return the server that answers outsiders who ask for a name at a port."""
    config = host.nginx.config
    address = next((own for own in host.addresses if ":" not in own), "")
    return match.select(config, domain, address, port) if config and address else None


def _sockets(host: Host, port: int) -> list[str]:
    return [f"a listening socket at {listener.address}" for listener in host.listeners if listener.port == port]
