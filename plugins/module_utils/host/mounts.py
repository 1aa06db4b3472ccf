# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mount and unmount (mount(2), umount2(2)) without a process for each call."""

from __future__ import annotations

import contextlib
import ctypes
import os

from . import files

NOSUID, NODEV, BIND = 2, 4, 4096
_DETACH, _NOFOLLOW = 2, 8
_LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system of a type, or an existing directory with BIND. Raises OSError."""
    words = [os.fsencode(word) if word else None for word in (source, target, kind)]
    _done(_LIBC.mount(*words, ctypes.c_ulong(flags), os.fsencode(options) if options else None), target)


def unmount(target: str) -> None:
    """Unmount the topmost mount at a path as soon as nothing uses it. Raises OSError."""
    _done(_LIBC.umount2(os.fsencode(target), _DETACH | _NOFOLLOW), target)


def remove(folder: str) -> None:
    """Unmount everything at and below a directory of root, and remove the directory if it is then empty."""
    while inside := files.mounts(folder):
        unmount(inside[-1])
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(folder)


def _done(status: int, target: str) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
