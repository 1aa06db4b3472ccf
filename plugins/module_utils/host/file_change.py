# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One path of a file set: its current state, its desired state, and the change between them."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from . import files
from .visible import visible


class FileSetError(Exception):
    """Why the set was not installed. `output` is the complete output of the failed program."""

    def __init__(self, text: str, output: str = "") -> None:
        super().__init__(visible(text))
        self.output = visible(output)


class Edit(NamedTuple):
    """A text to replace in a file: its position (`line` from 1, `column` from 0), the old text and the new text."""

    line: int
    column: int
    old: str
    new: str


@dataclass(frozen=True)
class Wanted:
    """The desired state of a path; `kind` is file, link, absent, edited (in place) or kept (as before our changes).

    With `keep`, the current content is copied before it changes, unless it contains the text `marked`. With `prune`,
    the file's directory is removed with it if it is then empty. `note` describes the change in a sentence for the user.
    """

    path: str
    kind: str = "file"
    content: bytes = b""
    target: str = ""
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False
    marked: str = ""
    edits: tuple[Edit, ...] = ()
    keep: bool = False
    prune: bool = False
    note: str = ""

    def is_marked(self, found: Found) -> bool:
        """Return whether `marked` is in a file, or in the target of a link."""
        return bool(self.marked) and self.marked.encode() in found.content + found.target.encode()


@dataclass(frozen=True)
class Found:
    """The current state of a path: `kind` is file, link, absent or the name of a type that no set replaces."""

    kind: str = "absent"
    content: bytes = b""
    target: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Change:
    """One path: its current state, its desired state, and the `state`: created, changed, removed or unchanged."""

    wanted: Wanted
    before: Found
    after: Found
    state: str


def compare(wanted: Wanted, dry: bool = False) -> Change:
    """Compare the current state of a path with the desired one. A dry run accepts accounts that do not exist yet."""
    before = look(wanted.path)
    if before.kind not in ("file", "link", "absent"):
        raise FileSetError(f"{wanted.path} is a {before.kind}; expected a file or nothing; move it away first")
    if wanted.kind == "absent":
        gone = before.kind == "absent" or (wanted.marked and not wanted.is_marked(before))
        return Change(wanted, before, before if gone else Found(), "unchanged" if gone else "removed")
    if wanted.kind == "edited":
        after = _edited(wanted, before)
        same = before == after
    elif wanted.kind == "link":
        after = Found("link", target=wanted.target)
        same = before.kind == "link" and before.target == wanted.target
    else:
        uid, gid = _uid(wanted, dry), _gid(wanted, dry)
        after = Found("file", wanted.content, mode=wanted.mode, uid=uid, gid=gid)
        same = before == after
    return Change(wanted, before, after, "unchanged" if same else "created" if before.kind == "absent" else "changed")


def _edited(wanted: Wanted, before: Found) -> Found:
    """Return the file with its edits applied; those that are applied already are kept."""
    if before.kind != "file":
        raise FileSetError(f"{wanted.path} is {before.kind}; expected a file to edit")
    text = before.content.decode("utf-8", "surrogateescape")
    starts = [0, *(newline.end() for newline in re.finditer("\n", text))]
    for edit in sorted(wanted.edits, reverse=True):
        at = starts[min(edit.line, len(starts)) - 1] + edit.column
        if text.startswith(edit.new, at) and not edit.old.startswith(edit.new):
            continue
        if not text.startswith(edit.old, at):
            raise FileSetError(
                f"{wanted.path}:{edit.line} is no longer {edit.old!r}; the file was changed during the run; run again"
            )
        text = text[:at] + edit.new + text[at + len(edit.old) :]
    return replace(before, content=text.encode("utf-8", "surrogateescape"))


def look(path: str) -> Found:
    """Return the current state of a path; links are not followed."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found()
    if stat.S_ISLNK(status.st_mode):
        return Found("link", target=os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        return Found("directory" if stat.S_ISDIR(status.st_mode) else "special file")
    with open(path, "rb") as stream:
        content = stream.read()
    return Found("file", content, "", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def differences(change: Change) -> list[dict[str, Any]]:
    """Return the difference for Ansible's diff mode: the text, then the attributes."""
    if change.state == "unchanged":
        return []
    path, before, after = change.wanted.path, change.before, change.after
    header = {"before_header": path, "after_header": path if after.kind != "absent" else f"{path} (removed)"}
    result: list[dict[str, Any]] = []
    if (before.kind, before.content, before.target) != (after.kind, after.content, after.target):
        if change.wanted.secret:
            shown = {"before": "" if before.kind == "absent" else "(secret)\n", "after": "(secret, changed)\n"}
            result.append({**header, **shown, **({"after": ""} if after.kind == "absent" else {})})
        elif b"\0" in before.content or b"\0" in after.content:
            result.append({**header, "src_binary": 1})
        else:
            result.append({**header, "before": _text(before), "after": _text(after)})
    if before.kind == after.kind == "file" and _attributes(before) != _attributes(after):
        result.append({**header, "before": _attributes(before), "after": _attributes(after)})
    return result


def temporary(path: str) -> str:
    """Return a name beside the file, so that a rename is atomic. It is hidden, and no *.conf."""
    return f"{os.path.dirname(path)}/.{os.path.basename(path)}.pyweb~"


def write(path: str, content: Found) -> None:
    """Write the file or link `content` at `path`."""
    if content.kind == "link":
        files.forget(path)
        os.symlink(content.target, path)
    elif content.kind == "file":
        files.put(path, content.content, content.mode, content.uid, content.gid)


def move(path: str, content: Found) -> None:
    """Rename what `write` wrote to `temporary(path)` to `path`, or remove `path`; this survives a power failure."""
    if content.kind == "absent":
        files.forget(path)
        files.sync(os.path.dirname(path))
    else:
        files.move(temporary(path), path)


def _text(found: Found) -> str:
    return f"link to {found.target}\n" if found.kind == "link" else found.content.decode("utf-8", "replace")


def _attributes(found: Found) -> dict[str, str]:
    return {
        "mode": f"0{found.mode:03o}",
        "owner": _name(pwd.getpwuid, found.uid),
        "group": _name(grp.getgrgid, found.gid),
    }


def _name(lookup: Callable[[int], Any], number: int) -> str:
    try:
        return str(lookup(number)[0])
    except (KeyError, OverflowError):
        return "to be made" if number < 0 else str(number)


def _uid(wanted: Wanted, dry: bool) -> int:
    return _identity(wanted, "owner", wanted.owner, lambda name: pwd.getpwnam(name).pw_uid, dry)


def _gid(wanted: Wanted, dry: bool) -> int:
    return _identity(wanted, "group", wanted.group, lambda name: grp.getgrnam(name).gr_gid, dry)


def _identity(wanted: Wanted, what: str, name: str, lookup: Callable[[str], int], dry: bool) -> int:
    """Return the ID of an account or group; -1, which leaves it unchanged, if a dry run finds none."""
    if name.isdigit():
        return int(name)
    try:
        return lookup(name)
    except KeyError:
        if dry:
            return -1
        raise FileSetError(
            f"{wanted.path}: {what} is {name!r}, which this host does not have; create it first"
        ) from None
