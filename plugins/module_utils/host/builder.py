# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The account `build-SITE` that downloads and builds a site's code. The running site has another uid.

The site can therefore not look into a process that has the deploy key, nor change a build while it is made, nor change
downloads of builds. The account is a member of the site's group, because a build reads the site's settings and data.
The site is not a member of the account's group.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..model.layout import Layout
from . import files, memory, mounts, nofollow
from .identity import ENTER, READ, Identity
from .path_walk import obstacle
from .shell import Shell, StepError
from .site_group import site_gid

# The kernel removes a killed process soon; a process that keeps forking takes longer.
END_SECONDS = 10


def of_site(site: Mapping[str, Any]) -> str:
    """Return the account that builds a completed site on this host.

    It is the site's user if this user already controls the code or an existing virtualenv, or if no other account can
    read them, for example in a home. It is also the site's user if that user could replace the site's own directories.
    """
    layout, user = Layout.of(site), str(site["user"])
    code, virtualenv = site["source"].get("path", ""), site["virtualenv"]
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return layout.builder
    if any(may_exchange(account.pw_uid, path) for path in (layout.root, layout.state, layout.cache)):
        return user
    if not code:
        return layout.builder
    # a member of the site's group, and of no other
    try:
        reader = Identity(-1, -1, (site_gid(layout, user, site["managed_user"]),))
    except KeyError:  # it will be created, and owns nothing yet
        reader = Identity(-1, -1)
    for path in (code, virtualenv):
        if not path.startswith("/") or not os.path.isdir(path):
            continue
        if os.stat(path).st_uid == account.pw_uid or obstacle(path, reader, READ | ENTER):
            return user
    return layout.builder


def may_exchange(uid: int, path: str) -> bool:
    """Return whether a user could replace a path, because it owns a directory on the way to it."""
    folder = os.path.dirname(os.path.realpath(path))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    while os.stat(folder).st_uid != uid:
        if folder == "/":
            return False
        folder = os.path.dirname(folder)
    return True


def why_not(layout: Layout, user: str) -> str:
    """Return why this host cannot have the account of a site with this `user`; '' if it can."""
    taken = {record["builder"] for record in memory.sites().values() if record.get("builder")}
    if any(same(user, name) for name in {*taken, layout.builder}):
        return f"user is '{user}', an account that builds: the site could change its builds; name another account"
    if exists(layout.builder) and not _is_ours(layout):
        return (
            f"this host has an account '{layout.builder}' that no run created, and builds of the site would take it "
            "over; "
            "rename it"
        )
    return ""


def ensure(layout: Layout, group: str, shell: Shell, check_mode: bool) -> list[str]:
    """Create the account, as a member of the site's group alone; return what changed or would change."""
    text = sysusers(layout, group)
    changes = [layout.builder_sysusers] if files.read(layout.builder_sysusers) != text else []
    if not exists(layout.builder):
        changes.append(layout.builder)
    elif _groups(layout.builder) != {group}:
        changes.append(f"the groups of {layout.builder}")
    if check_mode or not changes:
        return changes
    os.makedirs(os.path.dirname(layout.builder_sysusers), exist_ok=True)
    files.write(layout.builder_sysusers, text)
    shell.run("accounts", ["systemd-sysusers", layout.builder_sysusers])
    if _groups(layout.builder) != {group}:
        shell.run("accounts", ["usermod", "--groups", group, layout.builder])
    return changes


def ensure_cache(layout: Layout, owner: str, check_mode: bool) -> list[str]:
    """Give the directory for a build's downloads to the account that builds, and close it for all others.

    If it belonged to another account, such as the site's user, its contents are not trusted and are removed.
    """
    path, mode = layout.cache, 0o700
    try:
        account = pwd.getpwnam(owner)
        with nofollow.folder(path) as descriptor:
            found = os.fstat(descriptor)
        same = found.st_uid == account.pw_uid
        if same and found.st_gid == account.pw_gid and found.st_mode & 0o7777 == mode:
            return []
    except (FileNotFoundError, KeyError):  # the latter in check mode, on a host without this account
        same = True
    if not check_mode:
        account = pwd.getpwnam(owner)
        if not same:
            # First of all, so that no other account can add anything to it.
            nofollow.ensure(path, mode, 0, 0)
            for name in files.names(path):
                nofollow.remove(f"{path}/{name}")
        nofollow.ensure(path, mode, account.pw_uid, account.pw_gid)
    return [path]


