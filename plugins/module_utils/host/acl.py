# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""POSIX ACLs: what setfacl grants in addition to a file's mode bits, evaluated as the kernel does (acl(5))."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from .identity import Identity

_NAME = "system.posix_acl_access"
# linux/posix_acl_xattr.h: a version, then entries of tag, permissions and ID, all little-endian.
_VERSION = 2
_HEAD, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20


class Entry(NamedTuple):
    """One entry of an ACL: its tag, its bits and, for named users and groups, the ID."""

    tag: int
    bits: int
    number: int


def entries_of(path: str) -> list[Entry]:
    """Return the ACL of a file; nothing if it has only its mode."""
    try:
        raw = os.getxattr(path, _NAME)
    except OSError:
        return []
    return parsed(raw)


def parsed(raw: bytes) -> list[Entry]:
    """Return the entries in the extended attribute with the kernel's representation of an ACL."""
    if len(raw) < _HEAD.size or _HEAD.unpack_from(raw)[0] != _VERSION:
        return []
    whole = (len(raw) - _HEAD.size) // _ENTRY.size * _ENTRY.size
    return [Entry(*found) for found in _ENTRY.iter_unpack(raw[_HEAD.size : _HEAD.size + whole])]


def allowed(entries: list[Entry], who: Identity, uid: int, gid: int, wanted: int) -> bool:
    """Return whether an ACL grants `wanted` on a file of this owner and group to a user other than root."""
    own = _bits(entries, _USER_OBJ)
    if who.uid == uid:
        return own & wanted == wanted
    mask = _bits(entries, _MASK, 7)
    for entry in entries:
        if entry.tag == _USER and entry.number == who.uid:
            return entry.bits & mask & wanted == wanted
    mine = (who.gid, *who.groups)
    groups = [entry.bits for entry in entries if _is_mine(entry, gid, mine)]
    if groups:
        return any(bits & mask & wanted == wanted for bits in groups)
    return _bits(entries, _OTHER) & wanted == wanted


def masked(entries: list[Entry], who: Identity, uid: int, wanted: int) -> bool:
    """Return whether a named entry would grant `wanted`, but the mask removes it."""
    if who.uid == uid or _bits(entries, _MASK, 7) & wanted == wanted:
        return False
    mine = (who.gid, *who.groups)
    return any(
        entry.bits & wanted == wanted
        and ((entry.tag == _USER and entry.number == who.uid) or (entry.tag == _GROUP and entry.number in mine))
        for entry in entries
    )


def _is_mine(entry: Entry, gid: int, mine: tuple[int, ...]) -> bool:
    return (entry.tag == _GROUP_OBJ and gid in mine) or (entry.tag == _GROUP and entry.number in mine)


def _bits(entries: list[Entry], tag: int, otherwise: int = 0) -> int:
    return next((entry.bits for entry in entries if entry.tag == tag), otherwise)
