# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of the role `nginx`: the values that each may have, and the errors for others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.checks import Check, Wrong
from ..model.errors import nearest, shown
from ..model.types import Site
from .names import MAIN

LAYOUTS = ("conf_d", "sites_available", "default_d")
WORKER_CONNECTIONS = 1024


def layout(given: str, preferred: str, present: list[Site], faults: list[str]) -> str:
    layout = preferred if given == "auto" else given
    if layout not in LAYOUTS:
        faults.append(f"nginx_layout is {shown(given)}{nearest(given, ('auto', *LAYOUTS))}")
    elif layout == "default_d" and len(present) > 1:
        names = ", ".join(site["name"] for site in present)
        faults.append(
            f"nginx_layout is default_d, which has room for one site; nginx_sites has {len(present)}: {names}; "
            "use conf_d or sites_available"
        )
    return layout


def ipv6(given: Any, kernel: bool, faults: list[str]) -> bool:
    words = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False, "auto": kernel}
    word = str(given).lower()
    if word not in words:
        faults.append(f"nginx_ipv6 is {shown(given)}; expected auto, true or false")
    return words.get(word, kernel)


def check_connections(connections: int, host: Mapping[str, Any], faults: list[str]) -> None:
    theirs = host.get("worker_connections", "")
    if connections != WORKER_CONNECTIONS and str(connections) != theirs:
        found = f"says {theirs}" if theirs else "does not set it"
        faults.append(
            f"nginx_worker_connections is {connections}, but {MAIN} was not written by pyweb.stack and {found}; set it "
            "there, or "
            "remove nginx_worker_connections"
        )


def checked(variable: str, check: Check, value: Any, default: Any, faults: list[str]) -> Any:
    try:
        return check(value)
    except Wrong as wrong:
        faults.append(f"{variable} is {shown(value)}; expected {wrong.wanted}" + (wrong.fix and f"; {wrong.fix}"))
        return default
