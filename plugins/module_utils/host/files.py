# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, write, link, remove and lock files on a host. Every write is one rename, so nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from .shell import StepError

LOCKS = "/run/lock"
# How long one run waits for another, in seconds.
LOCK_TIMEOUT = 300


@contextlib.contextmanager
def locked(site: str, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the site's lock: two runs at once wait for each other, at most `timeout` seconds.

    What the system refuses meanwhile, on a full disk for instance, is a `StepError` that names the site.
    """
    path = f"{LOCKS}/pyweb.stack.{site}"
    deadline = time.monotonic() + timeout
    with open(path, "a+", encoding="ascii") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    stream.seek(0)
                    holder = stream.read().strip() or "unknown"
                    raise StepError(
                        site, "lock", f"another run (process {holder}) has held {path} for {timeout:g} s"
                    ) from None
                time.sleep(0.1)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        except OSError as error:
            path = f"{error.filename}: " if error.filename else ""
            raise StepError(site, "files", f"{path}{error.strerror or error}") from error


def write(path: str, text: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Put `text` at `path` in one rename, so that nobody ever sees half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".pyweb-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chown(temporary, uid, gid)
        os.chmod(temporary, mode)
        os.rename(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = path
        raise


def link(target: str, path: str) -> None:
    """Make `path` a symbolic link to `target` in one rename. Whoever calls this holds a lock, see `locked`."""
    # Always the same name, so that what a killed run left is replaced.
    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def read(path: str) -> str:
    """A file's text, or '' where there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def read_json(path: str) -> dict[str, Any]:
    """A JSON object from a file; {} where there is none or where a crash left half of one."""
    try:
        found = json.loads(read(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def remove(path: str) -> bool:
    """Remove a file, link or tree; whether there was one."""
    if not os.path.lexists(path):
        return False
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
    return True


def read_or_empty(path: str) -> str:
    """Return a file's text, or '' where it cannot be read for any reason. Bytes that are no text are replaced."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


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


def relink(path: str, target: str) -> None:
    """Make the link `path` point to `target` again, or remove it where `target` is ''."""
    if read_link(path) == target:
        return
    if target:
        link(target, path)
    else:
        os.unlink(path)
