# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sites of this host as a command finds them: in the records of runs, and in the units and releases that exist.

Root sees everything. Other users see what is public: units, releases, links.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..host import files, found, memory, nofollow
from ..host.live import release_of
from ..model.layout import Layout

# What of a recorded site the doctor takes; the rest of its request comes from the record that releases leave for it.
_ASKED = ("name", "domains", "prefix", "health", "paths", "canonical")


class NoSite(Exception):
    """There is no such site; the message names the sites that exist."""


@dataclass(frozen=True)
class SiteHere:
    """A site of this host; `live` is the id of its live release, and `record` that release's, or {}."""

    layout: Layout
    live: str
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return self.layout.name

    @property
    def domains(self) -> list[str]:
        """Its domains, as far as its release recorded them."""
        return list(self.record.get("site", {}).get("domains") or [])

    def request(self) -> dict[str, Any]:
        """Return what the doctor needs to know; {} if the domains were not recorded."""
        noted = files.recorded(self.layout.doctor_request) if os.geteuid() == 0 else {}
        if noted.get("name") == self.name and noted.get("domains"):
            return noted
        site = self.record.get("site", {})
        known = {key: site[key] for key in _ASKED if site.get(key)}
        kind = (site.get("tls") or {}).get("kind")
        return {**known, **({"tls": kind} if kind else {})} if known.get("domains") else {}


def sites() -> list[SiteHere]:
    """Return the sites that are here, by name; without those of which only the data remain."""
    noted = memory.sites() if os.geteuid() == 0 else {}
    here = (_site(one.layout) for one in found.sites({}, noted))
    return [site for site in here if site.live or site.layout.units_present()]


def pick(name: str) -> SiteHere:
    """Return the site of this name. Raises `NoSite`."""
    known = {site.name: site for site in sites()}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise NoSite(f"there is no site {name!r} on this host; it has {', '.join(known) or 'none'}{hint}")
    return known[name]


def chosen(names: Sequence[str]) -> list[SiteHere]:
    """Return the sites of these names, or all where there is none. Raises `NoSite`."""
    return [pick(name) for name in dict.fromkeys(names)] if names else sites()


def record_of(layout: Layout, release_id: str) -> dict[str, Any]:
    """Return the record of a release; {} where there is none that root wrote."""
    path = layout.record(release_id)
    try:
        at = nofollow.status(path)
        if at is None or not stat.S_ISREG(at.st_mode) or at.st_uid != 0:
            return {}
        return files.read_json(path)
    except OSError:
        return {}


def _site(layout: Layout) -> SiteHere:
    live = release_of(layout.current)
    # The site's user may control the link.
    live = live if re.fullmatch(r"[0-9a-f]+", live) else ""
    record = record_of(layout, live) if live else {}
    paths = record.get("site", {}).get("paths")
    if paths and record["site"].get("name") == layout.name and paths.get("root") == layout.root:
        layout = Layout(layout.name, paths)
    return SiteHere(layout, live, record)
