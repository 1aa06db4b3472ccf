# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many processes uWSGI has where the host decides: what its cores and its memory are good for.

A number that was decided once stays until the cores change: other sites and other loads must not make a new release.
"""

from __future__ import annotations

import json
import os
import re
from typing import NamedTuple

from ..host import files
from ..host.live import release_of
from ..model.layout import Layout
from ..model.types import Site

# Bytes that a process of Django takes, generously, and how many of them a host has at least and at most for a site.
PROCESS = 200 << 20
FEWEST, MOST = 2, 16
MEMINFO = "/proc/meminfo"
# The limit of the container that this host is, if it is one; that of other control groups is none of its own.
LIMIT = "/sys/fs/cgroup/memory.max"


class Sizing(NamedTuple):
    """`processes` is what the site gets, `record` the text of its record or '', `note` what is new about that or ''."""

    processes: int
    record: str
    note: str


def decide(site: Site, sites: int) -> Sizing:
    """Return how many processes a site gets on a host with so many `sites`. Changes nothing."""
    given, layout = site["uwsgi"]["processes"], Layout.of(site)
    if site["sizing"] == "given":
        return Sizing(given, "", "")
    text = files.read(layout.sizing)
    known = files.read_json(layout.sizing)
    running = _live(layout)
    if site["sizing"] == "default" and not known and running:
        return Sizing(running, "", "")
    cores = len(os.sched_getaffinity(0))
    if known.get("cores") == cores and isinstance(known.get("processes"), int):
        return Sizing(known["processes"], text, "")
    memory = memory_size()
    number = best(cores, memory, sites)
    record = json.dumps({"cores": cores, "processes": number}) + "\n"
    many = "1 site" if sites == 1 else f"{sites} sites"
    return Sizing(number, record, f"uwsgi.processes {number} ({cores} cores, {memory >> 20} MiB of memory, {many})")


def remember(site: Site, sizing: Sizing) -> None:
    """Write what was decided, or forget what the inventory has decided since."""
    path = Layout.of(site).sizing
    if sizing.record and files.read(path) != sizing.record:
        files.write(path, sizing.record)
    elif not sizing.record:
        files.remove(path)


def best(cores: int, memory: int, sites: int) -> int:
    """Return how many processes a site gets: one a core, as far as half of the memory (bytes) is enough for all."""
    return max(FEWEST, min(cores, memory // 2 // max(sites, 1) // PROCESS, MOST))


def memory_size() -> int:
    """Return the memory of this host in bytes: the kernel's, or what its container may take."""
    total = re.search(r"^MemTotal:\s+([0-9]+) kB", files.read(MEMINFO), re.MULTILINE)
    size = int(total[1]) << 10 if total else 0
    limit = files.read(LIMIT).strip()
    return min(size, int(limit)) if limit.isdigit() else size


def _live(layout: Layout) -> int:
    """Return how many processes the live release has; 0 where none is live."""
    if not release_of(layout.current):
        return 0
    found = re.search(r"^processes = ([0-9]+)$", files.read(layout.live_ini), re.MULTILINE)
    return int(found[1]) if found else 0
