# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge the evidence: which hop of the chain is broken, why, and what mends it.

`examine` is the way in. Each hop has one function (doctor_outside.py, doctor_inside.py, doctor_data.py), which looks at
the evidence and names the faults that it sees; none of them asks anything. What merely follows from another fault is
marked so, by the table `FOLLOWS`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..doctor.fault import BROKEN, DEGRADED, OK, UNKNOWN, Fault
from ..doctor.hops import data as doctor_data
from ..doctor.hops import inside as doctor_inside
from ..doctor.hops import outside as doctor_outside
from ..doctor.look_host import Host
from ..doctor.look_site import Site

# From outside to inside.
JUDGES = {
    "client": doctor_outside.judge_client,
    "name": doctor_outside.judge_name,
    "firewalld": doctor_outside.judge_firewalld,
    "host": doctor_outside.judge_host,
    "nginx": doctor_outside.judge_nginx,
    "location": doctor_outside.judge_location,
    "socket": doctor_inside.judge_socket,
    "uwsgi": doctor_inside.judge_uwsgi,
    "app": doctor_inside.judge_app,
    "django": doctor_inside.judge_django,
    "database": doctor_data.judge_database,
    "static": doctor_data.judge_static,
    "media": doctor_data.judge_media,
}
HOPS = tuple(JUDGES)
# A fault, and the faults (or hops) that it is a mere consequence of when one of them is there, too.
FOLLOWS = {
    "client.no-connection": ["nginx"],
    "client.status": ["name", "nginx", "location", "socket", "uwsgi", "app", "django", "database", "host", "static"],
    "client.no-answer": ["name", "nginx", "location", "socket", "uwsgi", "app", "django", "database"],
    "nginx.stopped": ["nginx.config", "nginx.port-taken", "nginx.ipv6", "nginx.key", "host.disk-full"],
    "nginx.config": ["nginx.ipv6", "nginx.key", "host.disk-full"],
    "socket.missing": ["uwsgi.stopped", "uwsgi.crashing", "app", "uwsgi.missing"],
    "socket.stale": ["uwsgi.stopped", "uwsgi.crashing", "app", "uwsgi.missing"],
    "socket.refused": ["uwsgi.stopped", "uwsgi.crashing", "app", "uwsgi.missing"],
    "socket.silent": ["uwsgi", "app", "django", "database"],
    "socket.queue-full": ["uwsgi.stopped", "uwsgi.crashing", "app"],
    "uwsgi.busy": ["socket.protocol"],
    "uwsgi.stopped": ["app", "host.disk-full"],
    "uwsgi.crashing": ["app", "host.disk-full"],
    "django.slow": ["uwsgi.busy", "database.unreachable", "socket.protocol"],
    "django.timeouts": ["uwsgi.busy", "django.slow", "database.unreachable", "uwsgi.harakiri"],
    "django.error": ["app", "database", "host.disk-full", "static.uncollected"],
    "database.error": ["host.disk-full"],
    "static.status": ["nginx", "name", "firewalld"],
}


@dataclass
class Hop:
    """One hop: `evidence` says what was seen where all is well."""

    name: str
    status: str = OK
    evidence: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def examine(site: Site, host: Host) -> dict[str, Any]:
    """The verdict on one site: plain data, as the module documents it, with no secret in it."""
    faults: list[Fault] = []
    hops = []
    for name in HOPS:
        seen: list[str] = []
        for one in JUDGES[name](site, host, seen):
            faults.append(one)
        hops.append(Hop(name, evidence=seen))
    _attribute(faults)
    for hop in hops:
        hop.faults = sorted((one for one in faults if one.hop == hop.name), key=_rank)
        hop.status = hop.faults[0].status if hop.faults else _seen_status(hop, faults)
    report: dict[str, Any] = blotted(_plain(site, hops), site.secrets)
    return report


