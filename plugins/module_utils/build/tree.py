# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A directory of code: which of its files count, their digest, and how they are packed for a host."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator

from ..model import regular

# Files that are not code: histories, caches, a developer's virtualenvs, development databases.
EXCLUDED = (".git", ".hg", ".svn", "__pycache__", "*.pyc", "node_modules", "*.sqlite3", "*.sqlite3-journal")

BLOCK = 1 << 20


def entries(root: str) -> Iterator[str]:
    """Return the relative paths of the files and symbolic links under `root` that count, sorted.

    A directory with a pyvenv.cfg is a virtualenv and does not count, nor does anything in `EXCLUDED`.
    """
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not _excluded(name) and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*files, *links]):
            path = os.path.join(folder, name)
            if not _excluded(name) and (os.path.islink(path) or stat.S_ISREG(os.lstat(path).st_mode)):
                yield os.path.relpath(path, root)


def digest(root: str) -> str:
    """Return a sha256 of names, executable bits and contents; times and owners do not count."""
    total = hashlib.sha256()
    for name in entries(root):
        path = os.path.join(root, name)
        if os.path.islink(path):
            target = os.fsencode(os.readlink(path))
            total.update(_head("link", name, len(target)) + target)
            continue
        with regular.opened(path) as stream:
            found = os.fstat(stream.fileno())
            total.update(_head("x" if found.st_mode & stat.S_IXUSR else "-", name, found.st_size))
            # In pieces: a sparse file can be larger than the memory, although it takes no space on a disk.
            while block := stream.read(BLOCK):
                total.update(block)
    return total.hexdigest()


def _head(kind: str, name: str, size: int) -> bytes:
    raw = os.fsencode(name)
    return b"%s %d %s %d\n" % (kind.encode(), len(raw), raw, size)


def pack(root: str, archive: str, also: Iterable[str] = ()) -> None:
    """Write the files that count into `archive`, a gzipped tar without owners.

    `also` are relative paths of files that do not count, but are included if they exist.
    """

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.mode & stat.S_IXUSR else 0o644
        return member

    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        names = list(entries(root))
        names += [name for name in also if name not in names and os.path.isfile(os.path.join(root, name))]
        for name in names:
            tar.add(os.path.join(root, name), arcname=name, recursive=False, filter=anonymous)


def databases(root: str) -> list[str]:
    """Return the relative paths of SQLite files below `root` that do not count and are not empty."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not _excluded(name))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".sqlite3") and not os.path.islink(path) and os.path.getsize(path):
                found.append(os.path.relpath(path, root))
    return found


def _excluded(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, one) for one in EXCLUDED)
