# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hand files of another account over to root, so that a site cannot change its own code.

Each directory is changed before its contents: from then on, only root can replace its entries.
"""

from __future__ import annotations

import contextlib
import os
import stat

from ..host import labels, nofollow

# The bits that a mode must not have: anything for others and writing for the group, or writing for all but root.
PRIVATE, PUBLIC = 0o027, 0o022


def seal(build: str, group: int) -> None:
    """Seal a build: the site's group can read its code and settings, everyone can read the rest.

    A link among the static files that leads out of the site's directory keeps its owner: nginx follows it only to a
    file of the same owner. As root's link, it would lead to everything that nginx can read, such as a password file of
    another site.
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
    """Give a tree to root and `group`. A symbolic link is changed itself; its target is not touched."""
    with nofollow.folder(os.path.dirname(top)) as parent:
        _seal_child(parent, os.path.basename(top), group, mask)
    labels.restore(top)


def _seal_child(parent: int, name: str, group: int, mask: int, within: str = "") -> None:
    with contextlib.suppress(FileNotFoundError):
        _seal_entry(parent, name, group, mask, within)


def _seal_entry(parent: int, name: str, group: int, mask: int, within: str) -> None:
    """Seal an entry of an open directory and everything below it, except links that lead out of `within`."""
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if within and stat.S_ISLNK(found.st_mode) and _leads_out(parent, name, within):
        return
    if not stat.S_ISDIR(found.st_mode):
        os.chown(name, 0, group, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            # What the owner may execute, everyone may, unless the mask forbids it. The entry cannot be replaced: root
            # owns its directory by now.
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
