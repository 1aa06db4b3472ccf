# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which server of nginx serves a site, which one answers for a name that none has, and which one nginx ignores.

Reads only the evidence of the configuration. If several servers have one name at one address, nginx uses the one that
it reads first, and warns about the others, whose names it ignores there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from ..nginx import course, match
from ..nginx.dump import Config, Directive
from .evidence import Entrance, Host, Site
from .evidence_directives import Conflict, Fallback

_NOWHERE = course.Disk(lambda _path: False, lambda _path: False)
_CATCHING_ALL = {"", "_"}


def fallbacks(config: Config | None, domain: str) -> list[match.Server]:
    """Return the servers that answer for a domain that no server has, if one of them passes to an application.

    A default server is there for such names. So is, in effect, the only one of an address with an application.
    """
    everywhere = match.servers(config)
    found: list[match.Server] = []
    for pair in dict.fromkeys((one.address, one.port) for server in everywhere for one in server.listens if one.port):
        chosen = match.select(config, domain, *pair) if config else None
        if chosen and chosen not in found and (is_explicit(chosen) or _is_alone(chosen, _at(everywhere, pair))):
            found.append(chosen)
    serve = [server for server in found if course.hand_overs(server)]
    return [server for server in found if server in serve or redirects(server, "/")] if serve else []


def is_explicit(server: match.Server) -> bool:
    """Return whether there is a server for the names that no other server has."""
    return any(listen.default for listen in server.listens) or bool(_CATCHING_ALL & set(server.names))


def fallback_of(server: match.Server) -> Fallback:
    return Fallback(server.place, is_explicit(server))


def main_server(site: Site, host: Host) -> match.Server | None:
    """Return the server that serves the site, or would if nginx did not ignore its name; notes the conflicts.

    Of several ways in, https and http for instance, it is the one at which an application is.
    """
    chosen = [entrance.server for entrance in site.entrances if entrance.server in entrance.wanted and entrance.server]
    if not chosen:
        named = [server for entrance in site.entrances for server in entrance.wanted]
        return max(named, key=lambda server: _kind(server, site.path)) if named else None
    main = max(chosen, key=lambda server: _kind(server, site.path))  # the first one among equals
    served = main
    for entrance in site.entrances:
        for ignored, listen, name in _ignored(entrance):
            serving = entrance.server
            if not serving or any(seen.ignored == ignored.place for seen in site.directives.conflicts):
                continue
            conflict = Conflict(name, str(listen), serving.place, ignored.place)
            conflict.differs = _does(serving, site, host) != _does(ignored, site, host)
            conflict.live = _is_live(ignored, site, host)
            conflict.ours = conflict.differs and serving is served and _is_ours(ignored, serving, site, host)
            conflict.warning = _warning(host.nginx.tested.err, name)
            site.directives.conflicts.append(conflict)
            if conflict.ours and main is served:
                main = ignored
    return main


def redirects(server: match.Server, path: str) -> bool:
    ended = course.follow(server, path, _NOWHERE)
    return ended.ends == course.RETURN and ended.status in (301, 302, 303, 307, 308)


def addresses_of(server: match.Server, site: Site, host: Host) -> list[str]:
    """Return where a server passes the site's path to."""
    handled = _handled(server, site.path)
    config = host.nginx.config
    return match.targets(config, handled)[1] if config and handled is not None and match.passes(handled) else []


def is_listened_on(address: str, host: Host) -> bool:
    """Return whether a process of this host listens on an address."""
    if address.startswith("unix:"):
        path = address[5:]
        return any(listener.address[5:] in (path, os.path.normpath(path)) for listener in host.listeners)
    port = address.rpartition(":")[2]
    return any(str(listener.port) == port for listener in host.listeners)


def _at(servers: Sequence[match.Server], pair: tuple[str, int]) -> list[match.Server]:
    return [server for server in servers if pair in {(one.address, one.port) for one in server.listens}]


def _is_alone(server: match.Server, others: Sequence[match.Server]) -> bool:
    """Return whether no other server has an application: EL's nginx.conf has one of its own, with a welcome page."""
    return not any(other.chain[-1] is not server.chain[-1] and course.hand_overs(other) for other in others)


def _ignored(entrance: Entrance) -> Iterator[tuple[match.Server, match.Listen, str]]:
    """Yield the servers whose name nginx ignores where the entrance is, because another one has it first."""
    serving = entrance.server
    if not serving or serving not in entrance.wanted:
        return
    pairs = {(one.address, one.port): one for one in serving.listens if one.port == entrance.port}
    names = {name.lower() for name in serving.names if match.fits(name, entrance.domain)}
    for other in entrance.wanted:
        common = [pairs[one.address, one.port] for one in other.listens if (one.address, one.port) in pairs]
        same = [name for name in other.names if name.lower() in names]
        if other.chain[-1] is not serving.chain[-1] and common and same:
            yield other, common[0], same[0]


def _handled(server: match.Server, path: str) -> Directive | None:
    """Return what passes to an application for a path, or else anywhere in the server."""
    handled = match.handler(match.locate(server, path))
    if match.passes(handled):
        return handled
    chains = course.hand_overs(server)
    return match.handler(chains[0]) if chains else handled


def _kind(server: match.Server, path: str) -> int:
    """Rank what a server does: it has an application, it has files, it has neither."""
    handled = _handled(server, path)
    return 2 if match.passes(handled) else 0 if handled is not None else 1


def _does(server: match.Server, site: Site, host: Host) -> str:
    """Return what a server does with the site's path, in words to compare."""
    handled = _handled(server, site.path)
    where = addresses_of(server, site, host)
    chain = match.locate(server, site.path)
    return " ".join([str(handled), *where, match.file_of(chain, site.path)])


def _is_live(server: match.Server, site: Site, host: Host) -> bool:
    return any(is_listened_on(address, host) for address in addresses_of(server, site, host))


def _is_ours(ignored: match.Server, serving: match.Server, site: Site, host: Host) -> bool:
    """Return whether the ignored one of two different servers is the site's: by its application and its name."""
    if _kind(ignored, site.path) < 2:
        return False
    if redirects(serving, site.path) and any(entrance.tls for entrance in site.entrances):
        return False
    if _kind(serving, site.path) < 2:
        return True
    hints = _hints(ignored, site), _hints(serving, site)
    if hints[0] != hints[1]:
        return hints[0] > hints[1]
    return _is_live(ignored, site, host) and not _is_live(serving, site, host)


def _hints(server: match.Server, site: Site) -> int:
    """Count what says that a server is the site's: its directories, the names of its file and of its sockets."""
    block = server.chain[-1]
    words = [word for one in match.everywhere(block) for word in one.args]
    own = [path for path in (site.layout.root, site.layout.run, site.layout.state) if path]
    stem = os.path.basename(block.file).rpartition(".")[0] or os.path.basename(block.file)
    name = re.compile(rf"(?<![A-Za-z0-9]){re.escape(site.name)}(?![A-Za-z0-9])")
    return (
        8 * any(word.startswith(f"{path}/") or f":{path}/" in word for word in words for path in own)
        + 4 * (stem in (site.name, *site.domains))
        + 2 * any(name.search(word) is not None for word in words if "/" in word)
        + (name.search(stem) is not None)
    )


def _warning(said: str, name: str) -> str:
    """Return nginx's own line about a name, without its prefix."""
    for line in said.splitlines():
        found = re.search(r'\[warn\].*conflicting server name "([^"]*)" on .*', line)
        if found and found[1].lower() == name.lower():
            return found[0]
    return ""
