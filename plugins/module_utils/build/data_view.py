# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site's data as the project's code sees them in a build: there to read, and what is written is thrown away.

Settings open log files and make directories as they are imported. The account that builds is not the site's user, and
what it made among the data would be in the site's way. So each directory of data is the lower layer of an overlay. Its
upper one is in memory and belongs to that account. Where the kernel mounts no overlay, the upper layer alone is seen.

The mounts are root's own and lie where nobody else gets to; a command finds them in place of the data, see
`sandbox`. They go with the build; what a killed run left, the next one unmounts.
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

# How many directories and files are in an upper layer, and how large a file is at most: a larger one, a database for
# instance, is there to read. A log that is larger is empty there; nobody reads it in a build.
ENTRIES, FILE_BYTES, TOTAL_BYTES = 5000, 4 * 1024 * 1024, 32 * 1024 * 1024
LOG = re.compile(r"\.log(\.|$)")
# What nobody writes while a project is imported, and what is large.
SKIPPED = (".git", "node_modules")
# The part of the memory that what a build writes among the data may take.
SIZE = "25%"
# Of what builds download, the parts that the project's own steps share with the next build: npm and yarn hold what is
# there against the hashes of the project's lock. A package of Python that lies in uv's cache is believed.
SHARED = ("npm", "yarn")


@contextlib.contextmanager
def shown(context: Context) -> Iterator[Context]:
    """Give the context of a build with the view of its data. The site's user needs none: the data are its own.

    The data are looked at when the project's code runs for the first time; until then a build may begin them.
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
        what = f"{error.filename}: {error.strerror}; a build keeps its hands off the data by mounts of its own"
        raise context.error("data", f"{what}, so root has to be able to mount on this host") from None


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
    """Return the directories that the running site may write, none in another: code in place may have some in it.

    One in whose place the site could put a link is as it is: systemd would follow that, whenever it was looked at.
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
    """Return where a directory is mounted as a build sees it."""
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
    """Puts what is the site's user's into an upper layer, as that of the account that builds. Follows no link."""

    def __init__(self, context: Context) -> None:
        self.owner = pwd.getpwnam(context.site["user"]).pw_uid
        self.uid, self.gid = context.account.pw_uid, context.account.pw_gid
        self.state, self.media = (os.path.realpath(path) for path in (context.layout.state, context.layout.media))
        self.entries, self.bytes, self.depth = ENTRIES, TOTAL_BYTES, 0

    def fill(self, lower: int, above: int, path: str) -> None:
        """Fill the open directory `above` from `lower`, which lies at `path`.

        Hidden files of the site at the top of its data are not seen: that is the home of its processes, where programs
        look for what to do, and the site could have written it.
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
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # gone meanwhile, or another thing
                if path == self.state and name.startswith("."):
                    self._hide(lower, above, name)
                elif name.endswith("-shm") and name[: -len("-shm")] in names:
                    self._hide(lower, above, name)  # what SQLite of the running site shares; it is made anew
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
                return  # another one meanwhile
            content = stream.read(most)
        self.bytes -= len(content)
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=above)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchown(descriptor, self.uid, self.gid)
            stream.write(content)

    def _hide(self, lower: int, above: int, name: str) -> None:
        """Let the upper layer hide what the lower one has, unless it is root's (a whiteout, see overlayfs.rst)."""
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
