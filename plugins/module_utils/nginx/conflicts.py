# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Conflicts of a site with a host's nginx: a foreign server with its name, a process that holds its port.

Runs on the controller, on the facts of `state.py`, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import match

ANY = ("*", "::")


def find(view: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    """Return the conflicts of a site, as `render.view` has it. `host` are the facts; servers and taken are used."""
    theirs = host.get("servers", [])
    return [*_names(view, theirs), *_protocols(view, theirs), *_ports(view, host.get("taken", []))]


def between(views: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return conflicts of sites on one address: nginx uses one protocol there, for all of them."""
    first: dict[tuple[str, int], tuple[str, str]] = {}
    faults = []
    for view in views:
        for pair, spoken in _spoken(view):
            name, other = first.setdefault(pair, (view["name"], spoken))
            if other != spoken:
                faults.append(
                    f"site '{view['name']}': nginx would have to speak {spoken} on {_shown(*pair)}, and {other} for "
                    f"site '{name}'; change one of the ports with nginx.listen or nginx.listen_tls"
                )
    return faults


def pairs(listen: Iterable[str]) -> set[tuple[str, int]]:
    """Return the (address, port) of the arguments of `listen`."""
    found = [match.listen(text.split()) for text in listen]
    return {(one.address, one.port) for one in found}


def _spoken(view: Mapping[str, Any]) -> list[tuple[tuple[str, int], str]]:
    """Return the addresses of a site, each with its protocol."""
    behind = f" behind {view['protocol']}" if view["protocol"] else ""
    spoken = [(key, f"{name}{behind}") for key, name in (("listen", "http"), ("listen_tls", "https"))]
    return [(pair, name) for key, name in spoken for pair in sorted(pairs(view[key]))]


def _protocols(view: Mapping[str, Any], servers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the servers of others that a site's flags would break, because they apply to all servers of an address."""
    faults = []
    ours = dict(_spoken(view)) if view["listen_tls"] or view["protocol"] else {}
    for server in servers:
        for listen in server["listens"]:
            pair = (listen["address"], listen["port"])
            behind = " behind the PROXY protocol" if listen["proxy_protocol"] else ""
            theirs = f"{'https' if listen['ssl'] else 'http'}{behind}"
            if ours.get(pair, theirs) != theirs:
                faults.append(
                    f"site '{view['name']}': nginx would have to speak {ours[pair]} on {_shown(*pair)}, and {theirs} "
                    f"for {server['place']}, which pyweb.stack did not write; give the site another nginx.listen or "
                    "nginx.listen_tls"
                )
    return faults


def _names(view: Mapping[str, Any], servers: Iterable[Mapping[str, Any]]) -> list[str]:
    faults = []
    wanted = {name: domain for domain in view["server_name"].split() for name in _exact(domain)}
    ours = pairs([*view["listen"], *view["listen_tls"]])
    for server in servers:
        common = {(listen["address"], listen["port"]) for listen in server["listens"]} & ours
        same = sorted({wanted[name] for given in server["names"] for name in _exact(given) if name in wanted})
        if common and same:
            where = ", ".join(sorted(_shown(*pair) for pair in common))
            faults.append(
                f"site '{view['name']}': {', '.join(same)} on {where} is served by {server['place']}, which "
                "pyweb.stack did not write; remove the name there, or give the site other domains or another "
                "nginx.listen"
            )
    return faults


def _exact(name: str) -> set[str]:
    """Return the names in nginx's tables for one name: two for `.example.com`, none for a regular expression."""
    name = name.lower()
    if name.startswith("~") or name in ("", "_"):
        return set()
    return {name[1:], f"*{name}"} if name.startswith(".") else {name}


def _ports(view: Mapping[str, Any], taken: Iterable[Mapping[str, Any]]) -> list[str]:
    faults: dict[tuple[int, str], str] = {}
    keys = {pair: key for key in ("listen_tls", "listen") for pair in pairs(view[key])}
    for (address, port), key in sorted(keys.items()):
        for holder in taken:
            if holder["port"] == port and _collide(address, holder["address"]):
                faults.setdefault(
                    (port, holder["name"]),
                    f"site '{view['name']}': nginx cannot listen on {_shown(address, port)}, because {_holder(holder)} "
                    f"does; stop that, or give the site another port with nginx.{key}",
                )
    return list(faults.values())


def _collide(ours: str, theirs: str) -> bool:
    """Return whether two sockets of one port conflict.

    nginx separates IPv4 and IPv6; another program that listens on `::` usually has both.
    """
    theirs = {"0.0.0.0": "*"}.get(theirs, theirs)  # noqa: S104 - an address to compare with
    if theirs == "::":
        return True
    if (":" in ours) != (":" in theirs):
        return False
    return ours == theirs or ours in ANY or theirs in ANY


def _holder(holder: Mapping[str, Any]) -> str:
    if not holder["name"]:
        return "a process that /proc does not show"
    unit = f", {holder['unit']}" if holder["unit"] else ""
    return f"{holder['name']} (pid {holder['pid']}{unit})"


def _shown(address: str, port: int) -> str:
    return str(match.Listen(address, port))
