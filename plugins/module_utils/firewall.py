# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the firewall has to open and to close for some sites, services and ports.

`plan` is the entry point, `record` says afterwards what is ours to close one day; both run on the controller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .model.errors import InventoryError, shown
from .model.types import Site

# Ports that firewalld has a service for; the service is what an administrator expects to see.
SERVICES = {80: "http", 443: "https"}


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
) -> dict[str, list[dict[str, str]]]:
    """Return what to do: `ssh`, `open` and `close`, each a list of {zone, service, port}.

    Of `service` and `port` one is empty. `wanted` is all that has to be open, `ssh` and `open` what of it is not:
    `let_in` is what a running firewalld lets in already (zone -> services and ports). `opened` is what earlier runs
    recorded: purpose to what `record` returned. `default_zone` is the name of the zone that a `zone` of '' means, or ''
    while nobody knows it. SSH is opened in the default zone, where a fresh firewalld puts every interface, and in
    `zone`. Raises `InventoryError` with every fault.
    """
    faults = _faults(services, ports, zone, purpose)
    if faults:
        raise InventoryError("firewalld", faults)
    zone = zone or default_zone
    wanted = [_item(zone, **item) for item in _of_sites(sites)]
    wanted += [_item(zone, service=service) for service in services]
    wanted += [_item(zone, port=_port(port)) for port in ports]
    wanted = _unique(wanted)
    ssh = [f"{port}/tcp" for port in sorted(set(ssh_ports))]
    known = [item for name, what in (let_in or {}).items() for item in _recorded({"zone": name, **what})]
    others = [item for other, what in opened.items() if other != purpose for item in _recorded(what)]
    return {
        "ssh": [
            item
            for name in dict.fromkeys([default_zone, zone])
            for item in (_item(name, port=port) for port in ssh)
            if item not in known and not (item["port"] == "22/tcp" and _item(name, service="ssh") in known)
        ],
        "wanted": wanted,
        "open": [item for item in wanted if item not in known],
        "close": [
            item
            for item in _recorded(opened.get(purpose) or {})
            if item not in wanted and item not in others and item["service"] != "ssh" and item["port"] not in ssh
        ],
    }


def record(
    wanted: list[dict[str, str]],
    closing: list[dict[str, str]],
    results: list[Mapping[str, Any]],
    opened: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what is ours, and so to be closed when nobody wants it any more: {zone, services, ports, closing}, or {}.

    That is what this run opened (`results` of the loop over `wanted`), what an earlier one did for any purpose, and
    what is being `closing` while it is not done. What an administrator had opened before stays the administrator's.
    """
    before = [item for what in opened.values() for item in _recorded(what)]
    new = [result["item"] for result in results if result.get("changed")]
    ours = [item for item in wanted if item in before or item in new]
    if not ours and not closing:
        return {}
    return {
        "zone": ours[0]["zone"] if ours else "",
        "services": sorted(item["service"] for item in ours if item["service"]),
        "ports": sorted(item["port"] for item in ours if item["port"]),
        "closing": closing,
    }


def _faults(services: Any, ports: Any, zone: Any, purpose: Any) -> list[str]:
    faults = []
    for name, given in (("firewalld_services", services), ("firewalld_ports", ports)):
        if not isinstance(given, list):
            faults.append(f"{name} is {shown(given)}; wanted a list")
    for service in services if isinstance(services, list) else []:
        if not _is_word(service):
            faults.append(
                f"firewalld_services has {shown(service)}; wanted names of firewalld's services, such as https"
            )
    for port in ports if isinstance(ports, list) else []:
        if not _port(port):
            faults.append(
                f"firewalld_ports has {shown(port)}; wanted ports from 1 to 65535 with their protocol, such as "
                "8080/tcp or 5000-5010/udp"
            )
    if zone and not _is_word(zone):
        faults.append(f"firewalld_zone is {shown(zone)}; wanted the name of a zone, such as public, or ''")
    if not _is_word(purpose):
        faults.append(f"firewalld_purpose is {shown(purpose)}; wanted a word of letters, digits, - and _")
    return faults


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", value) is not None


def _port(value: Any) -> str:
    """Return '8080/tcp' or '5000-5010/udp' as firewalld writes it, or '' when the value is no port."""
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
        for listener in site["nginx"]["listen"] if site["state"] == "present" else []:
            if listener["address"].startswith("127.") or listener["address"] in ("localhost", "[::1]"):
                continue
            port = listener["port"]
            result.append({"service": SERVICES[port]} if port in SERVICES else {"port": f"{port}/tcp"})
    return result


def _item(zone: str, service: str = "", port: str = "") -> dict[str, str]:
    return {"zone": zone, "service": service, "port": port}


def _recorded(what: Mapping[str, Any]) -> list[dict[str, str]]:
    zone = what.get("zone", "")
    items = [_item(zone, service=service) for service in what.get("services", [])]
    items += [_item(zone, port=port) for port in what.get("ports", [])]
    return items + [_item(item["zone"], item["service"], item["port"]) for item in what.get("closing", [])]


def _unique(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return [item for number, item in enumerate(items) if item not in items[:number]]
