# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hand what somebody else made over to root, so that a site cannot change its own code.

From the top down, and each directory before what is in it: from then on nobody but root can exchange its entries.
"""

from __future__ import annotations

import contextlib
import os
import stat

from ..host import labels, nofollow

# What a mode may not grant: others nothing and the group no writing, or nobody but root any writing.
PRIVATE, PUBLIC = 0o027, 0o022


def seal(build: str, group: int) -> None:
    """Seal a build: its code and settings are for the site's group to read, the rest is for everybody.

    A link among the static files that leads out of the site's directory stays whose it is: nginx follows it only to a
    file of the same owner. As root's it would lead to all that nginx may read, a neighbour's password file included.
    """
    site = os.path.realpath(os.path.dirname(os.path.dirname(build)))
    with nofollow.folder(build) as descriptor:
        os.fchown(descriptor, 0, 0)
        os.fchmod(descriptor, 0o755)
        for name in ("src", "overlay"):
            _seal_child(descriptor, name, group, PRIVATE)
        _seal_child(descriptor, "venv", 0, PUBLIC)
        _seal_child(descriptor, "static", 0, PUBLIC, site)
    labels.restore(build)


def seal_tree(top: str, group: int, mask: int) -> None:
    """Give a tree to root and `group`. A symbolic link is handed over itself; what it points to is not touched."""
    with nofollow.folder(os.path.dirname(top)) as parent:
        _seal_child(parent, os.path.basename(top), group, mask)
    labels.restore(top)


def _seal_child(parent: int, name: str, group: int, mask: int, within: str = "") -> None:
    with contextlib.suppress(FileNotFoundError):
        _seal_entry(parent, name, group, mask, within)


def _seal_entry(parent: int, name: str, group: int, mask: int, within: str) -> None:
    """Seal an entry of an open directory, and what is below it, but for links that lead out of `within`."""
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if within and stat.S_ISLNK(found.st_mode) and _leads_out(parent, name, within):
        return
    if not stat.S_ISDIR(found.st_mode):
        os.chown(name, 0, group, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            # What the owner may execute, everybody may whom the mask leaves it to. The entry is what it was: its
            # directory is root's by now.
            os.chmod(name, (0o755 if found.st_mode & stat.S_IXUSR else 0o644) & ~mask, dir_fd=parent)
        return
    descriptor = os.open(name, nofollow.FOLDER, dir_fd=parent)
    try:
        os.fchown(descriptor, 0, group)
        os.fchmod(descriptor, 0o755 & ~mask)
        for entry in os.listdir(descriptor):
            _seal_entry(descriptor, entry, group, mask, within)
    finally:
        os.close(descriptor)


def _leads_out(parent: int, name: str, folder: str) -> bool:
    return not os.path.realpath(f"/proc/self/fd/{parent}/{name}").startswith(f"{folder}/")
