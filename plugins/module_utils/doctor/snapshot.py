# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record the state of a site: its release, the files that configure it, its certificate, its disks."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os

from ..host import live
from ..model import regular
from ..model.layout import SYSTEMD
from .evidence import Host, Site
from .evidence_changes import Snapshot

# Files are compared by a digest of so many bytes, and so many of them.
FILE_MAX = 1 << 20
FILES_MAX = 500
DIGEST = 16


def snapshot(site: Site, host: Host) -> Snapshot:
    """Return the state of a site. Only reads files."""
    leaf = next((entrance.file.leaf for entrance in site.entrances if entrance.file and entrance.file.leaf), None)
    config = host.nginx.config
    return Snapshot(
        time=host.now,
        release=live.release_of(site.layout.current) if site.managed else "",
        units=_digests(_unit_files(site)),
        nginx=_digests(config.files if config else []),
        certificate=leaf.fingerprint if leaf else "",
        ends=leaf.date if leaf else "",
        disk=disks(site),
    )


def disks(site: Site) -> dict[str, int]:
    """Return how full the file systems are that a site writes to, in percent, by one directory on each."""
    return {place: round(100 * (1 - free / size)) for place, (free, size) in disks_of(site).items()}


def disks_of(site: Site) -> dict[str, tuple[int, int]]:
    """Return the bytes that are free on them, and those that they have."""
    found, seen = {}, set()
    for place in ("/", "/var/log", site.layout.state):
        with contextlib.suppress(OSError):
            device, info = os.stat(place).st_dev, os.statvfs(place)
            if device not in seen and info.f_blocks:
                # Without the part that is reserved for root.
                size = info.f_blocks - info.f_bfree + info.f_bavail
                found[place] = (info.f_bavail * info.f_frsize, max(size, 1) * info.f_frsize)
            seen.add(device)
    return found


def _unit_files(site: Site) -> list[str]:
    """Return the units of a site and the drop-ins of nginx's unit, whoever wrote them."""
    layout = site.layout
    names = [*layout.units_present(), *layout.background_present()] if site.managed else []
    unit = site.uwsgi.unit.get("Id", "")
    own = [f"{folder}/{unit}" for folder in (SYSTEMD, "/usr/lib/systemd/system") if unit]
    units = [f"{SYSTEMD}/{name}" for name in names] + own + [f"{SYSTEMD}/nginx.service"]
    drop_ins = [path for name in {*units} for path in glob.glob(f"{glob.escape(name)}.d/*.conf")]
    return sorted({*units, *drop_ins})


def _digests(paths: list[str]) -> dict[str, str]:
    found = {}
    for path in paths[:FILES_MAX]:
        with contextlib.suppress(OSError):
            found[path] = hashlib.sha256(regular.content(path, FILE_MAX)).hexdigest()[:DIGEST]
    return found
