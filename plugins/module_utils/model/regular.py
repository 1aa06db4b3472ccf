# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read files that somebody else may have put there: regular ones only, and not without end.

A FIFO in place of a file would let its reader wait for ever, and /dev/zero has no end.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import IO

# The largest text that is read, in bytes; lock files of large projects have some MiB.
MOST = 64 * 1024 * 1024


def opened(path: str) -> IO[bytes]:
    """Open a regular file to read from it. Raises OSError for anything else, without waiting."""
    stream = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - whoever calls this closes it
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "is no regular file", path)
    return stream


def content(path: str, most: int = MOST) -> bytes:
    """Return what a regular file holds. Raises OSError, also where that is more than `most` bytes."""
    with opened(path) as stream:
        found = stream.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"is larger than {most // 1024 // 1024} MiB", path)
    return found


def is_foreign(path: str, root: str) -> bool:
    """Say whether a path in a tree leads out of it, to a file that not everybody may read.

    Whoever writes the tree could otherwise have root read it, and find it in an error. Where this process is not root,
    the kernel decides.
    """
    if os.geteuid() != 0:
        return False
    real, top = os.path.realpath(path), os.path.realpath(root)
    return not real.startswith(f"{top.rstrip('/')}/") and not os.stat(real).st_mode & stat.S_IROTH


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
