# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hand what the site's user made over to root, so that the site cannot change its own code."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

# What a mode may not grant: others nothing and the group no writing, or nobody but root any writing.
PRIVATE, PUBLIC = 0o027, 0o022


def seal(build: str, group: int) -> None:
    """Seal a build: its code and settings are for the site's group to read, the rest is for everybody."""
    for name in ("src", "overlay"):
        seal_tree(f"{build}/{name}", group, PRIVATE)
    for name in ("venv", "static"):
        seal_tree(f"{build}/{name}", 0, PUBLIC)
    os.chown(build, 0, 0)


def seal_tree(top: str, group: int, mask: int) -> None:
    """Give a tree to root and `group`. A symbolic link is handed over itself; what it points to is not touched."""
    for path in _walk(top):
        _seal_entry(path, group, mask)


def _walk(top: str) -> Iterator[str]:
    if os.path.lexists(top):
        yield top
    if not os.path.islink(top):
        for folder, folders, names in os.walk(top):
            for name in [*folders, *names]:
                yield os.path.join(folder, name)


def _seal_entry(path: str, group: int, mask: int) -> None:
    found = os.lstat(path)
    os.lchown(path, 0, group)
    if not stat.S_ISLNK(found.st_mode):
        # What the owner may execute, everybody may whom the mask leaves it to.
        mode = 0o755 if stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR else 0o644
        os.chmod(path, mode & ~mask)