def forget(layout: Layout, shell: Shell, check_mode: bool) -> list[str]:
    """Remove the account and its processes; return what was removed or would be. It has no data."""
    ours = _is_ours(layout)
    changes = [layout.builder_sysusers] if os.path.lexists(layout.builder_sysusers) else []
    if not check_mode:
        files.forget(layout.builder_sysusers)
        mounts.remove(layout.view)  # of a killed build
    if ours and exists(layout.builder):
        changes.append(layout.builder)
        if not check_mode:
            end_processes(layout)
            shell.run("accounts", ["userdel", layout.builder])
    if not check_mode:
        memory.forget_builder(layout)
    return changes


def sysusers(layout: Layout, group: str) -> str:
    """Return the text of the account's sysusers.d file."""
    return (
        "# Written by pyweb.stack.\n"
        f'u {layout.builder} - "builds of the site {layout.name}" /nonexistent /usr/sbin/nologin\n'
        f"m {layout.builder} {group}\n"
    )


@contextlib.contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Hold the lock on the processes of the account that builds a site. Raises `StepError`."""

    def busy(process: str) -> StepError:
        what = f"another run (process {process}) has held {layout.builder_lock} for {files.LOCK_TIMEOUT} s"
        return StepError(layout.name, "lock", what)

    with files.hold(layout.builder_lock, files.LOCK_TIMEOUT, busy):
        yield


def end_processes(layout: Layout, proc: str = "/proc") -> None:
    """Kill all processes of the account that builds a site; those that a build left behind could change its files.

    Raises `StepError` if processes remain. See `held`: another run may be building as that account.
    """
    try:
        uid = pwd.getpwnam(layout.builder).pw_uid
    except KeyError:
        return
    shared = [entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == uid and entry.pw_name != layout.builder]
    if uid == 0 or shared:
        what = f"{layout.builder} has the same uid {uid} as {', '.join(shared) or 'root'}; give it another"
        raise StepError(layout.name, "accounts", what)
    deadline = time.monotonic() + END_SECONDS
    while left := _running(uid, proc):
        if time.monotonic() > deadline:
            raise StepError(
                layout.name, "build", (f"processes of {layout.builder} cannot be killed: {left[:5]}; end them")
            )
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.002)


def exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def same(user: str, other: str) -> bool:
    """Return whether two names are one account: the kernel knows only uids, and a uid may have two names."""
    try:
        return user == other or pwd.getpwnam(user).pw_uid == pwd.getpwnam(other).pw_uid
    except KeyError:
        return False


def _is_ours(layout: Layout) -> bool:
    """Return whether a run created the account: it is noted, or has its file."""
    noted = memory.sites().get(layout.name, {})
    return noted.get("builder") == layout.builder or memory.is_marked(layout.builder_sysusers)


def _groups(user: str) -> set[str]:
    """Return the groups that have an account as a member, in addition to its own."""
    return {entry.gr_name for entry in grp.getgrall() if user in entry.gr_mem}


def _running(uid: int, proc: str) -> list[int]:
    """Return the processes with this uid among theirs, except dead ones that are not yet reaped."""
    found = []
    for entry in os.listdir(proc):
        if not entry.isdigit():
            continue
        status = files.read_or_empty(f"{proc}/{entry}/status")
        uids = re.search(r"(?m)^Uid:\s*(.*)$", status)
        dead = re.search(r"(?m)^State:\s*[ZX]", status)
        if uids and not dead and str(uid) in uids[1].split():
            found.append(int(entry))
    return found
