# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nginx does with a request: whether it passes it to an application, how large it may be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...nginx import match
from .. import judge_access
from ..evidence import Host, Site
from ..fault import BROKEN, DEGRADED, Fault, Faults
from ..fixes import RELOAD
from ..judge_directives import judge as judge_directives
from ..judge_directives import why_not

FAULTS = Faults(
    "location",
    {
        "location.no-pass": ["nginx.redirect-dead", "nginx.redirect-loop"],
        "location.try-files": [],
        "location.front": [],
        "location.params": ["socket.protocol"],
        "location.host": [],
        "location.proxy-uri": [],
        "location.variable": [],
        "location.upstream-down": [],
        "location.upstream-name": [],
        "location.body-size": [],
        "location.denied": [],
        "location.refused": [],
        "location.auth-file": [],
        "location.limited": [],
        "location.header-buffers": [],
    },
)


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    if not host.nginx.config or not any(entrance.wanted for entrance in site.entrances):
        return
    if not site.handler or not match.passes(site.handler):
        what = f"has `{site.handler}`" if site.handler else "serves files"
        place = site.chain[-1].place if site.chain else "?"
        if site.handler and site.handler.name == "return" and site.handler.args[0][:1] in ("4", "5"):
            yield FAULTS.fault(
                "location.no-pass",
                BROKEN,
                f"nginx answers {site.path} itself: `{site.handler}` in {site.handler.place} comes before the "
                "application",
                f"remove `{site.handler}` in {site.handler.place}, then {RELOAD}",
                [f"{site.handler} in {site.handler.place}", *why_not(site)],
            )
            return
        yield FAULTS.fault(
            "location.no-pass",
            BROKEN,
            f"nginx does not pass {site.path} to an application: its location in {place} {what}",
            f"run pyweb.stack.site; by hand: set uwsgi_pass or proxy_pass at {place}, then {RELOAD}",
            [f"{site.chain[-1]} in {place}" if site.chain else "", *why_not(site)],
        )
        return
    yield from judge_access.judge(FAULTS, site, host, seen)
    yield from judge_directives(FAULTS, site, host, seen)
    if not site.directives.application:
        seen.append(f"{site.path} -> {site.handler} in {site.handler.place}")
    large = [event for event in site.nginx_events if "client intended to send too large body" in event]
    if large:
        limit = match.inherited(site.chain, "client_max_body_size")
        size = re.search(r"too large body: (\d+)", large[-1])
        yield FAULTS.fault(
            "location.body-size",
            DEGRADED,
            f"an upload of {size[1] if size else '?'} bytes was refused with 413: client_max_body_size is "
            f"{limit.args[0] if limit else '1m (the default)'}",
            "set web_sites[].nginx.client_max_body_size, then run pyweb.stack.site; by hand: set client_max_body_size "
            f"75m; at {limit.place if limit else site.chain[0].place}, then {RELOAD}",
            [large[-1]],
        )
