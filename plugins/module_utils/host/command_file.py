# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of the command `pyweb` on a host: whether it is there as it is wanted, how it gets there, and its end.

Its head names the sources that it was made of, and what follows the head. So a controller whose zlib packs otherwise
finds it as it is wanted, and one that was damaged is replaced. A file of that name that is not ours is left alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat

from ..model import layout as layouts
from . import memory, nofollow

HEAD = """\
#!/usr/bin/python3 -I
# Written by pyweb.stack: what its playbooks do, on the host. pyweb.stack.uninstall removes it.
# sources {sources}
# archive {archive}
"""
_DIGEST = "[0-9a-f]{64}"
_HEAD = re.compile(re.escape(HEAD).replace(r"\{sources\}", f"({_DIGEST})").replace(r"\{archive\}", f"({_DIGEST})"))


def made(sources: str, archive: bytes) -> bytes:
    """Return the file: Python finds an archive by its end, whatever stands before it. `sources` is their digest."""
    return HEAD.format(sources=sources, archive=hashlib.sha256(archive).hexdigest()).encode() + archive


class NotSent(Exception):
    """The command is wanted and did not come along: that spares every other run some hundred KiB."""


def ensure(sources: str, content: bytes, completion: str, check_mode: bool) -> tuple[str, str]:
    """Put the command there: its path where that changes something, and a note where it cannot be.

    Raises `NotSent` where it is not there and `content` is empty.
    """
    if fault := in_the_way():
        return "", fault
    if is_current(sources):
        return "", ""
    if check_mode:
        return layouts.PYWEB_COMMAND, ""
    if not content:
        raise NotSent
    note = install(content, completion)
    return "" if note else layouts.PYWEB_COMMAND, note


def is_current(sources: str) -> bool:
    """Say whether the command is there, made of these sources, whole, root's, and for everybody to execute."""
    path = layouts.PYWEB_COMMAND
    found = nofollow.status(path)
    if found is None or not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        return False
    if stat.S_IMODE(found.st_mode) != 0o755:
        return False
    with open(path, "rb") as stream:
        content = stream.read()
    head = _HEAD.match(content[: len(HEAD) + 200].decode("ascii", "replace"))
    if not head or head[1] != sources:
        return False
    return head[2] == hashlib.sha256(content[head.end() :]).hexdigest()


def in_the_way() -> str:
    """Return why the command cannot be put there; '' where nothing of somebody else's is there."""
    path = layouts.PYWEB_COMMAND
    if not os.path.lexists(path) or memory.is_marked(path):
        return ""
    return f"{path} is not of pyweb.stack, so the command pyweb is not installed; move that file away to have it"


def install(content: bytes, completion: str) -> str:
    """Put the command and its completion there; return why that did not work, '' where it did.

    No site needs the command, so that is no failure.
    """
    path, beside = layouts.PYWEB_COMMAND, layouts.PYWEB_COMPLETION
    try:
        nofollow.create(path, content, 0o755, os.geteuid(), os.getegid())
        if not os.path.lexists(beside) or memory.is_marked(beside):
            nofollow.ensure(os.path.dirname(beside), 0o755, os.geteuid(), os.getegid(), keep=True)
            nofollow.create(beside, completion.encode(), 0o644, os.geteuid(), os.getegid())
    except OSError as error:
        return f"{error.filename or path}: {error.strerror}; the command pyweb is not installed"
    return ""


def remove(check_mode: bool) -> list[str]:
    """Remove both where they are ours, and directories above the completion that are empty; return what went."""
    ours = [path for path in (layouts.PYWEB_COMMAND, layouts.PYWEB_COMPLETION) if memory.is_marked(path)]
    if not check_mode:
        for path in ours:
            nofollow.remove(path)
        if layouts.PYWEB_COMPLETION in ours:
            _remove_empty(os.path.dirname(layouts.PYWEB_COMPLETION))
    return ours


def _remove_empty(folder: str) -> None:
    """Remove the two directories that only the completion needed, while they are empty."""
    for path in (folder, os.path.dirname(folder)):
        try:
            os.rmdir(path)
        except OSError:
            return
