# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, write, link, remove and lock files on a host. Every write is one rename, so nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..model import regular
from ..model.layout import Layout
from . import nofollow
from .shell import StepError

# How long one run waits for another, in seconds.
LOCK_TIMEOUT = 300
# How far down the mark of a file of ours may stand.
HEAD_LINES = 20


@contextlib.contextmanager
def locked(name: str, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the lock of the site `name`: two runs at once wait for each other, at most `timeout` seconds.

    What the system refuses meanwhile, on a full disk for instance, is a `StepError` that names the site.
    """
    path = Layout.under(name).lock

    def busy(process: str) -> StepError:
        return StepError(name, "lock", f"another run (process {process}) has held {path} for {timeout:g} s")

    try:
        with hold(path, timeout, busy):
            yield
    except OSError as error:
        refused = f"{error.filename}: " if error.filename else ""
        raise StepError(name, "files", f"{refused}{error.strerror or error}") from error


@contextlib.contextmanager
def hold(path: str, timeout: float, busy: Callable[[str], Exception]) -> Iterator[None]:
    """Hold the lock file `path`, which then names this process. Its directory is made if missing.

    Raises what `busy` returns, given the process that holds the lock, when it is not free within `timeout` seconds.
    """
    _make_public(os.path.dirname(path))
    deadline = time.monotonic() + timeout
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+", encoding="ascii") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise busy(stream.read().strip() or "unknown") from None
                time.sleep(0.1)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def write(path: str, text: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Put `text` at `path` in one rename, so that nobody ever sees half of it."""
    # Named after the process: not every caller holds a lock.
    temporary = f"{os.path.dirname(path)}/.pyweb-{os.getpid()}"
    try:
        put(temporary, text.encode(), mode, uid, gid)
        move(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = path
        raise


def put(path: str, content: bytes, mode: int, uid: int, gid: int) -> None:
    """Write a new file, complete and on the disk when this returns. What is at `path` is removed first."""
    forget(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        stream.flush()
        os.fsync(descriptor)


def move(temporary: str, path: str) -> None:
    """Rename `temporary` to `path`; this lasts even if the power fails."""
    os.rename(temporary, path)
    sync(os.path.dirname(path))


def sync(folder: str) -> None:
    """Write the entries of a directory to the disk (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(target: str, path: str) -> None:
    """Make `path` a symbolic link to `target` in one rename. The caller holds a lock, see `locked`."""
    # Always the same name, so that what a killed run left is replaced.
    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)}.new"
    forget(temporary)
    os.symlink(target, temporary)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def relink(path: str, target: str) -> None:
    """Make `path` a link to `target`, or remove the link where `target` is ''."""
    if read_link(path) == target:
        return
    if target:
        link(target, path)
    else:
        os.unlink(path)


def forget(path: str) -> None:
    """Remove a file or link if it is there."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def remove(path: str) -> bool:
    """Remove a file, link or tree; return whether there was one.

    Raises OSError where something is mounted at or below `path`: what lies behind a mount belongs to somebody else. And
    where a link that is not root's stands on the way: it may lead to a tree that is not meant.
    """
    found = nofollow.status(path)
    if found and stat.S_ISDIR(found.st_mode):
        for mount in mounts(path):
            raise OSError(errno.EBUSY, f"{mount} is a mount; unmount it first", path)
    return nofollow.remove(path)


def mounts(path: str, mountinfo: str = "/proc/self/mountinfo") -> list[str]:
    """Return the mount points at and below `path` (proc_pid_mountinfo(5))."""
    real = os.path.realpath(path)
    found = []
    for line in read_or_empty(mountinfo).splitlines():
        # Blanks and backslashes in names are octal numbers there.
        mount = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])
        if mount == real or mount.startswith(f"{real}/"):
            found.append(mount)
    return found


def read(path: str) -> str:
    """Return a file's text, or '' where there is none. Raises OSError, also for what is no regular file."""
    try:
        return _as_text(regular.content(path), "strict")
    except FileNotFoundError:
        return ""


def read_json(path: str) -> dict[str, Any]:
    """Return a JSON object from a file; {} where there is none or where a crash left half of one."""
    try:
        found = json.loads(read(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def recorded(path: str) -> dict[str, Any]:
    """Return a JSON object from a record of ours; {} where there is none, as `read_json`, or where it is not root's.

    The directories of a site may lie in somebody's home, who can put others in their place. What a record says of
    units, and of what is to be removed, is done as root.
    """
    return read_json(path) if is_ours(path) else {}


def is_ours(path: str) -> bool:
    """Say whether a regular file is root's, who runs this, and no link of somebody else leads to it."""
    try:
        found = nofollow.status(path)
    except OSError:
        return False
    return found is not None and stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def read_or_empty(path: str) -> str:
    """Return a file's text, or '' where it cannot be read for any reason. Bytes that are no text are replaced."""
    try:
        return _as_text(regular.content(path), "replace")
    except OSError:
        return ""


def head(path: str) -> str:
    """Return the first lines of a file: a mark stands there, below what `ansible_managed` says; '' where it is none."""
    return "\n".join(read_or_empty(path).splitlines()[:HEAD_LINES])


def read_link(path: str) -> str:
    """Return the target of a link, or '' where there is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def names(path: str) -> list[str]:
    """Return the sorted names of a directory's entries; [] where there is none."""
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _as_text(content: bytes, errors: str) -> str:
    """Return text with the line ends that Python's own reading makes of all kinds."""
    return content.decode("utf-8", errors).replace("\r\n", "\n").replace("\r", "\n")


def _make_public(folder: str) -> None:
    """Make a directory that everybody may enter, whatever the umask says."""
    try:
        os.makedirs(folder)
    except FileExistsError:
        return
    os.chmod(folder, 0o755)  # noqa: S103 - for everybody to enter