def request_faults(sites: Sequence[Any], names: Sequence[str]) -> list[str]:
    """What is wrong with a request: sites without a name or domains, names of no site."""
    faults = []
    for number, one in enumerate(sites):
        domains = one.get("domains")
        one["domains"] = [domains] if isinstance(domains, str) else domains
        if not isinstance(one.get("name"), str) or not isinstance(one["domains"], list) or not one["domains"]:
            faults.append(f"sites[{number}] is {sorted(one)}; wanted a mapping with at least name and domains")
    known = [str(one.get("name")) for one in sites]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            faults.append(f"there is no site '{name}'; known are {', '.join(sorted(known)) or 'none'}{hint}")
    return faults


def blotted(value: Any, secrets: Sequence[str]) -> Any:
    """The value with everything blotted out that may be a secret: environment values, credentials in URLs, cookies."""
    if isinstance(value, dict):
        return {key: blotted(one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [blotted(one, secrets) for one in value]
    if not isinstance(value, str):
        return value
    for secret in sorted(secrets, key=len, reverse=True):
        value = value.replace(secret, "********")
    value = re.sub(r"(\w://)[^/@\s]*@", r"\1********@", value)
    return re.sub(
        r"(?i)\b((?:\w*(?:password|passwd|secret|token|api_?key)\w*|sessionid|csrftoken)[\"']?\s*[=:]\s*)[\"']?[^\s\"',;]+",
        r"\1********",
        value,
    )


def _attribute(faults: Sequence[Fault]) -> None:
    """Mark what follows from something else, and name the hop that it comes from in the end."""

    def sources(one: Fault) -> list[Fault]:
        wanted = FOLLOWS.get(one.name, [])
        return [
            other
            for other in faults
            if other is not one
            and other.status in (BROKEN, DEGRADED)
            and (other.name in wanted or (other.hop in wanted and other.hop != one.hop))
            and (other.status == BROKEN or one.status == DEGRADED)
        ]

    for one in faults:
        found, seen = one, [one]
        while True:
            before = [other for other in sources(found) if other not in seen]
            if not before:
                break
            found = before[-1]  # the innermost hop: it is what the others wait for
            seen.append(found)
        one.follows = found.hop if found is not one else ""


def _rank(one: Fault) -> tuple[bool, int]:
    return bool(one.follows), (BROKEN, DEGRADED, UNKNOWN).index(one.status)


def _seen_status(hop: Hop, faults: Sequence[Fault]) -> str:
    """A hop without a fault is ok where something was seen of it, otherwise nobody knows."""
    return OK if hop.evidence else UNKNOWN


def _plain(site: Site, hops: Sequence[Hop]) -> dict[str, Any]:
    faults = [one for hop in hops for one in hop.faults]
    # What is broken comes before what merely could be better; within that, the outer hop first.
    roots = sorted((one for one in faults if not one.follows and one.status != UNKNOWN), key=lambda one: one.status)
    worst = next((one for one in (BROKEN, DEGRADED, UNKNOWN) if any(hop.status == one for hop in hops)), OK)
    return {
        "name": site.name,
        "domains": site.domains,
        "managed": site.managed,
        "status": worst,
        "first": _fault(roots[0]) if roots else None,
        "hops": [
            {
                "hop": hop.name,
                "status": hop.status,
                "evidence": hop.faults[0].evidence if hop.faults else hop.evidence,
                "cause": hop.faults[0].cause if hop.faults else "",
                "mend": hop.faults[0].mend if hop.faults else "",
                "follows": hop.faults[0].follows if hop.faults else "",
                "faults": [_fault(one) for one in hop.faults],
            }
            for hop in hops
        ],
        "ladder": [],
    }


def _fault(one: Fault) -> dict[str, Any]:
    return {
        "fault": one.name,
        "hop": one.hop,
        "status": one.status,
        "cause": one.cause,
        "mend": one.mend,
        "evidence": [line for line in one.evidence if line],
        "follows": one.follows,
    }
