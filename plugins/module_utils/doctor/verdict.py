# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge the evidence: which hop is broken, why, how to fix it, and what is a consequence of another fault.

The judges only look at the evidence. Nothing here asks a host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..host.visible import visible
from .chain import CHAIN, REGISTER
from .evidence import Host, Site
from .fault import ADVICE, BROKEN, DEGRADED, OK, UNKNOWN, Fault
from .fixes import fix_for

_LEADING = ("client.status", "client.no-answer", "client.no-connection", "client.other-program")
# nginx has other files than those that were read here, and the hops that are judged by files.
_UNREAD = ("nginx.config", "nginx.not-reloaded")
_READ_IN_FILES = ("location", "name")
_FOLLOW = "see the hop that it follows from"
HIDDEN = "********"
_SEVERITY = (BROKEN, DEGRADED, UNKNOWN, ADVICE)
# Keys of a report whose values do not come from the host.
_OURS = frozenset({"fault", "hop", "status", "follows", "rung"})
_LONG = 8
_CREDENTIALS = re.compile(r"(\w://)[^/@\s]*@")
_ASSIGNED = re.compile(
    r"(?i)\b((?:\w*(?:password|passwd|secret|token|api_?key)\w*|sessionid|csrftoken)[\"']?\s*[=:]\s*)[\"']?[^\s\"',;]+"
)


@dataclass
class Judged:
    """One hop with its faults, the worst first; `evidence` says what was seen where all is well."""

    name: str
    evidence: list[str]
    faults: list[Fault]

    @property
    def status(self) -> str:
        """The status of the worst fault. Without a fault a hop is ok if it was examined, otherwise unknown.

        Advice does not change the status.
        """
        found = {fault.status for fault in self.faults if fault.status != ADVICE}
        return min(found, key=_SEVERITY.index) if found else OK if self.evidence else UNKNOWN


def verdict(site: Site, host: Host) -> dict[str, Any]:
    """Return the verdict on one site: plain data, as the module documents it, with no secret in it."""
    hops = []
    for hop in CHAIN:
        seen: list[str] = []
        hops.append(Judged(hop.name, seen, list(hop.judge(site, host, seen))))
    faults = [fault for hop in hops for fault in hop.faults]
    not_in_force(site, faults)
    attribute(faults)
    for fault in faults:
        # What a client gets must be fixed in the hop that causes it.
        follows = fault.follows and fault.name in _LEADING
        fault.fix = _FOLLOW if follows else fix_for(fault.fix, site.managed)
    for judged in hops:
        judged.faults.sort(key=_rank)
    report: dict[str, Any] = hide(_plain(site, hops), site.secrets)
    return report


def unexamined(site: Site, what: str) -> dict[str, Any]:
    """Return the report on a site that could not be examined. `what` is an unexpected exception."""
    cause = f"the site could not be examined: {what}"
    fix = "this is a bug in pyweb.stack, please report it; the other sites were examined"
    fault = Fault(f"{CHAIN[0].name}.unexamined", UNKNOWN, cause, fix)
    hops = [Judged(hop.name, [], [fault] if hop is CHAIN[0] else []) for hop in CHAIN]
    return {**_plain(site, hops), "first": _fault(fault)}


def hide(value: Any, secrets: Sequence[str]) -> Any:
    """Return the value, visible and without what may be a secret: environment values, credentials in URLs, cookies."""
    if isinstance(value, dict):
        return {key: inner if key in _OURS else hide(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list):
        return [hide(inner, secrets) for inner in value]
    if not isinstance(value, str):
        return value
    # The longest first: what is left of a secret whose beginning was replaced would be shown.
    for secret in sorted(secrets, key=len, reverse=True):
        value = _without(value, secret)
    value = _CREDENTIALS.sub(rf"\1{HIDDEN}@", value)
    return visible(_ASSIGNED.sub(rf"\1{HIDDEN}", value))


def _without(text: str, secret: str) -> str:
    """Return a text without a secret. A short one that is a part of a word (wsgi in uwsgi) is another word there."""
    if len(secret) >= _LONG:
        return text.replace(secret, HIDDEN)
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", lambda _found: HIDDEN, text)


def attribute(faults: Sequence[Fault]) -> None:
    """Mark consequences of other faults, and name the hop that is their original cause."""
    for fault in faults:
        found, passed = fault, [fault]
        while True:
            before = [source for source in _sources(found, faults) if source not in passed]
            if not before:
                break
            found = before[-1]  # the innermost hop: it is what the others wait for
            passed.append(found)
        fault.follows = found.hop if found is not fault else ""


def not_in_force(site: Site, faults: Sequence[Fault]) -> None:
    """Lower what was read in files that nginx does not have yet, while visitors get the site by those of before.

    It rejects the files, or has not been told to read them. They do no harm until it reads them.
    """
    unread = [fault.name for fault in faults if fault.name in _UNREAD and fault.status == DEGRADED]
    served = site.entrances and all(way.answer and way.answer.status < 400 for way in site.entrances)
    if not unread or not served:
        return
    for fault in faults:
        if fault.hop in _READ_IN_FILES and fault.status == BROKEN:
            fault.status, fault.only = DEGRADED, (*unread, *REGISTER[fault.name])


def _sources(fault: Fault, faults: Sequence[Fault]) -> list[Fault]:
    """Return the possible causes of this fault: a degraded hop is not the cause of a broken one."""
    wanted = REGISTER[fault.name] if fault.only is None else fault.only
    return [
        other
        for other in faults
        if other is not fault
        and (other.name in wanted or (other.hop in wanted and other.hop != fault.hop))
        and (other.status == BROKEN or (other.status == DEGRADED and fault.status == DEGRADED))
    ]


def _rank(fault: Fault) -> tuple[bool, bool, int]:
    """Advice comes last. Original causes come first, then worse faults; the rest keeps its order."""
    return fault.status == ADVICE, bool(fault.follows), _SEVERITY.index(fault.status)


def _plain(site: Site, hops: Sequence[Judged]) -> dict[str, Any]:
    told = (BROKEN, DEGRADED)
    roots = [fault for hop in hops for fault in hop.faults if not fault.follows and fault.status in told]
    # What is broken comes before what merely could be better; within that, the outer hop first.
    roots.sort(key=lambda fault: _SEVERITY.index(fault.status))
    worst = next((status for status in (*told, UNKNOWN) if any(hop.status == status for hop in hops)), OK)
    return {
        "name": site.name,
        "domains": site.domains,
        "managed": site.managed,
        "status": worst,
        "first": _fault(roots[0]) if roots else None,
        "hops": [_hop(hop) for hop in hops],
        "ladder": [],
    }


def _hop(hop: Judged) -> dict[str, Any]:
    faulty = [fault for fault in hop.faults if fault.status != ADVICE]
    first = faulty[0] if faulty else None
    return {
        "hop": hop.name,
        "status": hop.status,
        "evidence": first.evidence if first else hop.evidence,
        "cause": first.cause if first else "",
        "fix": first.fix if first else "",
        "follows": first.follows if first else "",
        "faults": [_fault(fault) for fault in hop.faults],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "fault": fault.name,
        "hop": fault.hop,
        "status": fault.status,
        "cause": fault.cause,
        "fix": fault.fix,
        "evidence": [line for line in fault.evidence if line],
        "follows": fault.follows,
    }
