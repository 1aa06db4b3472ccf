# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, write, link, remove and lock files on a host. A write is one rename: readers see all of it or nothing."""

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

# How long a run waits for another one, in seconds.
LOCK_TIMEOUT = 300
# In how many of its first lines a file of pyweb.stack has its mark.
HEAD_LINES = 20


@contextlib.contextmanager
def locked(name: str, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the lock of the site `name`: of two concurrent runs, one waits at most `timeout` seconds.

    An OSError in the block, for example on a full disk, becomes a `StepError` that names the site.
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
    """Hold the lock file `path`, which then contains the process ID. Its directory is created if it is missing.

    If it is not free within `timeout` seconds, raise the exception that `busy` returns for the process that holds it.
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
    """Write `text` to `path` with one rename, so that no reader sees an incomplete file."""
    # Named after the process, because not every caller holds a lock.
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
    """Write a new file, complete and on the disk when this returns. Whatever is at `path` is removed first."""
    forget(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        stream.flush()
        os.fsync(descriptor)


def move(temporary: str, path: str) -> None:
    """Rename `temporary` to `path`; this survives a power failure."""
    os.rename(temporary, path)
    sync(os.path.dirname(path))


def sync_file(path: str) -> None:
    """Write what another program wrote to a file to the disk (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(folder: str) -> None:
    """Write the entries of a directory to the disk (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(target: str, path: str) -> None:
    """Make `path` a symbolic link to `target` with one rename. The caller holds a lock, see `locked`."""
    # Always the same name, so that a killed run's leftover is replaced.
    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)}.new"
    forget(temporary)
    os.symlink(target, temporary)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def relink(path: str, target: str) -> None:
    """Make `path` a link to `target`, or remove the link if `target` is ''."""
    if read_link(path) == target:
        return
    if target:
        link(target, path)
    else:
        os.unlink(path)


def forget(path: str) -> None:
    """Remove a file or link if it exists."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def remove(path: str) -> bool:
    """Remove a file, link or tree; return whether it existed.

    Raises OSError if something is mounted at or below `path`, because the files behind a mount are not ours to remove,
    and if the path contains a link that root does not own, because it may lead to another tree.
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
    """Return a file's text, or '' if it does not exist. Raises OSError, also for what is not a regular file."""
    try:
        return _as_text(regular.content(path), "strict")
    except FileNotFoundError:
        return ""


def read_json(path: str) -> dict[str, Any]:
    """Return a JSON object from a file; {} if it does not exist or a crash left half of it."""
    try:
        found = json.loads(read(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def recorded(path: str) -> dict[str, Any]:
    """Return a JSON object from a record of pyweb.stack; {} as with `read_json`, and if root does not own the file.

    The directories of a site may be in a home whose owner can replace them. Root acts on a record: on the units in it,
    and on the paths to remove.
    """
    return read_json(path) if is_ours(path) else {}


def is_ours(path: str) -> bool:
    """Return whether a path is a regular file owned by root, who runs this, without links of others on the way."""
    try:
        found = nofollow.status(path)
    except OSError:
        return False
    return found is not None and stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def read_or_empty(path: str) -> str:
    """Return a file's text, or '' if it cannot be read for any reason. Bytes that are no text are replaced."""
    try:
        return _as_text(regular.content(path), "replace")
    except OSError:
        return ""


def head(path: str) -> str:
    """Return the first lines of a file, which contain the mark, below `ansible_managed`; '' if it cannot be read."""
    return "\n".join(read_or_empty(path).splitlines()[:HEAD_LINES])


def read_link(path: str) -> str:
    """Return the target of a link, or '' if there is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def names(path: str) -> list[str]:
    """Return the sorted names of a directory's entries; [] if it does not exist."""
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _as_text(content: bytes, errors: str) -> str:
    """Return text with all line ends converted as Python does on reading."""
    return content.decode("utf-8", errors).replace("\r\n", "\n").replace("\r", "\n")


def _make_public(folder: str) -> None:
    """Create a directory that every user may enter, whatever the umask is."""
    try:
        os.makedirs(folder)
    except FileExistsError:
        return
    os.chmod(folder, 0o755)  # noqa: S103 - for every user to enter
