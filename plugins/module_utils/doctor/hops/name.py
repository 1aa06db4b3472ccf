# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""DNS as this host sees it, and which server of nginx answers for the name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...nginx import match
from ..evidence import Entrance, Host, Site
from ..fault import BROKEN, UNKNOWN, Fault, Faults
from ..fixes import RELOAD
from ..judge_serving import conflicts, has_fallback
from ..names import reserved

# If nginx does not run, no request reaches its servers. A run that could not start it restored the previous files, in
# which the name may be missing.
_NOT_RUNNING = [
    *("nginx.missing", "nginx.ipv6", "nginx.key", "nginx.upstream-name", "nginx.config", "nginx.port-taken"),
    "nginx.stopped",
]
FAULTS = Faults(
    "name",
    {
        "name.no-server": _NOT_RUNNING,
        "name.other-server": _NOT_RUNNING,
        "name.conflict": _NOT_RUNNING,
        "name.elsewhere": [],
    },
)


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    servers = match.servers(host.nginx.config)
    for domain in site.domains:
        if domain in site.directives.fallbacks:
            yield from has_fallback(FAULTS, site, domain, seen)
        elif host.nginx.config and not any(server.matches(domain) for server in servers):
            yield _no_server(site, domain, servers)
        resolved = site.resolved.get(domain)
        if reserved(domain):
            seen.append(f"{domain} is a reserved name, which public DNS does not resolve")
        elif resolved and set(resolved.split()) & {*host.addresses, "127.0.0.1", "::1"}:
            seen.append(f"{domain} -> {resolved}")
        else:
            what = f"resolves to {resolved}, which is not an address of this host" if resolved else "does not resolve"
            yield FAULTS.fault(
                "name.elsewhere",
                UNKNOWN,
                f"on this host {domain} {what}: this is correct behind a load balancer or NAT, and wrong otherwise",
                f"compare the DNS record of {domain} with {', '.join(host.addresses)}",
                [f"getent ahosts {domain}: {resolved or 'nothing'}"],
            )
    for entrance in site.entrances:
        yield from _other_server(site, entrance)
    yield from conflicts(FAULTS, site)


def _no_server(site: Site, domain: str, servers: list[match.Server]) -> Fault:
    instead = [entrance.server for entrance in site.entrances if entrance.domain == domain and entrance.server]
    at = f", where {servers[0].place} has {' '.join(servers[0].names)}" if len(servers) == 1 else ""
    names = sorted({name for server in servers for name in server.names if name not in ("", "_")})
    unread, meant = site.directives.unread.get(domain), _misspelt(domain, servers)
    if unread:
        return FAULTS.fault(
            "name.no-server",
            BROKEN,
            f"nginx does not read {unread.path}, which contains the name {domain}: {unread.why}"
            + (f"; the server in {instead[0].place} answers instead" if instead else ""),
            f"{unread.fix} && {RELOAD}" if " in http of " not in unread.fix else f"{unread.fix}, then {RELOAD}",
            [f"server_name: {' '.join(names[:8]) or 'none'}"],
        )
    if meant:
        name, place = meant
        return FAULTS.fault(
            "name.no-server",
            BROKEN,
            f"no server of nginx has the name {domain}: server_name {name} in {place} is not a name: it contains "
            + ("a scheme" if "://" in name else "a comma" if "," in name else "more than a name"),
            f"set server_name {domain}; in {place}, then {RELOAD}",
            [f"server_name {name}; in {place}"],
        )
    return FAULTS.fault(
        "name.no-server",
        BROKEN,
        f"no server of nginx has the name {domain}"
        + (f"; the one in {instead[0].place} answers instead" if instead else ""),
        f"pyweb.stack.site writes it if web_sites[].domains of {site.name} contains that name; by hand: set "
        f"server_name {domain}; in the server of the site{at}, then {RELOAD}",
        [
            f"server_name: {' '.join(names[:8]) or 'none'}",
            "" if servers else "nginx.conf includes no server: add include /etc/nginx/conf.d/*.conf; to http",
        ],
    )


def _misspelt(domain: str, servers: list[match.Server]) -> tuple[str, str] | None:
    """Return (the word of a server_name that means this domain, its place): names with a scheme, a port, a comma."""
    for server in servers:
        for word in server.names:
            bare = re.sub(r"^\w{1,9}://|[:/,].*$", "", word.lower()) if not word.startswith("~") else ""
            if bare == domain.lower() and bare != word.lower():
                return word, server.place
    return None


def _other_server(site: Site, entrance: Entrance) -> Iterator[Fault]:
    """Check whether nginx chooses another server than the site's, by its address or because it is read first."""
    server = entrance.server
    if not server or not entrance.wanted:
        return
    if server not in entrance.wanted:
        yield FAULTS.fault(
            "name.other-server",
            BROKEN,
            f"another server answers for {entrance.host}: the one in {server.place} listens on "
            f"{', '.join(map(str, server.listens))}, which nginx prefers to {entrance.wanted[0].place}",
            f"remove that server, or make both listen on the same address ({server.place}), then {RELOAD}",
            [f"listen {server.listens[0]} in {server.place}"],
        )
    elif site.directives.conflicts:
        return  # which reports it
    elif len(entrance.wanted) > 1 and not _hands_over(server, site) and _handing_over(entrance, site):
        yield FAULTS.fault(
            "name.other-server",
            BROKEN,
            f"another server with the name {entrance.domain} answers: the one in {server.place} is read before "
            f"{_handing_over(entrance, site)}",
            f"remove the name from one of the two, or the file {server.place.rpartition(':')[0]}, then {RELOAD}",
            [f"server_name {' '.join(server.names)}; in {server.place}"],
        )


def _hands_over(server: match.Server, site: Site) -> bool:
    """Return whether a server passes requests to an application, or redirects to one."""
    handler = match.handler(match.locate(server, site.path))
    return handler is not None and (match.passes(handler) or handler.args[:1] in (["301"], ["302"], ["308"]))


def _handing_over(entrance: Entrance, site: Site) -> str:
    """Return the place of another server of that name and port that passes requests to an application."""
    for server in entrance.wanted:
        ports = [listen.port for listen in server.listens]
        if server is not entrance.server and _hands_over(server, site) and entrance.port in ports:
            return server.place
    return ""
