# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show a check the new files where they will be, in a mount namespace of its own that nothing else sees."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Sequence

from . import file_change, files
from .file_change import Change, FileSetError, Found

# The file that the script makes once all its mounts are there, so that a failing mount is no failing check.
ENTERED = "entered"


def script(stage: str, changes: list[Change], private: Sequence[str], command: Sequence[str]) -> str:
    """Copy the touched directories to `stage`, with the new files in them; return the script that mounts and checks.

    Only files are copied. Directories that the set does not touch appear in the copy as mounts of themselves. Of the
    `private` directories the files are there, but empty: what the check writes to them (a pid, a log) has no effect.
    """
    os.mkdir(stage, 0o700)
    differing = [change for change in changes if change.state != "unchanged"]
    blank = {os.path.realpath(folder) for folder in private if os.path.isdir(folder)}
    copied = {_existing(os.path.dirname(change.wanted.path)) for change in differing} | blank
    roots = sorted(folder for folder in copied if not any(_inside(folder, other) for other in copied))
    if "/" in roots:
        raise OSError("nothing can be mounted over /")
    mounts: list[tuple[str, str]] = []
    for number, root in enumerate(roots):
        _copy(root, f"{stage}/{number}", copied, blank, mounts)
    for change in differing:
        path = change.wanted.path
        real = f"{os.path.realpath(os.path.dirname(path))}/{os.path.basename(path)}"
        number, root = next((number, root) for number, root in enumerate(roots) if _inside(real, root))
        target = f"{stage}/{number}{real[len(root) :]}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        file_change.write(file_change.temporary(target), change.after)
        file_change.move(target, change.after)
    mounts += [(f"{stage}/{number}", root) for number, root in enumerate(roots)]
    lines = [shlex.join(["mount", "--rbind", what, where]) for what, where in mounts]
    return "\n".join(["set -e", *lines, f": >{shlex.quote(f'{stage}/{ENTERED}')}", f"exec {shlex.join(command)}"])


def discard(stage: str) -> None:
    """Remove a staged copy; never through a mount, behind which the real files would be."""
    if files.mounts(stage):
        raise FileSetError(f"{stage} has mounts in it, which should be in a namespace of their own; unmount them")
    files.remove(stage)


def _copy(real: str, copy: str, copied: set[str], blank: set[str], mounts: list[tuple[str, str]]) -> None:
    status = os.stat(real)
    os.mkdir(copy)
    os.chown(copy, status.st_uid, status.st_gid)
    os.chmod(copy, stat.S_IMODE(status.st_mode))
    with os.scandir(real) as entries:
        for entry in entries:
            twin = f"{copy}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), twin)
            elif entry.is_dir():
                if any(folder == entry.path or _inside(folder, entry.path) for folder in copied):
                    _copy(entry.path, twin, copied, blank, mounts)
                else:
                    os.mkdir(twin)
                    mounts.append((entry.path, twin))
            elif entry.is_file():
                found = file_change.look(entry.path) if real not in blank else _emptied(entry.stat())
                file_change.write(twin, found)


def _emptied(status: os.stat_result) -> Found:
    return Found("file", b"", "", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def _existing(folder: str) -> str:
    """Return the folder, or the nearest one above it that is there; links resolved."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return os.path.realpath(folder)


def _inside(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")
