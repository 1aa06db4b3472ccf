# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare what the controller got with what the host itself gets, and report which server answers with an error."""

from __future__ import annotations

from collections.abc import Iterator

from .evidence import Entrance, Host, Site
from .evidence_visitors import Visit
from .fault import ADVICE, DEGRADED, UNKNOWN, Fault, Faults
from .questions import good


def judge(faults: Faults, site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    for visit in site.visitors.visits:
        entrance = _entrance(site, visit)
        answer = entrance.answer if entrance else None
        # What the host itself does not get is judged without the controller.
        if not answer or not (good(answer.status, site.wanted_status) or answer.status < 400):
            continue
        if visit.status:
            yield from _answered(faults, site, visit, answer.status, seen)
        elif not visit.proxied:
            yield _silent(faults, visit, answer.status)
    yield from _by_the_application(faults, site)


def _entrance(site: Site, visit: Visit) -> Entrance | None:
    wanted = (visit.domain, visit.port, visit.tls)
    found = [one for one in site.entrances if (one.domain, one.port, one.tls) == wanted and one.wanted]
    return found[0] if found else None


def _answered(faults: Faults, site: Site, visit: Visit, status: int, seen: list[str]) -> Iterator[Fault]:
    if visit.status == status or visit.status < 400 <= status or (visit.status < 400 and status < 400):
        seen.append(visit.said)
        return
    failed = not good(visit.status, [])
    yield faults.fault(
        "client.outside-differs",
        DEGRADED if failed else UNKNOWN,
        f"clients from outside get {visit.status}, the host itself gets {status}: "
        + (
            "run the doctor again; the problem may be intermittent"
            if failed
            else "something rejects requests from there"
        ),
        f"curl -v {visit.url}{site.path} from elsewhere; allow and deny, geo and map of nginx, proxies on the way",
        [visit.said, f"the host itself, GET {visit.url}{site.path}: {status}"],
    )


def _silent(faults: Faults, visit: Visit, status: int) -> Fault:
    how = "its connection is refused" if visit.refused else "no reply arrives"
    return faults.fault(
        "client.outside-silent",
        UNKNOWN,
        f"the controller gets no answer at {visit.address}:{visit.port} ({how}), while the host itself gets {status}: "
        "something in between drops it, such as the provider's firewall, a security group or a router",
        f"allow {visit.port}/tcp there; nothing to do if the site is not meant to be reachable from the controller",
        [visit.said, f"the host itself, GET {visit.url}/: {status}"],
    )


def _by_the_application(faults: Faults, site: Site) -> Iterator[Fault]:
    """Say of 403 and 404 that the application answers so itself: the way to it is well."""
    for entrance in site.entrances:
        status = entrance.answer.status if entrance.answer else 0
        made = any(probe.answer and probe.answer.status == status for probe in site.probes)
        if status not in (403, 404) or not made or status in site.wanted_status:
            continue
        urls = site.inside.get("settings", {}).get("module", "")
        has = "has no page there" if status == 404 else "refuses it"
        yield faults.fault(
            "client.refused",
            ADVICE,
            f"a client gets {status} at {site.path}: the application {has}, nginx passes the request on",
            "web_sites[].health.path sets the path that the doctor requests; by hand: a path in urls.py where there "
            "should be a " + (f"page (settings {urls})" if urls else "page"),
            [f"GET {entrance.url}{site.path} -> {status}", f"the application behind nginx: {status}"],
        )
        return
