# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody gets who asks for the site at the host's own address."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Host, Site
from ..fault import BROKEN, Fault, Faults
from ..questions import good

FAULTS = Faults(
    "client",
    {
        "client.no-connection": ["nginx"],
        "client.status": [
            *("name", "nginx", "location", "socket", "uwsgi", "app", "django", "database", "host", "static"),
        ],
        "client.no-answer": ["name", "nginx", "location", "socket", "uwsgi", "app", "django", "database"],
    },
)
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
        if answer:
            said = f"{asked} -> {answer.status} {answer.reason} in {answer.seconds:.2f} s"
            if good(answer.status, site.wanted_status):
                seen.append(said)
                continue
            meaning = _MEANINGS.get(answer.status, f"a client gets {answer.status}")
            yield FAULTS.fault("client.status", BROKEN, meaning, "see the hop that it follows from", [said])
            continue
        evidence = [f"{asked}: {entrance.failure}"]
        if entrance.errno and "within" not in entrance.failure:
            cause = f"nobody accepts connections at {entrance.address}:{entrance.port}"
            yield FAULTS.fault("client.no-connection", BROKEN, cause, "see nginx", evidence)
        else:
            cause = "a client gets no answer"
            yield FAULTS.fault("client.no-answer", BROKEN, cause, "see the hop that it follows from", evidence)
