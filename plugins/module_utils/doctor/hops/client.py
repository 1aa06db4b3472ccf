# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a client gets that requests the site at the host's own address."""

from __future__ import annotations

from collections.abc import Iterator

from ...nginx import match
from .. import judge_access, judge_outside, judge_visits
from ..evidence import Host, Site
from ..fault import BROKEN, Fault, Faults
from ..questions import good
from ..ways import kept_out, to_another_entrance

FAULTS = Faults(
    "client",
    {
        "client.no-connection": ["firewalld.dropped", "nginx", "name.no-server"],
        "client.other-program": ["nginx"],
        "client.status": [
            *("name", "nginx", "location", "socket", "uwsgi", "app", "django", "database", "host", "static"),
            "django.urls",  # the only fault of Django that causes a 502
        ],
        "client.no-answer": [
            "name",
            "firewalld.dropped",
            "nginx",
            "location",
            "socket",
            "uwsgi",
            "app",
            "django",
            "database",
        ],
        "client.refused": [],
        "client.outside-silent": ["firewalld.dropped", "firewalld.closed", "nginx.loopback-only"],
        "client.outside-differs": ["location.denied", "location.refused"],
        "client.pages": ["nginx", "socket", "uwsgi", "app", "django", "database", "host"],
        "client.page-gone": ["name", "nginx", "location", "app", "client.status", "client.no-answer"],
        "client.gave-up": ["nginx", "socket", "uwsgi", "app", "django", "database", "host", "client.no-answer"],
        "client.dead-end": ["name", "nginx", "location", "socket", "uwsgi", "app", "django", "database", "host"],
    },
)
# The possible causes of an answer. With 404 or 413, everything behind it works well enough to answer; 502 means that
# nothing behind nginx answered, or that Django failed before it could handle the failure.
_ASKED = ("name", "nginx", "location")
_SOURCES = {
    400: (*_ASKED, "socket", "django"),
    500: (*_ASKED, "uwsgi", "app", "django", "database", "host", "static"),
    502: (*_ASKED, "socket", "uwsgi", "app", "django.urls", "host"),
    504: (*_ASKED, "socket", "uwsgi", "app", "django", "database", "host"),
}
_MEANINGS = {
    400: "a client gets 400 Bad Request",
    404: "a client gets 404 Not Found",
    413: "a client gets 413: its request is too large",
    500: "a client gets 500: the application failed",
    502: "a client gets 502: nginx got no usable answer from the server behind it",
    503: "a client gets 503: the server behind nginx reports that it is unavailable",
    504: "a client gets 504: nginx waited too long for the server behind it",
}


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    for entrance in site.entrances:
        asked = f"GET {entrance.url}{site.path} at {entrance.address}"
        answer = entrance.answer
        if answer and host.nginx.installed and not host.nginx.master:
            holder = host.holders.get(entrance.port, "another program")
            cause = f"{holder} answers at {entrance.address}:{entrance.port} instead of nginx"
            said = f"{asked} -> {answer.status} {answer.reason}"
            yield FAULTS.fault("client.other-program", BROKEN, cause, _who_listens(entrance.port), [said])
            continue
        if answer:
            said = f"{asked} -> {answer.status} {answer.reason} in {answer.seconds:.2f} s"
            if good(answer.status, site.wanted_status) or to_another_entrance(entrance, site):
                seen.append(said)
                continue
            if why := kept_out(site, answer.status):
                seen.append(f"{said}: {why}")
                continue
            meaning = _MEANINGS.get(answer.status, f"a client gets {answer.status}")
            only = _SOURCES.get(answer.status, _ASKED if answer.status < 500 else None)
            yield FAULTS.fault("client.status", BROKEN, meaning, _logs(site, only), [said], only)
            continue
        if judge_access.turned_away(site, entrance):
            seen.append(f"{asked}: {entrance.failure}")
            continue
        evidence = [f"{asked}: {entrance.failure}"]
        if entrance.errno and "within" not in entrance.failure:
            cause = f"nothing accepts connections at {entrance.address}:{entrance.port}"
            yield FAULTS.fault("client.no-connection", BROKEN, cause, _who_listens(entrance.port), evidence)
        else:
            cause = "a client gets no answer"
            yield FAULTS.fault("client.no-answer", BROKEN, cause, _logs(site, None), evidence)
    yield from judge_visits.judge(FAULTS, site)
    yield from judge_outside.judge(FAULTS, site, host, seen)


def _who_listens(port: int) -> str:
    return f"systemctl status nginx; ss -ltnp 'sport = :{port}' shows what listens"


def _logs(site: Site, only: tuple[str, ...] | None) -> str:
    """Return the fix if no hop behind gives the reason. Otherwise `verdict` points to that hop."""
    log = match.inherited(site.chain, "error_log") if site.chain else None
    logs = f"tail -n 50 {log.args[0] if log else '/var/log/nginx/error.log'}"
    unit = site.uwsgi.unit.get("Id")
    logs += f"; journalctl -u '{unit}' -n 50" if unit else ""
    return (
        f"web_sites[].health sets the request and the expected status; {logs}; by hand: {logs}"
        if only == _ASKED
        else logs
    )
