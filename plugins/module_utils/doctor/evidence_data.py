# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence about the data of a site that does not come from its application: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Lock:
    """A lock of SQLite on a file, by the file's inode. `shared` is that of a reader."""

    pid: int
    inode: int
    shared: bool = False


@dataclass
class Data:
    """`held` are the locks of SQLite that lasted as long as the look, `seconds`; `holders` says who has them.

    `openers` are the processes outside of the site that have its database open, if it is locked and no process is seen
    to hold the lock. `services` are the units of database servers that this host has.
    """

    held: list[Lock] = field(default_factory=list)
    seconds: float = 0.0
    holders: dict[int, str] = field(default_factory=dict)
    openers: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
