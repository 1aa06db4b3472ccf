# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands in the way of a site: a server of somebody else with its name, a process that holds its port.

Runs on the controller, on the facts of `state.py`, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import match

ANY = ("*", "::")


def find(view: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    """Return what a site, as `render.view` has it, cannot have. `host` are the facts; of them servers and taken."""
    return [*_names(view, host.get("servers", [])), *_ports(view, host.get("taken", []))]


def pairs(listen: Iterable[str]) -> set[tuple[str, int]]:
    """Return the (address, port) of the arguments of `listen`."""
    found = [match.listen(text.split()) for text in listen]
    return {(one.address, one.port) for one in found}


def _names(view: Mapping[str, Any], servers: Iterable[Mapping[str, Any]]) -> list[str]:
    faults = []
    wanted = {name: domain for domain in view["server_name"].split() for name in _exact(domain)}
    ours = pairs(view["listen"])
    for server in servers:
        common = {(listen["address"], listen["port"]) for listen in server["listens"]} & ours
        same = sorted({wanted[name] for given in server["names"] for name in _exact(given) if name in wanted})
        if common and same:
            where = ", ".join(sorted(_shown(*pair) for pair in common))
            faults.append(
                f"site '{view['name']}': {', '.join(same)} on {where} is served by {server['place']}, which is not "
                "ours; remove the name there, or give the site other domains or another nginx.listen"
            )
    return faults


def _exact(name: str) -> set[str]:
    """Return the names that nginx has in its tables for one: `.example.com` stands for two, an expression for none."""
    name = name.lower()
    if name.startswith("~") or name in ("", "_"):
        return set()
    return {name[1:], f"*{name}"} if name.startswith(".") else {name}


def _ports(view: Mapping[str, Any], taken: Iterable[Mapping[str, Any]]) -> list[str]:
    faults: dict[tuple[int, str], str] = {}
    for address, port in sorted(pairs(view["listen"])):
        for holder in taken:
            if holder["port"] == port and _collide(address, holder["address"]):
                faults.setdefault(
                    (port, holder["name"]),
                    f"site '{view['name']}': nginx cannot listen on {_shown(address, port)}, because {_holder(holder)} "
                    "does; stop that, or give the site another port with nginx.listen",
                )
    return list(faults.values())


def _collide(ours: str, theirs: str) -> bool:
    """Say whether two sockets of one port stand in each other's way.

    nginx keeps IPv4 and IPv6 apart; another program that listens on `::` mostly has both.
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
