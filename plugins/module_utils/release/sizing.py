# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choose uWSGI's number of processes from a host's cores and memory.

A chosen number is kept until the number of cores changes: other sites and loads must not cause a new release.
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

# The memory of a Django process in bytes, a generous estimate, and the minimum and maximum number for a site.
PROCESS = 200 << 20
FEWEST, MOST = 2, 16
MEMINFO = "/proc/meminfo"
# The limit of the container that this host is, if any; limits of other control groups do not apply.
LIMIT = "/sys/fs/cgroup/memory.max"


class Sizing(NamedTuple):
    """`processes` is the site's number, `record` the text of its record or '', `note` a message or ''."""

    processes: int
    record: str
    note: str


def decide(site: Site, sites: int) -> Sizing:
    """Return the number of processes of a site on a host with so many `sites`. Changes nothing."""
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
    """Write the chosen number, or remove the record if the inventory sets it."""
    path = Layout.of(site).sizing
    if sizing.record and files.read(path) != sizing.record:
        files.write(path, sizing.record)
    elif not sizing.record:
        files.remove(path)


def best(cores: int, memory: int, sites: int) -> int:
    """Return the number of processes of a site: one for each core, limited by half of the memory (bytes) for all."""
    return max(FEWEST, min(cores, memory // 2 // max(sites, 1) // PROCESS, MOST))


def memory_size() -> int:
    """Return the memory of this host in bytes: the kernel's, or the limit of its container."""
    total = re.search(r"^MemTotal:\s+([0-9]+) kB", files.read(MEMINFO), re.MULTILINE)
    size = int(total[1]) << 10 if total else 0
    limit = files.read(LIMIT).strip()
    return min(size, int(limit)) if limit.isdigit() else size


def _live(layout: Layout) -> int:
    """Return the number of processes of the live release; 0 if none is live."""
    if not release_of(layout.current):
        return 0
    found = re.search(r"^processes = ([0-9]+)$", files.read(layout.live_ini), re.MULTILINE)
    return int(found[1]) if found else 0
