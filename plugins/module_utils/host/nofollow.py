# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work as root below directories that belong to other accounts.

A path is opened name by name, each in the directory before it (openat(2), O_NOFOLLOW), and changes are made to what was
opened. So no other account can replace a directory between a check and a change. A link is followed only if root owns
it: an administrator may link to a larger disk, and no other account can create such a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import secrets
import stat
from collections.abc import Iterator

# The kernel's limit (path_resolution(7)).
MAX_LINKS = 40
# The number of nested directories that are handled recursively.
DEEPEST = 100
# open(2); Python 3.9 has no name for it.
_O_PATH = 0o10000000
# The flags for a directory that must not be a link.
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Unsafe(OSError):
    """A link in a path that root does not follow. `filename` is its path."""

    def __init__(self, path: str, owner: int) -> None:
        super().__init__(errno.ELOOP, f"is a link of {_name(owner)}, and root follows links of root only", path)


@contextlib.contextmanager
def folder(path: str, make: int | None = None) -> Iterator[int]:
    """Open a directory by its absolute path; yield its descriptor.

    With `make`, a mode, missing directories are created with it, owned by root. Raises `Unsafe` for a link that root
    does not own, and OSError.
    """
    descriptor = _walk(path, make)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def ensure(path: str, mode: int, uid: int, gid: int, keep: bool = False) -> None:
    """Create a directory with a mode and an owner; with `keep`, an existing one is not changed.

    Missing parents are created, owned by root. Raises `Unsafe` and OSError.
    """
    with folder(os.path.dirname(path), 0o755) as parent:
        name = os.path.basename(path)
        made = True
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            made = False
        if made or not keep:
            with folder(path) as descriptor:
                _own(descriptor, mode, uid, gid)


def status(path: str) -> os.stat_result | None:
    """Return the status of a path, without following a link; None if nothing is there."""
    try:
        with folder(os.path.dirname(path)) as parent:
            return os.stat(os.path.basename(path), dir_fd=parent, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def create(path: str, content: bytes, mode: int, uid: int, gid: int) -> None:
    """Write a file to a path with one rename, whatever is there: a link is replaced, not followed."""
    with folder(os.path.dirname(path)) as parent:
        temporary = f".pyweb-{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                _own(descriptor, mode, uid, gid)
                stream.flush()
                os.fsync(descriptor)
            os.rename(temporary, os.path.basename(path), src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
            raise
        os.fsync(parent)


def give(path: str, uid: int, gid: int) -> None:
    """Change the owner of a tree: its directories, files and the links themselves, not their targets."""
    with folder(os.path.dirname(path)) as parent:
        _give(parent, os.path.basename(path), uid, gid)


def remove(path: str) -> bool:
    """Remove a file, a link or a tree; return whether it existed. No link is followed, on the way or inside."""
    found = status(path)
    if found is None:
        return False
    with folder(os.path.dirname(path)) as parent:
        _remove(parent, os.path.basename(path), found)
    return True


def _remove(parent: int, name: str, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    top = os.open(name, FOLDER, dir_fd=parent)
    try:
        ahead = os.listdir(top)
        while ahead:
            ahead += _remove_below(top, ahead.pop(), top, 1)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _remove_below(parent: int, name: str, top: int, depth: int) -> list[str]:
    """Remove an entry of an open directory; return entries that were too deep, now moved to the directory `top`.

    The tree may be deeper than Python's recursion limit, and than the limit of open files.
    """
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=parent)
            return []
        if depth > DEEPEST:
            moved = f".pyweb-{secrets.token_hex(8)}"
            os.rename(name, moved, src_dir_fd=parent, dst_dir_fd=top)
            return [moved]
        descriptor = os.open(name, FOLDER, dir_fd=parent)
    except FileNotFoundError:  # removed in the meantime
        return []
    try:
        found = [
            moved for entry in os.listdir(descriptor) for moved in _remove_below(descriptor, entry, top, depth + 1)
        ]
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)
    return found


def _give(parent: int, name: str, uid: int, gid: int) -> None:
    """Change the owner of an entry of an open directory: of its contents first, then of itself."""
    if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        descriptor = os.open(name, FOLDER, dir_fd=parent)
        try:
            for entry in os.listdir(descriptor):
                _give(descriptor, entry, uid, gid)
        finally:
            os.close(descriptor)
    os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)


def _walk(path: str, make: int | None) -> int:
    """Return a descriptor of a directory. `ahead` contains the names still to open, the next one last."""
    if not os.path.isabs(path):
        raise ValueError(f"{path} is not an absolute path")
    ahead = [name for name in reversed(path.split("/")) if name not in ("", ".")]
    here, at, links = os.open("/", FOLDER), "/", 0
    try:
        while ahead:
            name = ahead.pop()
            if make is not None:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, make, dir_fd=here)
                    _own_made(here, name, make)
            target = _target(here, name, os.path.join(at, name))
            if target:
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                ahead += [part for part in reversed(target.split("/")) if part not in ("", ".")]
                if os.path.isabs(target):
                    os.close(here)
                    here, at = os.open("/", FOLDER), "/"
                continue
            # If it has become a link in the meantime, this fails.
            try:
                below = os.open(name, FOLDER, dir_fd=here)
            except OSError as error:
                error.filename = os.path.join(at, name)
                raise
            os.close(here)
            here, at = below, os.path.normpath(os.path.join(at, name))
    except BaseException:
        os.close(here)
        raise
    return here


def _target(parent: int, name: str, path: str) -> str:
    """Return the target of a link, '' for anything else; owner and target are of the same link.

    Raises `Unsafe` if root does not own it.
    """
    descriptor = os.open(name, _O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISLNK(found.st_mode):
            return ""
        if found.st_uid not in (0, os.geteuid()):
            raise Unsafe(path, found.st_uid)
        return os.readlink("", dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _own_made(parent: int, name: str, mode: int) -> None:
    descriptor = os.open(name, FOLDER, dir_fd=parent)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _own(descriptor: int, mode: int, uid: int, gid: int) -> None:
    """Set owner and mode of an open file; the owner first, because chown(2) removes the set-user-ID bits."""
    os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
