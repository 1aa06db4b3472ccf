# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Create nginx's logs before nginx does: every user could read them until they are rotated.

The packages define owner and mode in logrotate's `create`.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import stat
from collections.abc import Iterable
from typing import NamedTuple

from ..host import accounts, files, nofollow
from ..model.layout import NGINX_LOGS

LOGROTATE = "/etc/logrotate.d/nginx"
MODE = 0o640
_LOGS = re.compile(rf"(?m)^\s*(?:access|error)_log\s+({re.escape(NGINX_LOGS)}/[^/\s;$\"']+)[\s;]")
_CREATE = re.compile(r"(?m)^\s*create\s+(0?[0-7]{3})\s+(\S+)\s+(\S+)\s*$")


class Owner(NamedTuple):
    uid: int
    gid: int
    mode: int


def named(texts: Iterable[str]) -> list[str]:
    """Return the logs in nginx's own directory that these configuration files name."""
    return list(dict.fromkeys(path for text in texts for path in _LOGS.findall(text)))


def ensure(paths: Iterable[str], dry: bool) -> list[dict[str, str]]:
    """Create missing logs, and remove other users' permissions from those that nginx has created.

    Return {path, state} of those that were, or in a dry run would be, created or changed.
    """
    owner, done = owner_of_logs(), []
    for path in paths:
        there = os.path.isdir(os.path.dirname(path))
        if not there and not dry:
            continue
        found, state = nofollow.status(path) if there else None, ""
        if found is None:
            state = "created"
        elif stat.S_ISREG(found.st_mode) and found.st_uid == 0 and found.st_mode & 0o007 and not owner.mode & 0o007:
            state = "changed"
        if state:
            done.append({"path": path, "state": state})
            if not dry:
                _put(path, owner, state == "created")
    return done


def forget(made: Iterable[dict[str, str]]) -> None:
    """Remove the logs that were created for files that nginx has refused."""
    for log in made:
        with contextlib.suppress(OSError):
            if log["state"] == "created" and os.path.getsize(log["path"]) == 0:
                nofollow.remove(log["path"])


def owner_of_logs(logrotate: str = LOGROTATE) -> Owner:
    """Return owner and mode of the logs: as in logrotate, else nginx's user and root."""
    found = _CREATE.search(files.read_or_empty(logrotate))
    with contextlib.suppress(KeyError):
        if found:
            return Owner(pwd.getpwnam(found[2]).pw_uid, grp.getgrnam(found[3]).gr_gid, int(found[1], 8))
    with contextlib.suppress(KeyError):
        return Owner(pwd.getpwnam(accounts.nginx_account()[0]).pw_uid, 0, MODE)
    return Owner(0, 0, MODE)


def _put(path: str, owner: Owner, new: bool) -> None:
    with nofollow.folder(os.path.dirname(path)) as folder:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if new else 0)
        descriptor = os.open(os.path.basename(path), flags, 0o600, dir_fd=folder)
        try:
            os.fchown(descriptor, owner.uid, owner.gid)
            os.fchmod(descriptor, owner.mode)
        finally:
            os.close(descriptor)
