# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the firewall has to open and to close for some sites, services and ports.

`plan` is the way in, `record` says afterwards what is ours to close one day; both run on the controller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .model.site import shown

# Ports that firewalld has a service for; the service is what an administrator expects to see.
SERVICES = {80: "http", 443: "https"}


class FirewallError(ValueError):
    """All that is wrong with the role's variables, one fault a line."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"firewalld has {count}; no host was touched:"] + [f"  {one}" for one in faults]))


def plan(
    sites: list[dict[str, Any]],
    services: Any,
    ports: Any,
    zone: Any,
    purpose: Any,
    opened: Mapping[str, Any],
    ssh_ports: list[int],
    default_zone: str = "",
    let_in: Mapping[str, Any] | None = None,
) -> dict[str, list[dict[str, str]]]:
    """What to do: `ssh`, `open` and `close`, each a list of {zone, service, port} with one of the last two empty.

    `wanted` is all that has to be open, `ssh` and `open` what of it is not: `let_in` is what a running firewalld lets
    in already (zone -> services and ports).
    `sites` are completed by the site model. `opened` is what earlier runs recorded: purpose to what `record` returned.
    `default_zone` is the name of the zone that a `zone` of '' means, or '' while nobody knows it. SSH is opened in the
    default zone, where a fresh firewalld puts every interface, and in `zone`. Raises `FirewallError` with every fault.
    """
    faults = _faults(services, ports, zone, purpose)
    if faults:
        raise FirewallError(faults)
    zone = zone or default_zone
    wanted = [_item(zone, **one) for one in _of_sites(sites)]
    wanted += [_item(zone, service=one) for one in services]
    wanted += [_item(zone, port=_port(one)) for one in ports]
    wanted = _unique(wanted)
    ssh = [f"{port}/tcp" for port in sorted(set(ssh_ports))]
    known = [one for name, what in (let_in or {}).items() for one in _recorded({"zone": name, **what})]
    others = [one for other, what in opened.items() if other != purpose for one in _recorded(what)]
    return {
        "ssh": [
            item
            for name in dict.fromkeys([default_zone, zone])
            for item in (_item(name, port=port) for port in ssh)
            if item not in known and not (item["port"] == "22/tcp" and _item(name, service="ssh") in known)
        ],
        "wanted": wanted,
        "open": [one for one in wanted if one not in known],
        "close": [
            one
            for one in _recorded(opened.get(purpose) or {})
            if one not in wanted and one not in others and one["service"] != "ssh" and one["port"] not in ssh
        ],
    }


def record(
    wanted: list[dict[str, str]],
    closing: list[dict[str, str]],
    results: list[Mapping[str, Any]],
    opened: Mapping[str, Any],
) -> dict[str, Any]:
    """What is ours, and so to be closed when nobody wants it any more: {zone, services, ports, closing}, or {}.

    That is what this run opened (`results` of the loop over `wanted`), what an earlier one did for any purpose, and
    what is being `closing` while it is not done. What an administrator had opened before stays the administrator's.
    """
    before = [one for what in opened.values() for one in _recorded(what)]
    new = [one["item"] for one in results if one.get("changed")]
    ours = [one for one in wanted if one in before or one in new]
    if not ours and not closing:
        return {}
    return {
        "zone": ours[0]["zone"] if ours else "",
        "services": sorted(one["service"] for one in ours if one["service"]),
        "ports": sorted(one["port"] for one in ours if one["port"]),
        "closing": closing,
    }


def _faults(services: Any, ports: Any, zone: Any, purpose: Any) -> list[str]:
    faults = []
    for name, given in (("firewalld_services", services), ("firewalld_ports", ports)):
        if not isinstance(given, list):
            faults.append(f"{name} is {shown(given)}; wanted a list")
    for one in services if isinstance(services, list) else []:
        if not _is_word(one):
            faults.append(f"firewalld_services has {shown(one)}; wanted names of firewalld's services, such as https")
    for one in ports if isinstance(ports, list) else []:
        if not _port(one):
            faults.append(
                f"firewalld_ports has {shown(one)}; wanted ports from 1 to 65535 with their protocol, such as 8080/tcp "
                "or 5000-5010/udp"
            )
    if zone and not _is_word(zone):
        faults.append(f"firewalld_zone is {shown(zone)}; wanted the name of a zone, such as public, or ''")
    if not _is_word(purpose):
        faults.append(f"firewalld_purpose is {shown(purpose)}; wanted a word of letters, digits, - and _")
    return faults


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", value) is not None


def _port(value: Any) -> str:
    """'8080/tcp' or '5000-5010/udp' as firewalld writes it, or '' when it is none."""
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?/(tcp|udp|sctp|dccp)", str(value))
    if not match:
        return ""
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= 65535:
        return ""
    return f"{low}/{match[3]}" if low == high else f"{low}-{high}/{match[3]}"


def _of_sites(sites: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What nginx listens on for other hosts."""
    result = []
    for site in sites:
        for one in site["nginx"]["listen"] if site["state"] == "present" else []:
            if one["address"].startswith("127.") or one["address"] in ("localhost", "[::1]"):
                continue
            port = one["port"]
            result.append({"service": SERVICES[port]} if port in SERVICES else {"port": f"{port}/tcp"})
    return result


def _item(zone: str, service: str = "", port: str = "") -> dict[str, str]:
    return {"zone": zone, "service": service, "port": port}


def _recorded(what: Mapping[str, Any]) -> list[dict[str, str]]:
    zone = what.get("zone", "")
    items = [_item(zone, service=one) for one in what.get("services", [])]
    items += [_item(zone, port=one) for one in what.get("ports", [])]
    return items + [_item(one["zone"], one["service"], one["port"]) for one in what.get("closing", [])]


def _unique(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return [one for number, one in enumerate(items) if one not in items[:number]]
