# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read files that another account may have written: only regular ones, and only up to a maximum size.

A FIFO would block its reader forever, and /dev/zero has no end.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import IO

# The maximum size of a text, in bytes; lock files of large projects have some MiB.
MOST = 64 * 1024 * 1024


def opened(path: str) -> IO[bytes]:
    """Open a regular file for reading. Raises OSError for anything else, without blocking."""
    # Opening a device may have an effect; a watchdog, for example, would start.
    _refuse_other(os.stat(path), path)
    stream = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    try:
        _refuse_other(os.fstat(stream.fileno()), path)
    except OSError:
        stream.close()
        raise
    return stream


def content(path: str, most: int = MOST, root: str = "") -> bytes:
    """Return the contents of a regular file. Raises OSError, also if they exceed `most` bytes.

    With `root`, the tree of the file, raise `Foreign` for a file outside of it that not every user can read.
    """
    with opened(path) as stream:
        if root and _is_foreign(stream.fileno(), path, root):
            raise Foreign(errno.EACCES, "leads out of the source, to a file that not every user can read", path)
        found = stream.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"is larger than {most // 1024 // 1024} MiB", path)
    return found


class Foreign(OSError):
    """A path in a tree that leads out of it, to a file that not every user can read.

    The author of the tree could otherwise make root read it, and see its contents in an error.
    """


def _is_foreign(descriptor: int, path: str, root: str) -> bool:
    """Return whether an open file of a tree is `Foreign`. Without root, the kernel's permissions are enough."""
    if os.geteuid() != 0:
        return False
    # Of the open file; the path may have changed.
    link = f"/proc/self/fd/{descriptor}"
    real, top = os.path.realpath(link if os.path.islink(link) else path), os.path.realpath(root)
    if real.startswith(f"{top.rstrip('/')}/"):
        return False
    folder, closed = real, not os.fstat(descriptor).st_mode & stat.S_IROTH
    while folder != "/" and not closed:
        folder = os.path.dirname(folder)
        closed = not os.path.isdir(folder) or not os.stat(folder).st_mode & stat.S_IXOTH
    return closed


def _refuse_other(found: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", path)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
