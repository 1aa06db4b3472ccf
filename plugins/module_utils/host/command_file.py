# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of the command `pyweb` on a host: check, install and remove it.

Its head contains digests of its sources and of the archive that follows. A file that a controller with another zlib
packed is therefore recognised as current, and a damaged one is replaced. A file of the same name that pyweb.stack did
not write is left alone.
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
    """Return the file. Python finds an archive by its end, so a head is allowed. `sources` is a digest."""
    return HEAD.format(sources=sources, archive=hashlib.sha256(archive).hexdigest()).encode() + archive


class NotSent(Exception):
    """The command is needed and was not sent. Most runs do not need it, and so send some hundred KiB less."""


def ensure(sources: str, content: bytes, completion: str, check_mode: bool) -> tuple[str, str]:
    """Install the command; return its path if something changed, and a note if it cannot be installed.

    Raises `NotSent` if it is missing and `content` is empty.
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
    """Return whether the command is installed, from these sources, undamaged, owned by root and executable for all."""
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
    """Return why the command cannot be installed; '' if no other file is in its place."""
    path = layouts.PYWEB_COMMAND
    if not os.path.lexists(path) or memory.is_marked(path):
        return ""
    return (
        f"{path} was not written by pyweb.stack, so the command pyweb is not installed; to install it, move "
        "that file away"
    )


def install(content: bytes, completion: str) -> str:
    """Install the command and its completion; return why that failed, '' if it did not.

    No site needs the command, so this does not fail the run.
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
    """Remove both if pyweb.stack wrote them, and empty directories above the completion; return what was removed."""
    ours = [path for path in (layouts.PYWEB_COMMAND, layouts.PYWEB_COMPLETION) if memory.is_marked(path)]
    if not check_mode:
        for path in ours:
            nofollow.remove(path)
        if layouts.PYWEB_COMPLETION in ours:
            _remove_empty(os.path.dirname(layouts.PYWEB_COMPLETION))
    return ours


def _remove_empty(folder: str) -> None:
    """Remove the two directories that only the completion needed, if they are empty."""
    for path in (folder, os.path.dirname(folder)):
        try:
            os.rmdir(path)
        except OSError:
            return
