# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody gets who asks for the site at the host's own address."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Host, Site
from ..fault import BROKEN, Fault, Faults
from ..questions import good
from ..ways import kept_out, to_another_entrance

FAULTS = Faults(
    "client",
    {
        "client.no-connection": ["nginx"],
        "client.other-program": ["nginx"],
        "client.status": [
            *("name", "nginx", "location", "socket", "uwsgi", "app", "django", "database", "host", "static"),
        ],
        "client.no-answer": ["name", "nginx", "location", "socket", "uwsgi", "app", "django", "database"],
    },
)
# What an answer can come of. A page that is not there, or too large a request, says that all behind it is well enough
# to answer; 502 says that nobody behind nginx did.
_FOLLOW = "see the hop that it follows from"
_ASKED = ("name", "nginx", "location")
_SOURCES = {
    400: (*_ASKED, "django"),
    500: (*_ASKED, "uwsgi", "app", "django", "database", "host", "static"),
    502: (*_ASKED, "socket", "uwsgi", "app", "host"),
    504: (*_ASKED, "socket", "uwsgi", "app", "django", "database", "host"),
}
_MEANINGS = {
    400: "a client gets 400 Bad Request",
    404: "a client gets 404 Not Found",
    413: "a client gets 413: its request is too large",
    500: "a client gets 500: the application failed",
    502: "a client gets 502: nginx got no usable answer from behind",
    503: "a client gets 503: what is behind says that it cannot serve now",
    504: "a client gets 504: nginx waited in vain for what is behind it",
}


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    for entrance in site.entrances:
        asked = f"GET {entrance.url}{site.path} at {entrance.address}"
        answer = entrance.answer
        if answer and host.nginx.installed and not host.nginx.master:
            holder = host.holders.get(entrance.port, "another program")
            cause = f"{holder} answers at {entrance.address}:{entrance.port} in the place of nginx"
            said = f"{asked} -> {answer.status} {answer.reason}"
            yield FAULTS.fault("client.other-program", BROKEN, cause, "see nginx", [said])
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
            fix = (
                _FOLLOW if only != _ASKED else f"{_FOLLOW}; from none: web_sites[].health says what is asked and right"
            )
            yield FAULTS.fault("client.status", BROKEN, meaning, fix, [said], only)
            continue
        evidence = [f"{asked}: {entrance.failure}"]
        if entrance.errno and "within" not in entrance.failure:
            cause = f"nobody accepts connections at {entrance.address}:{entrance.port}"
            yield FAULTS.fault("client.no-connection", BROKEN, cause, "see nginx", evidence)
        else:
            cause = "a client gets no answer"
            yield FAULTS.fault("client.no-answer", BROKEN, cause, _FOLLOW, evidence)
