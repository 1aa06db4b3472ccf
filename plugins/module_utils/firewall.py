# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan what the firewall opens and closes for sites, services and ports, and for other programs of the host.

`plan` is the entry point and runs on the controller; `records` returns what is ours to close later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .model import schemes
from .model.errors import InventoryError, shown
from .model.layout import Layout
from .model.types import Site

# What is opened or closed: {zone, service, port}; either service or port is ''.
Item = Mapping[str, str]

# Ports that firewalld has a service for, which is what an administrator expects to see.
SERVICES = {80: "http", 443: "https"}
# The prefix of the purposes of what was opened for others, one for each zone. No purpose of a user has it.
OTHERS = "_others."
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")


def plan(
    sites: list[Site],
    services: Any,
    ports: Any,
    zone: Any,
    purpose: Any,
    opened: Mapping[str, Any],
    ssh_ports: list[int],
    default_zone: str = "",
    let_in: Mapping[str, Any] | None = None,
    bound: Mapping[str, Sequence[str]] | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Return what to do: `ssh`, `open`, `others` and `close`, each a list of {zone, service, port}, and `start`.

    `wanted` is everything that must be open, `ssh` and `open` the part that is not: `let_in` is what firewalld allows
    already (zone -> services and ports). `opened` are the records of earlier runs: purpose to one of `records`.
    `default_zone` is the name of the zone that a `zone` of '' means, or '' while it is unknown. SSH is opened in the
    default zone, in which a new firewalld puts every interface, in `zone`, and in those zones of a stopped one that
    interfaces and sources are `bound` to (zone -> these). `others` are the arguments of `_around`. `notes` are lines
    for the user, and `differs` tells whether anything has to be done. Raises `InventoryError` with every fault.
    """
    faults = _faults(services, ports, zone, purpose, others.get("close_others", False))
    if faults:
        raise InventoryError("firewalld", faults)
    wanted = _wanted(sites, services, ports, zone or default_zone)
    if any(site.get("kept") for site in sites):
        # A site that failed still listens on its previous ports.
        wanted = _unique([*wanted, *_recorded({**(opened.get(purpose) or {}), "closing": []})])
    zones = list(dict.fromkeys([default_zone, zone or default_zone, *(bound or {})]))
    ssh = [f"{port}/tcp" for port in sorted(set(ssh_ports))]
    known = [item for name, what in (let_in or {}).items() for item in _recorded({"zone": name, **what})]
    around = _around(sites, zones, wanted, known, ssh, **others)
    # What was opened for others and may be closed by now; what another user of the role has open.
    freed = [item for item in _recorded_for_others(opened) if around["closes"](item["port"])]
    users = [what for name, what in opened.items() if name != purpose and not name.startswith(OTHERS)]
    held = [item for what in users for item in _recorded(what)]
    kept = [item for item in _recorded_for_others(opened) if item not in freed]
    own = [item for item in _recorded(opened.get(purpose) or {}) if item not in kept]
    found = {
        "purpose": purpose,
        "opened": dict(opened),
        "managed": around["managed"],
        "start": around["start"],
        "ssh": _closed_ssh(zones, ssh, known),
        "wanted": wanted,
        "open": [item for item in wanted if item not in known],
        "others": around["others"],
        "close": [
            item
            for item in _unique([*own, *freed])
            if item not in [*wanted, *held] and item["service"] != "ssh" and item["port"] not in ssh
        ],
        "notes": around["notes"],
    }
    if found["managed"]:
        found["notes"] += _elsewhere(wanted, bound or {}, known)
    else:
        found.update({key: [] for key in ("ssh", "open", "others", "close")})
    return {**found, "differs": _differs(found)}


def records(planned: Mapping[str, Any], failed: Sequence[Item] = (), closed: bool = False) -> dict[str, dict[str, Any]]:
    """Return what is ours, and must be closed when it is no longer needed: purpose to record, or to {}.

    A record is {zone, services, ports, closing}. It contains what this run opens, without what has `failed`; what an
    earlier run opened for any purpose; and what is being closed, until it is `closed`. What an administrator opened
    before is not ours. What was opened for others has a record for each zone, with its `processes`.
    """
    opened, purpose = planned["opened"], planned["purpose"]
    before = [item for what in opened.values() for item in _recorded(what)]
    new = [item for item in planned["open"] if item not in failed]
    ours = [item for item in planned["wanted"] if item in before or item in new]
    closing = [] if closed else planned["close"]
    found = {purpose: _record(ours, [item for item in closing if item in _recorded(opened.get(purpose) or {})])}
    zones = [name[len(OTHERS) :] for name in sorted(opened) if name.startswith(OTHERS)]
    for zone in dict.fromkeys([*zones, *(item["zone"] for item in planned["others"])]):
        earlier = opened.get(OTHERS + zone) or {}
        new = [item for item in planned["others"] if item["zone"] == zone and item not in failed]
        ports = [*earlier.get("ports", []), *(item["port"] for item in new)]
        theirs = _unique([_item(zone, port=port) for port in ports])
        record = _record(
            [item for item in theirs if item not in planned["close"]],
            [item for item in closing if item in _recorded(earlier)],
        )
        if record:
            processes = {**earlier.get("processes", {}), **{item["port"]: item["process"] for item in new}}
            record["processes"] = {port: processes.get(port, "") for port in record["ports"]}
        found[OTHERS + zone] = record
    return found


def described(item: Item) -> str:
    """Return a short description of what is opened or closed."""
    what = item["service"] or item["port"]
    process = f" ({item['process']})" if item.get("process") else ""
    return f"{what}{process} in zone {item['zone']}" if item["zone"] else f"{what}{process}"


def _wanted(sites: list[Site], services: Any, ports: Any, zone: str) -> list[Item]:
    wanted = [_item(zone, **item) for item in _of_sites(sites)]
    wanted += [_item(zone, service=service) for service in services]
    wanted += [_item(zone, port=_port(port)) for port in ports]
    return _unique(wanted)


def _closed_ssh(zones: Sequence[str], ports: Sequence[str], known: Sequence[Item]) -> list[Item]:
    """Return the ports of SSH that are not open; firewalld's service has 22."""
    return [
        item
        for zone in zones
        for item in (_item(zone, port=port) for port in ports)
        if item not in known and not (item["port"] == "22/tcp" and _item(zone, service="ssh") in known)
    ]


def _record(ours: Sequence[Item], closing: Sequence[Item]) -> dict[str, Any]:
    if not ours and not closing:
        return {}
    return {
        "zone": ours[0]["zone"] if ours else "",
        "services": sorted(item["service"] for item in ours if item["service"]),
        "ports": sorted(item["port"] for item in ours if item["port"]),
        "closing": list(closing),
    }


def _differs(planned: Mapping[str, Any]) -> bool:
    """Return whether there is anything to do: start, open, close, or record as ours although it was open."""
    if not planned["managed"]:
        return False
    return (
        planned["start"]
        or any(planned[kind] for kind in ("ssh", "open", "others", "close"))
        or any(record != planned["opened"].get(name, {}) for name, record in records(planned).items())
    )


# --- what others have on the host -------------------------------------------------------------------------------------


def _around(
    sites: list[Site],
    zones: Sequence[str],
    wanted: Sequence[Item],
    known: Sequence[Item],
    ssh: Sequence[str],
    active: bool = True,
    enabled: bool = True,
    open_ports: Sequence[Mapping[str, str]] = (),
    packet_filters: Sequence[str] = (),
    close_others: Any = False,
    over_others: bool = False,
    manage: bool = True,
    served: Sequence[str] = (),
) -> dict[str, Any]:
    """Return `managed`, `start`, `others` (what is opened for them), `closes` (whether a port of theirs is), `notes`.

    `active` and `enabled` tell whether firewalld runs and starts at boot. If neither, nothing is filtered: other hosts
    can reach `open_ports`, which stay open. If either, an administrator configured it, and its openings are kept.
    `close_others` is True, or a list of ports. `packet_filters` filter already; firewalld is not started beside them
    unless `over_others` is set. Without `manage`, nothing is changed. `served` are the ports on which nginx serves
    sites of others: they stay open for these when ours are removed.
    """
    listed = [_port(port) for port in close_others] if isinstance(close_others, list) else []
    every = not isinstance(close_others, list) and str(close_others).lower() in YES

    def closes(port: str) -> bool:
        return every or _covers(listed, port)

    blocked = bool(packet_filters) and not active and not over_others
    if blocked or not manage:
        notes = [_blocked(packet_filters[0], wanted)] if blocked and manage else []
        return {"managed": False, "start": False, "others": [], "closes": closes, "notes": notes}
    listening = [] if active else _of_others(open_ports, wanted, sites, ssh, served)
    shut = [listener for listener in listening if enabled or closes(listener["port"])]
    others = [
        {**_item(zone, port=listener["port"]), "process": listener["process"]}
        for zone in zones
        for listener in listening
        if listener not in shut
        and not _covers([item["port"] for item in known if item["zone"] == zone], listener["port"])
    ]
    let_in = [*(item["port"] for item in known), *_ports(wanted).split(", ")]
    shut = [listener for listener in shut if not _covers(let_in, listener["port"])]
    notes = []
    if others:
        notes.append(
            f"firewalld is started; ports that other hosts could reach before stay open: {_listed(others)} "
            "(firewalld_close_others closes it)"
        )
    if shut:
        why = "it starts at boot with its own openings" if enabled else "firewalld_close_others"
        notes.append(f"firewalld is started; other hosts can no longer reach {_listed(shut)} ({why})")
    if packet_filters and not active:
        notes.append(f"{packet_filters[0]}, and firewalld is started beside it: allow {_ports(wanted)} there as well")
    return {
        "managed": True,
        "start": not (active and enabled),
        "others": others,
        "closes": closes,
        "notes": notes,
    }


def _of_others(
    open_ports: Sequence[Mapping[str, str]],
    wanted: Sequence[Item],
    sites: list[Site],
    ssh: Sequence[str],
    served: Sequence[str],
) -> list[Mapping[str, str]]:
    """Return the ports that processes of others listen on: not SSH, and not ours unless sites of others share them."""
    ours = _ports(wanted).split(", ")
    units = tuple(f"{Layout.of(site).identifier}{end}" for site in sites for end in ("@", "."))
    return [
        listener
        for listener in open_ports
        if listener["port"] not in ssh
        and (listener["port"] in served or not _covers(ours, listener["port"]))
        and not (units and listener["unit"].startswith(units))
    ]


def _elsewhere(wanted: Sequence[Item], bound: Mapping[str, Sequence[str]], known: Sequence[Item]) -> list[str]:
    """Return a line for each zone in use in which required ports are not open."""
    notes = []
    for zone, inside in bound.items():
        shut = [item for item in wanted if item["zone"] != zone and {**item, "zone": zone} not in known]
        if shut:
            notes.append(
                f"firewalld is started; {', '.join(inside)} is in its zone {zone}, in which "
                f"{_ports(shut)} stays closed (firewalld_zone: {zone} opens it there instead)"
            )
    return notes


def _blocked(packet_filter: str, wanted: Sequence[Item]) -> str:
    ports = _ports(wanted)
    how = (
        f" ({' && '.join(f'ufw allow {port}' for port in ports.split(', '))})"
        if packet_filter.startswith("ufw")
        else ""
    )
    return (
        f"{packet_filter}, so firewalld is not started and opens nothing: allow {ports or 'the ports'} there{how}, or "
        "other hosts cannot reach the sites; firewalld_over_others: true starts firewalld beside it"
    )


def _listed(listeners: Sequence[Mapping[str, str]]) -> str:
    return ", ".join(dict.fromkeys(f"{listener['port']} {listener['process']}" for listener in listeners))


def _ports(wanted: Sequence[Item]) -> str:
    """Return ports such as '80/tcp, 8443/tcp'; names for services that are no port of nginx."""
    numbers = {service: f"{port}/tcp" for port, service in SERVICES.items()}
    return ", ".join(item["port"] or numbers.get(item["service"], item["service"]) for item in wanted)


def _covers(ports: Iterable[str], port: str) -> bool:
    """Return whether `port` is one of `ports`, or in a range among them."""
    number, _slash, protocol = port.partition("/")
    for entry in ports:
        numbers, _slash, kind = entry.partition("/")
        low, _dash, high = numbers.partition("-")
        if kind == protocol and int(low) <= int(number) <= int(high or low):
            return True
    return False


def _recorded_for_others(opened: Mapping[str, Any]) -> list[Item]:
    return [item for name, what in opened.items() if name.startswith(OTHERS) for item in _recorded(what)]


# --- the form of it ---------------------------------------------------------------------------------------------------


def _faults(services: Any, ports: Any, zone: Any, purpose: Any, close_others: Any) -> list[str]:
    faults = []
    for name, given in (("firewalld_services", services), ("firewalld_ports", ports)):
        if not isinstance(given, list):
            faults.append(f"{name} is {shown(given)}; expected a list")
    for service in services if isinstance(services, list) else []:
        if not _is_word(service):
            faults.append(
                f"firewalld_services has {shown(service)}; expected names of firewalld's services, such as https"
            )
    for port in ports if isinstance(ports, list) else []:
        if not _port(port):
            faults.append(
                f"firewalld_ports has {shown(port)}; expected ports from 1 to 65535 with their protocol, such as "
                "8080/tcp or 5000-5010/udp"
            )
    if not isinstance(close_others, list) and str(close_others).lower() not in (*YES, *NO):
        faults.append(f"firewalld_close_others is {shown(close_others)}; expected true, false or a list of ports")
    for port in close_others if isinstance(close_others, list) else []:
        if not _port(port):
            faults.append(
                f"firewalld_close_others has {shown(port)}; expected ports from 1 to 65535 with their protocol, such "
                "as "
                "8443/tcp or 5000-5010/udp"
            )
    if zone and not _is_word(zone):
        faults.append(f"firewalld_zone is {shown(zone)}; expected the name of a zone, such as public, or ''")
    if not _is_word(purpose):
        faults.append(f"firewalld_purpose is {shown(purpose)}; expected a word of letters, digits, - and _")
    return faults


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", value) is not None


def _port(value: Any) -> str:
    """Return '8080/tcp' or '5000-5010/udp' in the format of firewalld, or '' if the value is no port."""
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?/(tcp|udp|sctp|dccp)", str(value))
    if not match:
        return ""
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= 65535:
        return ""
    return f"{low}/{match[3]}" if low == high else f"{low}-{high}/{match[3]}"


def _of_sites(sites: list[Site]) -> list[dict[str, str]]:
    """Return what nginx listens on for other hosts."""
    result = []
    for site in sites:
        nginx = site["nginx"]
        listeners = [*nginx["listen"], *(nginx["listen_tls"] if schemes.has_tls(site) else [])]
        for listener in listeners if site["state"] == "present" else []:
            if listener["address"].startswith("127.") or listener["address"] in ("localhost", "[::1]"):
                continue
            port = listener["port"]
            result.append({"service": SERVICES[port]} if port in SERVICES else {"port": f"{port}/tcp"})
    return result


def _item(zone: str, service: str = "", port: str = "") -> Item:
    return {"zone": zone, "service": service, "port": port}


def _recorded(what: Mapping[str, Any]) -> list[Item]:
    zone = what.get("zone", "")
    items = [_item(zone, service=service) for service in what.get("services", [])]
    items += [_item(zone, port=port) for port in what.get("ports", [])]
    return items + [_item(item["zone"], item["service"], item["port"]) for item in what.get("closing", [])]


def _unique(items: Sequence[Item]) -> list[Item]:
    return [item for number, item in enumerate(items) if item not in items[:number]]
