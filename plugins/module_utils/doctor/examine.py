# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Examine the sites of a host: examine what they share, then each site, judge it, and run the ladder if requested.

look_*.py collect the evidence (evidence.py), hops/ judge it, verdict.py combines the hops, ladder.py starts the parts.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from . import ladder
from .changes import look_at_changes
from .evidence import Host, Patience, Site
from .fault import BROKEN
from .look_again import look_again_at_others
from .look_host import look_at_host
from .look_site import look_at_site, site_of
from .questions import good
from .verdict import hide, unexamined, verdict


class RequestError(ValueError):
    """A request that cannot be answered: sites without a name or domains, names of no site."""


def examine(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the module documents. `wanted` are its arguments. Raises `RequestError`."""
    faults = request_faults(wanted["sites"], wanted["names"])
    if faults:
        raise RequestError("; ".join(faults))
    host = look_at_host(wanted["controller_time"])
    chosen = [given for given in wanted["sites"] if not wanted["names"] or given["name"] in wanted["names"]]
    reports = [_examined(given, host, Patience(wanted["patience"]), wanted["deep"]) for given in chosen]
    return {"broken": any(report["status"] == BROKEN for report in reports), "sites": reports}


def request_faults(sites: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Return what is wrong with a request. A single domain becomes a list of one."""
    faults = []
    for number, site in enumerate(sites):
        domains = site.get("domains")
        site["domains"] = [domains] if isinstance(domains, str) else domains
        if not isinstance(site.get("name"), str) or not isinstance(site["domains"], list) or not site["domains"]:
            faults.append(f"sites[{number}] is {sorted(site)}; expected a mapping with at least name and domains")
    known = [str(site.get("name")) for site in sites]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            faults.append(f"there is no site '{name}'; known sites are {', '.join(sorted(known)) or 'none'}{hint}")
    return faults


def _examined(given: Mapping[str, Any], host: Host, patience: Patience, deep: bool) -> dict[str, Any]:
    started, site = time.monotonic(), site_of(given, patience)
    try:
        site = look_at_site(given, host, patience)
        if deep:
            look_again_at_others(site)
        report = verdict(site, host)
        report["changes"] = hide(_changed(site, host, report["status"]), site.secrets)
        if deep:
            report["ladder"] = hide(_climbed(site), site.secrets)
    except Exception as error:  # whatever it is, the other sites are examined
        # Its text is not shown, because it may contain a secret.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        report = unexamined(site, f"{type(error).__name__} ({os.path.basename(frame.filename)}:{frame.lineno})")
        report["changes"] = None
    report["seconds"] = round(time.monotonic() - started, 2)
    return report


def _changed(site: Site, host: Host, status: str) -> dict[str, Any] | None:
    """Return what has changed since the site was last well. If that fails, the verdict is not affected."""
    try:
        found = look_at_changes(site, host, status)
    except Exception:
        return None
    return dataclasses.asdict(found) if found else None


def _climbed(site: Site) -> list[dict[str, Any]]:
    rungs = ladder.climb(site, lambda status: good(status, site.wanted_status))
    return [dataclasses.asdict(rung) for rung in rungs]
