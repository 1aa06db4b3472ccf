# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find out who holds locks of SQLite, and for how long, in /proc/locks: no database is opened, and none is locked."""

from __future__ import annotations

import contextlib
import os
import time

from ..host.files import read_or_empty
from .evidence import Host, Site
from .evidence_data import Lock
from .look_host import UNIT_FOLDERS

# The bytes that SQLite locks (sqlite.org/src, os.h): PENDING, RESERVED, and 510 that readers share and a writer takes
# as a whole. In the -shm file of a database with a write-ahead log (sqlite.org/walformat.html) it is the byte of the
# writer.
_FIRST, _SHARED, _LAST = 0x40000000, 0x40000002, 0x40000002 + 509
_WAL_WRITER = 120
# Between two looks, and until a lock is one that lasts: a transaction takes milliseconds. Seconds.
PAUSE, FEW, LASTING = 0.2, 3, 2.6
LOCKS = "/proc/locks"
SERVERS = ("postgresql", "mariadb", "mysql", "mysqld")


def watch_locks(site: Site, most: float = LASTING) -> None:
    """Note the locks of SQLite that are held all the time; where there is none, that is known at once."""
    started = time.monotonic()
    held = set(sqlite_locks(read_or_empty(LOCKS)))
    looks = 1
    until = started + min(most, site.patience.look - 2 * PAUSE)
    while looks < FEW or (held and time.monotonic() < until):
        if site.inside and not {lock.inode for lock in held} & _inodes(site):
            break  # they are those of other databases
        time.sleep(PAUSE)
        held &= set(sqlite_locks(read_or_empty(LOCKS)))
        looks += 1
    site.data.held, site.data.seconds = sorted(held, key=lambda lock: lock.pid), time.monotonic() - started


def sqlite_locks(text: str) -> list[Lock]:
    """Return the locks in the text of /proc/locks that SQLite takes."""
    found = []
    for line in text.splitlines():
        # 1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 1073741825 1073741825
        words = line.split()
        if len(words) != 8 or words[1] not in ("POSIX", "OFDLCK") or not words[6].isdigit() or not words[7].isdigit():
            continue  # of one that waits the second word is an arrow; one to the end of a file is none of SQLite's
        first, last, is_write = int(words[6]), int(words[7]), words[3] == "WRITE"
        inside = first >= _FIRST and last <= _LAST
        if not (inside or (is_write and first <= _WAL_WRITER <= last < _WAL_WRITER + 8)):
            continue
        if is_write or first >= _SHARED:
            with contextlib.suppress(ValueError):
                found.append(Lock(int(words[4]), int(words[5].rpartition(":")[2]), not is_write))
    return found


def look_at_servers(site: Site, host: Host) -> None:
    """Find out which database servers this host has, and who locks the site's own files."""
    names = [f"{name}.service" for name in SERVERS]
    site.data.services = [name for name in names if any(os.path.exists(f"{folder}/{name}") for folder in UNIT_FOLDERS)]
    name_holders(site, host)


def name_holders(site: Site, host: Host) -> None:
    """Name who holds the locks on the site's database files; where none is seen, who has the files open."""
    inodes = _inodes(site)
    site.data.held = [lock for lock in site.data.held if lock.inode in inodes]
    for lock in site.data.held:
        site.data.holders[lock.pid] = _named(lock.pid, host)
    failed = site.inside.get("failed database", {})
    if "locked" in failed.get("error", "") and not site.data.held:
        site.data.openers = _with_open(site, host, inodes)


def _inodes(site: Site) -> set[int]:
    """Return the inodes of the site's database files, as far as anything is known of them yet."""
    return {number for step in list(site.inside.values()) for number in step.get("inodes") or []}


def _named(pid: int, host: Host) -> str:
    known = host.table.get(pid)
    if known:
        return str(known)
    # It has begun after the processes were looked at, or is of another container.
    command = read_or_empty(f"/proc/{pid}/cmdline").replace("\0", " ").strip()[:80] if pid > 0 else ""
    return f"{command} (pid {pid})" if command else f"pid {pid}"


def _with_open(site: Site, host: Host, inodes: set[int]) -> list[str]:
    """Return the processes that have one of these files open, but for the site's own, as far as /proc shows them."""
    own = {process.pid for process in [site.uwsgi.master, *site.uwsgi.workers] if process}
    found: list[str] = []
    for pid, process in sorted(host.table.items()):
        if pid in own or len(found) >= 5:
            continue
        with contextlib.suppress(OSError):
            for entry in os.listdir(f"/proc/{pid}/fd")[:1000]:
                with contextlib.suppress(OSError):
                    # The link of a descriptor leads to what is open already: nothing is opened.
                    if os.stat(f"/proc/{pid}/fd/{entry}").st_ino in inodes:
                        found.append(str(process))
                        break
    return found
