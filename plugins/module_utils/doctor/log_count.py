# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what an access log says of the requests since the last look: bounded, and across a rotation."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

from ..model import regular
from ..nginx import access_log
from .memory import Noted, Position

# So much is read in one run; of a log that grew by more the end counts.
READ_MAX = 8 * 1024 * 1024
# The names that logrotate gives to a log, the newest first. What is compressed was read before.
ROTATED = (".1", "-")


@dataclass
class Counted:
    """What visitors got since the last look: how many by the first digit of the status, and the seconds of each."""

    statuses: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    upstream: list[float] = field(default_factory=list)


def count(path: str, noted: Noted) -> Counted:
    """Read on in a log, and note how far. The first look begins at its end."""
    found = Counted()
    try:
        status = os.stat(path)
    except OSError:
        return found
    before = noted.position
    if not before.inode:
        noted.position = Position(status.st_ino, status.st_size)
        return found
    if status.st_ino != before.inode:
        rotated = _rotated(path, before.inode)
        if rotated:
            _read(rotated, before, noted, found)
        noted.position = Position(status.st_ino, 0)
    elif status.st_size < before.offset:  # it was emptied in its place
        noted.position = Position(status.st_ino, 0)
    _read(path, noted.position, noted, found)
    return found


def quantile(values: list[float], share: float) -> float:
    """Return the value that so many are not above, from 0 to 1, by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def _read(path: str, position: Position, noted: Noted, found: Counted) -> None:
    """Count the whole lines behind a position, and move it there."""
    with contextlib.suppress(OSError), regular.opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size - position.offset > READ_MAX:
            noted.skipped += size - position.offset - READ_MAX
            position.offset = size - READ_MAX
        stream.seek(position.offset)
        raw = stream.read(READ_MAX)
        whole = raw.rfind(b"\n") + 1
        position.offset += whole
        for line in raw[:whole].decode("utf-8", "replace").split("\n"):
            _count(line, noted, found)


def _count(line: str, noted: Noted, found: Counted) -> None:
    request = access_log.parsed(line)
    if not request or request.own:
        return
    digit = str(request.status)[0]
    if digit not in "12345":
        return
    noted.counted[digit] = noted.counted.get(digit, 0) + 1
    found.statuses[digit] = found.statuses.get(digit, 0) + 1
    if request.seconds is not None:
        found.seconds.append(request.seconds)
    if request.upstream is not None:
        found.upstream.append(request.upstream)


def _rotated(path: str, inode: int) -> str:
    """Return the file that a log was rotated to, '' where it is gone or compressed."""
    folder, name = os.path.dirname(path), os.path.basename(path)
    with contextlib.suppress(OSError):
        for entry in sorted(os.listdir(folder)):
            if (
                entry.startswith(tuple(name + mark for mark in ROTATED))
                and os.stat(f"{folder}/{entry}").st_ino == inode
            ):
                return f"{folder}/{entry}"
    return ""
