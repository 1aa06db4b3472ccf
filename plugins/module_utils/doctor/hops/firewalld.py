# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the zone of the outer interface allows the site's ports, and what other packet filters do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .. import judge_filter
from ..evidence import Host, Site
from ..fault import BROKEN, DEGRADED, UNKNOWN, Fault, Faults

FAULTS = Faults(
    "firewalld",
    {
        "firewalld.silent": [],
        "firewalld.stopped": [],
        "firewalld.closed": [],
        "firewalld.dropped": [],
        "firewalld.limited": [],
    },
)
_SERVICES = {80: "--add-service=http", 443: "--add-service=https"}


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    wall = host.firewall
    if not wall.installed:
        seen.append("firewalld is not installed")
    elif not wall.answered:
        cause = "firewall-cmd does not answer: it is not known which ports firewalld allows"
        evidence = [wall.error or "no answer in time"]
        yield FAULTS.fault("firewalld.silent", UNKNOWN, cause, "systemctl status firewalld", evidence)
    elif wall.running:
        yield from _ports(site, host, seen)
    elif wall.enabled:
        yield FAULTS.fault(
            "firewalld.stopped",
            DEGRADED,
            "firewalld is enabled but not running: the site is reachable, and so is everything else on this host",
            "systemctl start firewalld",
            [wall.error or "firewall-cmd --state: not running"],
        )
    else:
        seen.append("firewalld is installed but not enabled")
    yield from judge_filter.judge(FAULTS, site, host, seen)


def _ports(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    wall = host.firewall
    for port in sorted({entrance.port for entrance in site.entrances}):
        if refusing := _refusing(wall.rules, port):
            yield FAULTS.fault(
                "firewalld.closed",
                BROKEN,
                f"firewalld does not allow {port}/tcp: zone {wall.zone} has a rich rule that refuses it",
                f"firewall-cmd --remove-rich-rule='{refusing}' && "
                f"firewall-cmd --permanent --remove-rich-rule='{refusing}'",
                [f"zone {wall.zone}: {refusing}"],
            )
        elif wall.target == "ACCEPT" or any(_holds(opened, port) for opened in wall.opened):
            seen.append(f"zone {wall.zone} allows {port}/tcp")
        elif any(f'port="{port}"' in rule or "service" in rule for rule in wall.rules):
            seen.append(f"zone {wall.zone} has a rich rule for {port}/tcp")
        else:
            option = _SERVICES.get(port, f"--add-port={port}/tcp")
            yield FAULTS.fault(
                "firewalld.closed",
                BROKEN,
                f"firewalld does not allow {port}/tcp: zone {wall.zone} does not open it",
                f"firewall-cmd {option} && firewall-cmd --permanent {option} "
                f"(firewalld_ports, or web_sites[].nginx.listen with pyweb.stack.site)",
                [f"zone {wall.zone}: services {' '.join(wall.services)}; ports {' '.join(wall.ports) or 'none'}"],
            )


def _refusing(rules: Sequence[str], port: int) -> str:
    """Return the rich rule that refuses a port to everybody, '' where there is none; refusals come before the rest."""
    for rule in rules:
        action = re.search(r" (?:reject|drop)(?: |$)", rule)
        named = re.search(r' port port="([\d-]+)" protocol="tcp"| service name="(\w+)"', rule)
        if action and named and " source " not in f"{rule} " and 'family="ipv6"' not in rule and "limit" not in rule:
            held = named[1] or {"http": "80", "https": "443"}.get(named[2], "")
            if _holds(f"{held}/tcp", port):
                return rule
    return ""


def _holds(opened: str, port: int) -> bool:
    """Return whether '80/tcp' or '8000-8010/tcp' has a port."""
    low, _dash, high = opened.partition("/")[0].partition("-")
    return opened.endswith("/tcp") and low.isdigit() and int(low) <= port <= int(high or low)
