"""Disks and the clock: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand
import pytest
from doctor_evidence import NOW, Case, check, put

CASES = [
    Case(
        "a full disk",
        lambda site, host: put(site, full=["/var: 0 KiB of 9 MiB free, 1 of 2 inodes free"]),
        "host.disk-full",
        "broken",
        "the disk is full: the file system of /var has no space left",
        "free space: du -xh /var | sort -h | tail; journalctl --vacuum-size=200M",
        ("/var: 0 KiB of 9 MiB free, 1 of 2 inodes free",),
    ),
    Case(
        "a file system without free inodes",
        lambda site, host: put(site, full=["/var: 900 KiB of 9 MiB free, 0 of 40 inodes free"]),
        "host.disk-full",
        "broken",
        "the disk is full: the file system of /var has no free inodes",
        "remove files: du --inodes -x /var | sort -n | tail shows which directory contains the most",
    ),
    Case(
        "a read-only file system",
        lambda site, host: put(site, read_only={"/var": "/var/lib/sites/shop"}),
        "host.read-only",
        "broken",
        "the file system /var is mounted read-only: nothing can be written to /var/lib/sites/shop",
        "dmesg | grep -i 'remount\\|error' shows whether its disk has errors (then fsck); mount -o remount,rw /var, "
        "and rw in /etc/fstab",
        ("/var: ro",),
    ),
    Case(
        "a clock that is ahead",
        lambda site, host: put(host, controller_time=NOW - 61),
        "host.clock",
        "broken",
        (
            "the clock is wrong: it is 61 s ahead of the controller's; sessions, certificates and tokens expire too "
            "early or are not valid yet"
        ),
        "timedatectl set-ntp true, then chronyc makestep",
        ("host 1800000000, controller 1799999939, synchronized: yes",),
    ),
    Case(
        "a clock that is behind",
        lambda site, host: put(host, controller_time=NOW + 7200, synchronized=""),
        "host.clock",
        "broken",
        (
            "the clock is wrong: it is 7200 s behind the controller's; sessions, certificates and tokens expire too "
            "early or are not valid yet"
        ),
        "timedatectl set-ntp true, then chronyc makestep",
        ("host 1800000000, controller 1800007200, synchronized: ?",),
    ),
]
CASES += doctor_by_hand.HOST


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_host_is_named(case):
    check(case)
