# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The identity of a process, and the names of users and groups."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from dataclasses import dataclass

# The bits of a mode for a class of users; ENTER on a file means to execute it.
READ, WRITE, ENTER = 4, 2, 1


@dataclass(frozen=True)
class Identity:
    """The IDs of a process. They may differ from those that its user would get today."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return user_name(self.uid)

    def allowed(self, mode: int, uid: int, gid: int, wanted: int) -> bool:
        """Return whether the mode bits grant `wanted`; as in the kernel, the first matching class decides."""
        if self.uid == 0:
            return wanted != ENTER or stat.S_ISDIR(mode) or bool(mode & 0o111)
        shift = 6 if uid == self.uid else 3 if gid in (self.gid, *self.groups) else 0
        return (mode >> shift) & wanted == wanted


def identity_of(user: str) -> Identity:
    """Return the IDs that a process of this user gets when it starts now. Raises KeyError without such a user."""
    account = pwd.getpwnam(user)
    return Identity(account.pw_uid, account.pw_gid, tuple(os.getgrouplist(user, account.pw_gid)))


def user_name(uid: int) -> str:
    """Return the user's name, or the ID if it has none."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def group_name(gid: int) -> str:
    """Return the group's name, or the ID if it has none."""
    with contextlib.suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)


def why_not_root() -> str:
    """Return why this process cannot do what a run does, and the fix; '' for root."""
    if os.geteuid() == 0:
        return ""
    return (
        f"the run needs root, but runs as {user_name(os.geteuid())} on this host; set `become: true` for it (in the "
        "inventory ansible_become: true), or run ansible-playbook with -b"
    )
