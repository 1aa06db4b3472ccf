# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge which clients nginx rejects at the site's page: allow and deny, passwords, conditions with 403, 404, 444.

A site that is private on purpose is ok: one with a password, or for the addresses of an office.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from ..nginx import course, match
from ..nginx.dump import Directive
from ..nginx.refusing import rules
from .evidence import Entrance, Host, Site
from .fault import BROKEN, UNKNOWN, Fault, Faults
from .fixes import RELOAD
from .front import in_front
from .judge_directives import stopped_by_try_files
from .questions import by_nginx, good

_REFUSALS = (401, 403, 404, 405, 406, 410, 418, 429, 444, 451)
# Variables that are the same for all visitors of a name: a decision by only these applies to everyone.
_FOR_ALL = re.compile(
    r"\$\{?(host|http_host|server_name|server_port|server_addr|scheme|https|uri|request_uri|document_uri)\b"
)


def judge(faults: Faults, site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    """Yield what rejects visitors. It is called if nginx passes requests to an application."""
    told: set[str] = set()
    for entrance in site.entrances:
        chain = _chain(entrance, site)
        if not chain:
            continue
        for fault in [
            *_denied(faults, site, host, entrance, chain, seen),
            *(_asked_first(faults, site, entrance, chain) or _refused(faults, site, entrance, chain, seen)),
        ]:
            if fault.cause not in told:
                told.add(fault.cause)
                yield fault
    yield from _password(faults, site, host)


def turned_away(site: Site, entrance: Entrance) -> bool:
    """Return whether a connection that ended without an answer was nginx's doing, by a `return 444` on a condition."""
    return entrance.answer is None and _condition(_chain(entrance, site), entrance) is not None


def _chain(entrance: Entrance, site: Site) -> list[Directive]:
    if not entrance.server or entrance.server not in entrance.wanted:
        return []
    chain = match.locate(entrance.server, site.path)
    return chain if match.passes(match.handler(chain)) else []


# --- allow and deny ---


def _denied(
    faults: Faults, site: Site, host: Host, entrance: Entrance, chain: list[Directive], seen: list[str]
) -> Iterator[Fault]:
    status = entrance.answer.status if entrance.answer else 0
    if not status or status == 401 or _visited(site, entrance) or _satisfies_any(chain):
        return
    some: list[Directive] = []
    inner: list[Directive] = []
    for rule in rules(chain):
        everybody = rule.args[0] == "all"
        if rule.name == "deny" and not everybody:
            continue
        if rule.name == "allow" and not everybody:
            (inner if _is_inner(rule.args[0], host) else some).append(rule)
            continue
        if rule.name == "allow":
            return
        line = f"{str(rule).rstrip(';')} in {rule.place}"
        if some:
            seen.append(f"private: nginx allows only {', '.join(one.args[0] for one in some[:4])}; {line}")
            return
        who = f"only this host itself ({', '.join(one.args[0] for one in inner)})" if inner else "nobody"
        front = in_front(site, host) if inner else ""
        yield faults.fault(
            "location.denied",
            UNKNOWN if front else BROKEN,
            f"nginx allows {who}: {line}" + (f"; this is correct if visitors come through {front}" if front else ""),
            f"remove that line, or add a line for your visitors above it: allow 192.0.2.0/24; in {rule.place}",
            [*(f"{one} in {one.place}" for one in [*inner[:3], rule]), f"GET {entrance.url}{site.path} -> {status}"],
        )
        return


def _visited(site: Site, entrance: Entrance) -> bool:
    """Return whether the controller, an ordinary client, was allowed there."""
    return any(
        (visit.domain, visit.port) == (entrance.domain, entrance.port) and 0 < visit.status < 400
        for visit in site.visitors.visits
    )


def _satisfies_any(chain: list[Directive]) -> bool:
    satisfied = match.inherited(chain, "satisfy")
    asked = match.inherited(chain, "auth_basic")
    others = match.inherited(chain, "auth_request") or match.inherited(chain, "auth_jwt")
    return bool(satisfied and satisfied.args == ["any"] and ((asked and asked.args[:1] != ["off"]) or others))


def _is_inner(text: str, host: Host) -> bool:
    """Return whether an address or network is the host's own alone."""
    if text == "unix:" or text in host.addresses:
        return True
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return network.is_loopback or (network.num_addresses == 1 and str(network[0]) in host.addresses)


# --- conditions ---


def _condition(chain: Sequence[Directive], entrance: Entrance) -> tuple[Directive, Directive] | None:
    """Return the `if` and its `return` that made the answer: of 444 there is none."""
    wanted = str(entrance.answer.status) if entrance.answer else "444"
    if not entrance.answer and "closed" not in entrance.failure and "end came" not in entrance.failure:
        return None
    for block in chain[1:]:
        for condition in block.all("if"):
            for given in condition.all("return"):
                if given.args[:1] == [wanted] and int(wanted) in _REFUSALS:
                    return condition, given
    return None


def _refused(
    faults: Faults, site: Site, entrance: Entrance, chain: list[Directive], seen: list[str]
) -> Iterator[Fault]:
    status = entrance.answer.status if entrance.answer else 444
    behind = next((probe.answer.status for probe in site.probes if probe.answer), 0)
    found = _condition(chain, entrance)
    asked = f"GET {entrance.url}{site.path} -> {status if entrance.answer else entrance.failure}"
    if found:
        condition, given = found
        what = f"{condition} {given} }} in {given.place}"
        if good(site.visitors.browser or 500, []) and site.visitors.browser < 400:
            seen.append(f"the doctor is rejected by {what}; a browser gets {site.visitors.browser}")
            return
        sure = _for_all(condition)
        yield faults.fault(
            "location.refused",
            BROKEN if sure else UNKNOWN,
            f"nginx answers {site.path} with {status} on a condition: {what}"
            + ("" if sure else "; the doctor cannot tell which visitors this applies to"),
            f"correct the condition in {condition.place}, then nginx -t && systemctl reload nginx",
            [asked],
        )
    elif changed := _changed(site, entrance, behind):
        yield faults.fault(
            "location.refused",
            BROKEN,
            f"{changed} makes {site.directives.root.uri if site.directives.root else '?'} of {site.path} before the "
            f"application is asked: it answers {status}, and {site.path} with {behind}",
            f"remove or correct that line in {changed.place}, then {RELOAD}",
            [asked, f"{changed} in {changed.place}"],
        )
    elif status in (403, 404, 405, 410) and entrance.answer and behind and behind != status and behind < 400:
        if rules(chain) or site.wanted_status or stopped_by_try_files(site):
            return
        yield faults.fault(
            "location.refused",
            UNKNOWN,
            f"nginx answers {site.path} with {status} itself, but the application behind it with {behind}: its "
            f"location is in {chain[-1].place}",
            f"check {chain[-1].place} and nginx's error log",
            [asked, *site.nginx_events[-1:]],
        )


def _asked_first(faults: Faults, site: Site, entrance: Entrance, chain: list[Directive]) -> list[Fault]:
    """Judge what rejects every client in the location itself: `internal`, and an `auth_request` that fails."""
    answer = entrance.answer
    hidden = chain[-1].all("internal")
    if answer and answer.status == 404 and by_nginx(answer.status, answer.body) and hidden:
        return [
            faults.fault(
                "location.refused",
                BROKEN,
                f"`internal` in {hidden[0].place} blocks every request for {site.path}: nginx answers 404",
                f"remove `internal;` in {hidden[0].place}, then {RELOAD}",
                [f"GET {entrance.url}{site.path} -> 404", f"internal; in {hidden[0].place}"],
            )
        ]
    asks = match.inherited(chain, "auth_request")
    said = [line for line in site.nginx_events if "auth request unexpected status" in line]
    if (
        not asks
        or asks.args[:1] == ["off"]
        or not answer
        or answer.status != 500
        or not by_nginx(answer.status, answer.body)
    ):
        return []
    got = re.search(r"auth request unexpected status: (\d+)", said[-1]) if said else None
    return [
        faults.fault(
            "location.refused",
            BROKEN,
            f"nginx first asks {asks.args[0]} whether to allow a request ({str(asks).rstrip(';')} in {asks.place}), "
            f"and gets {got[1] if got else 'no valid answer'}: every request gets 500",
            f"make {asks.args[0]} answer with 2xx, 401 or 403, or remove auth_request in {asks.place}; then {RELOAD}",
            [f"GET {entrance.url}{site.path} -> 500", *said[-1:]],
        )
    ]


def _changed(site: Site, entrance: Entrance, behind: int) -> Directive | None:
    """Return the `rewrite` that changes the path for the application, if that causes a failure."""
    root, answer = site.directives.root, entrance.answer
    if not root or root.ends != course.PASS or not root.rewrites or root.uri == site.path or not answer:
        return None
    hurts = answer.status in (403, 404, 405, 410) and behind and behind < 400
    return root.rewrites[-1] if hurts and not site.wanted_status else None


def _for_all(condition: Directive) -> bool:
    """Return whether a condition is decided by what is alike for all visitors."""
    text = " ".join(condition.args)
    return len(re.findall(r"\$\{?[a-z_]\w*", text)) == len(_FOR_ALL.findall(text)) > 0


# --- passwords ---


def _password(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    file = site.visitors.password
    if not file or (file.exists and file.users and not file.obstacle):
        return
    worker = host.nginx.worker_name
    if not file.exists:
        what, fix = "does not exist", f"htpasswd -c {file.path} NAME, readable for {worker}"
    elif file.obstacle:
        what, fix = f"cannot be read by nginx ({worker}): {file.obstacle.evidence}", file.obstacle.fix
    else:
        what, fix = "contains no users", f"htpasswd {file.path} NAME"
    yield faults.fault(
        "location.auth-file",
        BROKEN,
        f"nginx requires a password, but no login can succeed: {file.path} {what}",
        fix,
        [f"auth_basic_user_file {file.path} in {file.place}"],
    )
