# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site's data as the project's code sees them during a build: readable, and all changes are discarded.

Settings open log files and create directories when they are imported. The account that builds is not the site's user,
so files that it created among the data would get in the site's way. Each data directory is therefore the lower layer of
an overlay. The upper layer is in memory and belongs to the account that builds. If the kernel cannot mount an overlay,
only the upper layer is visible.

Root owns the mounts, and no other account can reach them. A command sees them in place of the data, see `sandbox`. They
are removed with the build; the next run unmounts what a killed run left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pwd
import re
import stat
from collections.abc import Iterator

from ..host import builder, mounts, nofollow
from .context import Context

# The maximum number of directories and files in an upper layer, and the maximum size of a file. A larger file, such as
# a database, can be read. A larger log is empty there, because nothing reads it during a build.
ENTRIES, FILE_BYTES, TOTAL_BYTES = 5000, 4 * 1024 * 1024, 32 * 1024 * 1024
LOG = re.compile(r"\.log(\.|$)")
# Files that nothing writes during an import, and that are large.
SKIPPED = (".git", "node_modules")
# The share of the memory that a build may use for what it writes among the data.
SIZE = "25%"
# The downloads that the project's steps share with the next build: npm and yarn verify them against the hashes in the
# project's lock file. uv trusts Python packages in its cache without verification.
SHARED = ("npm", "yarn")


@contextlib.contextmanager
def shown(context: Context) -> Iterator[Context]:
    """Set up the view of the data for a build's context. The site's user needs none, because it owns the data.

    The data are read when the project's code runs for the first time; until then, a build may still seed them.
    """
    if context.user == context.site["user"]:
        yield context
        return
    mounts.remove(context.layout.view)
    try:
        yield dataclasses.replace(context, view=functools.lru_cache(functools.partial(_places, context)))
    finally:
        mounts.remove(context.layout.view)


def _places(context: Context) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(_mount(context))
    except OSError as error:
        what = f"{error.filename}: {error.strerror}; a build protects the data with its own mounts"
        raise context.error("data", f"{what}, so root must be able to mount on this host") from None


def _mount(context: Context) -> list[tuple[str, str]]:
    layout, account = context.layout, context.account
    nofollow.ensure(layout.view, 0o700, 0, 0)
    mounts.mount("none", layout.view, "tmpfs", mounts.NOSUID | mounts.NODEV, f"mode=0700,size={SIZE}")
    places = [(_overlaid(context, number, path), path) for number, path in enumerate(_data(context))]
    cache = f"{layout.view}/cache"
    _make(cache, account.pw_uid, account.pw_gid)
    for name in SHARED:
        _make(f"{cache}/{name}", account.pw_uid, account.pw_gid)
        nofollow.ensure(f"{layout.cache}/{name}", 0o755, account.pw_uid, account.pw_gid)
        mounts.mount(f"{layout.cache}/{name}", f"{cache}/{name}", flags=mounts.BIND)
    return [*places, (cache, os.path.realpath(layout.cache))]


def _data(context: Context) -> list[str]:
    """Return the directories that the running site may write, without nested ones (code in place may contain some).

    A directory that the site could replace with a link is left out: systemd would follow that link.
    """
    layout, owner = context.layout, pwd.getpwnam(context.site["user"]).pw_uid
    found = [os.path.realpath(layout.state)]
    for path in (layout.media, context.site["source"].get("path", "")):
        real = os.path.realpath(path) if path else ""
        if not real or not os.path.isdir(real) or builder.may_exchange(owner, real):
            continue
        if not any(f"{real}/".startswith(f"{known}/") for known in found):
            found.append(real)
    return found


def _overlaid(context: Context, number: int, path: str) -> str:
    """Return where the build's view of a directory is mounted."""
    top = f"{context.layout.view}/{number}"
    upper, work, merged = (f"{top}-{name}" for name in ("upper", "work", "merged"))
    for folder in (upper, work, merged):
        os.mkdir(folder)
    filler = _Filler(context)
    with nofollow.folder(path) as lower:
        with nofollow.folder(upper) as above:
            filler.fill(lower, above, path)
        try:
            options = f"lowerdir=/proc/self/fd/{lower},upperdir={upper},workdir={work}"
            mounts.mount("none", merged, "overlay", mounts.NOSUID | mounts.NODEV, options)
        except OSError:
            return upper
    return merged


class _Filler:
    """Copies the site user's files into an upper layer, owned by the account that builds. Does not follow links."""

    def __init__(self, context: Context) -> None:
        self.owner = pwd.getpwnam(context.site["user"]).pw_uid
        self.uid, self.gid = context.account.pw_uid, context.account.pw_gid
        self.state, self.media = (os.path.realpath(path) for path in (context.layout.state, context.layout.media))
        self.entries, self.bytes, self.depth = ENTRIES, TOTAL_BYTES, 0

    def fill(self, lower: int, above: int, path: str) -> None:
        """Fill the open directory `above` from `lower`, which is at `path`.

        Hidden files at the top of the site's data are not visible. This directory is the home of the site's processes:
        programs look there for configuration, and the site could have written it.
        """
        found = os.fstat(lower)
        if found.st_uid == self.owner:
            os.fchown(above, self.uid, self.gid)
            os.fchmod(above, 0o755)
        else:
            os.fchown(above, found.st_uid, found.st_gid)
            os.fchmod(above, found.st_mode & 0o7777)
        names = os.listdir(lower)
        for name in names:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # removed, or not a directory
                if path == self.state and name.startswith("."):
                    self._hide(lower, above, name)
                elif name.endswith("-shm") and name[: -len("-shm")] in names:
                    self._hide(lower, above, name)  # SQLite's shared memory, which SQLite creates again
                else:
                    self._entry(lower, above, name, path)

    def _entry(self, lower: int, above: int, name: str, path: str) -> None:
        found = os.stat(name, dir_fd=lower, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode) and self.entries and self.depth < nofollow.DEEPEST and name not in SKIPPED:
            self.entries -= 1
            os.mkdir(name, 0o700, dir_fd=above)
            self.depth += 1
            try:
                with _opened(name, lower) as below, _opened(name, above) as own:
                    self.fill(below, own, os.path.join(path, name))
            finally:
                self.depth -= 1
        elif stat.S_ISREG(found.st_mode) and found.st_uid == self.owner and self.entries:
            inside = f"{path}/".startswith(f"{self.media}/")
            small = not inside and found.st_size <= min(FILE_BYTES, self.bytes)
            if small or LOG.search(name):
                self.entries -= 1
                self._copy(lower, above, name, FILE_BYTES if small else 0)

    def _copy(self, lower: int, above: int, name: str, most: int) -> None:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=lower)
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != self.owner:
                return  # replaced in the meantime
            content = stream.read(most)
        self.bytes -= len(content)
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=above)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchown(descriptor, self.uid, self.gid)
            stream.write(content)

    def _hide(self, lower: int, above: int, name: str) -> None:
        """Hide the lower layer's entry in the upper layer, unless root owns it (a whiteout, see overlayfs.rst)."""
        if os.stat(name, dir_fd=lower, follow_symlinks=False).st_uid:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=above)


@contextlib.contextmanager
def _opened(name: str, parent: int) -> Iterator[int]:
    descriptor = os.open(name, nofollow.FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make(path: str, uid: int, gid: int) -> None:
    os.mkdir(path, 0o700)
    os.chown(path, uid, gid)
