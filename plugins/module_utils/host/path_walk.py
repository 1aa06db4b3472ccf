# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a running process cannot reach a file: walk its path as the kernel does, with that process's own identity.

The identity is what the process has, not what /etc/group says: a worker that was started before a group got a new
member does not have that group.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from . import acl
from .identity import ENTER, READ, WRITE, Identity, group_name, user_name

__all__ = ["ENTER", "READ", "WRITE", "Identity", "Obstacle", "described", "group_name", "obstacle", "user_name"]

# path_resolution(7): the kernel follows at most 40 symbolic links.
_LINKS_MAX = 40
_WORDS = {READ: "read", WRITE: "write", ENTER: "enter", READ | ENTER: "list", READ | WRITE: "read and write"}


@dataclass(frozen=True)
class Obstacle:
    """Where a walk ends: the entry, what is wrong ('missing', 'denied', 'loop'), the evidence and what fixes it."""

    path: str
    kind: str
    evidence: str
    fix: str
    directory: bool = False
    owner: int = 0
    mode: int = 0
    group: int = -1


def obstacle(path: str, who: Identity, wanted: int = READ, root: str = "") -> Obstacle | None:
    """Return the first entry on the way to `path` that keeps `who` out; None when nothing does.

    Every directory needs its x bit, the file the bits in `wanted`. `root` is put before every path: '/proc/PID/root'
    sees what a process in a mount namespace of its own sees.
    """
    links = 0
    todo = [part for part in path.split("/") if part]
    here = ""
    while todo:
        blocked = _check(here or "/", who, ENTER, root)
        if blocked:
            return blocked
        part = todo.pop(0)
        if part in (".", ".."):
            here = os.path.dirname(here).rstrip("/") if part == ".." else here
            continue
        try:
            info = os.lstat(f"{root}{here}/{part}")
        except OSError as error:
            kind = "missing" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else "denied"
            return Obstacle(
                f"{here}/{part}", kind, f"{here}/{part}: {error.strerror}", f"ls -ld {here}/{part}", bool(todo)
            )
        if stat.S_ISLNK(info.st_mode):
            links += 1
            if links > _LINKS_MAX:
                return Obstacle(path, "loop", f"{path}: too many symbolic links", f"namei -l {path}")
            target = os.readlink(f"{root}{here}/{part}")
            here = "" if target.startswith("/") else here
            todo = [part for part in target.split("/") if part] + todo
            continue
        here = f"{here}/{part}"
    return _check(here or "/", who, wanted, root)


def described(path: str, root: str = "") -> str:
    """Return mode, owner and group of an entry: 'srw------- huatai:www-data /run/x.sock'."""
    try:
        info = os.stat(root + path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return f"{stat.filemode(info.st_mode)} {user_name(info.st_uid)}:{group_name(info.st_gid)} {path}"


def _check(path: str, who: Identity, wanted: int, root: str) -> Obstacle | None:
    try:
        info = os.stat(root + path)
    except OSError as error:
        return Obstacle(path, "missing", f"{path}: {error.strerror}", f"ls -ld {path}")
    entries = acl.entries_of(root + path) if who.uid else []
    if entries:
        may = acl.allowed(entries, who, info.st_uid, info.st_gid, wanted)
    else:
        may = who.allowed(info.st_mode, info.st_uid, info.st_gid, wanted)
    if may:
        return None
    is_directory = stat.S_ISDIR(info.st_mode)
    groups = ", ".join(group_name(gid) for gid in dict.fromkeys((who.gid, *who.groups)))
    evidence = f"{described(path, root)}; {who.name} (groups {groups}) cannot {_WORDS.get(wanted, 'use')} it"
    if is_directory and wanted == ENTER:
        fix = f"chmod {'g' if info.st_gid in (who.gid, *who.groups) else 'o'}+x {path}"
    else:
        letters = "".join(letter for bit, letter in ((READ, "r"), (WRITE, "w"), (ENTER, "x")) if wanted & bit)
        fix = f"chmod g+{letters} {path} && chgrp {group_name(who.gid)} {path}"
    if entries and acl.masked(entries, who, info.st_uid, wanted):
        letters = "".join(letter for bit, letter in ((READ, "r"), (WRITE, "w"), (ENTER, "x")) if wanted & bit)
        evidence += f"; its ACL names {who.name}, and the mask of the ACL, which chmod sets, takes that away"
        fix = f"setfacl -m m::{letters if wanted == ENTER else 'rwx' if wanted & WRITE else 'rx'} {path}"
    # Of a group that may not do it either nobody need be.
    group = info.st_gid if info.st_mode >> 3 & wanted == wanted else -1
    return Obstacle(path, "denied", evidence, fix, is_directory, info.st_uid, stat.S_IMODE(info.st_mode), group)
