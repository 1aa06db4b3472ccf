# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Free disk space, and the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..evidence import Host, Site
from ..fault import BROKEN, Fault, Faults

FAULTS = Faults("host", {"host.disk-full": [], "host.read-only": [], "host.clock": []})
# Seconds. Sessions and one-time codes tolerate a minute; a module call takes a few seconds.
_CLOCK_MAX = 60


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    for full in site.full:
        place = full.partition(":")[0]
        if re.search(r"[, ]0 of [1-9]\d* inodes free", full):
            cause = f"the disk is full: the file system of {place} has no free inodes"
            fix = f"remove files: du --inodes -x {place} | sort -n | tail shows which directory contains the most"
        else:
            cause = f"the disk is full: the file system of {place} has no space left"
            fix = f"free space: du -xh {place} | sort -h | tail; journalctl --vacuum-size=200M"
        yield FAULTS.fault("host.disk-full", BROKEN, cause, fix, [full])
    for mount, place in site.read_only.items():
        yield FAULTS.fault(
            "host.read-only",
            BROKEN,
            f"the file system {mount} is mounted read-only: nothing can be written to {place}",
            "dmesg | grep -i 'remount\\|error' shows whether its disk has errors (then fsck); mount -o remount,rw "
            f"{mount}, and rw in /etc/fstab",
            [f"{mount}: ro"],
        )
    off = host.now - host.controller_time if host.controller_time else 0.0
    right = abs(off) <= _CLOCK_MAX
    if not right:
        yield FAULTS.fault(
            "host.clock",
            BROKEN,
            f"the clock is wrong: it is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the controller's; "
            "sessions, certificates and tokens expire too early or are not valid yet",
            "timedatectl set-ntp true, then chronyc makestep",
            [f"host {host.now:.0f}, controller {host.controller_time:.0f}, synchronized: {host.synchronized or '?'}"],
        )
    if not site.full and not site.read_only:
        seen.append("free space on every file system of the site" + ("; the clock is correct" if right else ""))
