# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The account that fetches and builds a site's code, `build-SITE`: the running site has another uid.

So the site cannot look into a process that has the deploy key, nor change a build while it is made, nor what builds
have downloaded. The account is a member of the site's group, because a build reads the site's settings and data; the
site is in no group of it.
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

# A process that is killed is gone as soon as the kernel comes to it; one that keeps making others takes longer.
END_SECONDS = 10


def of_site(site: Mapping[str, Any]) -> str:
    """Return the account that builds a completed site on this host.

    That is the site's user where the code, or a virtualenv that is there, lies in that user's hands anyway, or where
    nobody else may read it: a home, for instance. And where the site's own directories lie in one of that user, who can
    put others in their place.
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
    # A member of the site's group, and nothing else.
    try:
        reader = Identity(-1, -1, (site_gid(layout, user, site["managed_user"]),))
    except KeyError:  # it is to be made, and nothing has it yet
        reader = Identity(-1, -1)
    for path in (code, virtualenv):
        if not path.startswith("/") or not os.path.isdir(path):
            continue
        if os.stat(path).st_uid == account.pw_uid or obstacle(path, reader, READ | ENTER):
            return user
    return layout.builder


def may_exchange(uid: int, path: str) -> bool:
    """Say whether a user may put something else in the place of a path: a directory on the way to it is that user's."""
    folder = os.path.dirname(os.path.realpath(path))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    while os.stat(folder).st_uid != uid:
        if folder == "/":
            return False
        folder = os.path.dirname(folder)
    return True


def why_not(layout: Layout, user: str) -> str:
    """Say why this host cannot have the account of a site, whose user is `user`; '' where it can."""
    taken = {record["builder"] for record in memory.sites().values() if record.get("builder")}
    if any(same(user, name) for name in {*taken, layout.builder}):
        return f"user is '{user}', an account that builds: the site could change what is built; name another account"
    if exists(layout.builder) and not _is_ours(layout):
        return (
            f"this host has an account '{layout.builder}' that no run made, and builds of the site would take it over; "
            "rename it"
        )
    return ""


def ensure(layout: Layout, group: str, shell: Shell, check_mode: bool) -> list[str]:
    """Make the account, as a member of the site's group alone; return what was, or would be, made or changed."""
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
    """Give the directory of what builds download to whoever builds, for nobody else to look into.

    What is in one that belonged to somebody else, the site's user for instance, is not trusted: it is removed.
    """
    path, mode = layout.cache, 0o700
    try:
        account = pwd.getpwnam(owner)
        with nofollow.folder(path) as descriptor:
            found = os.fstat(descriptor)
        same = found.st_uid == account.pw_uid
        if same and found.st_gid == account.pw_gid and found.st_mode & 0o7777 == mode:
            return []
    except (FileNotFoundError, KeyError):  # the latter in check mode, on a host that has no such account yet
        same = True
    if not check_mode:
        account = pwd.getpwnam(owner)
        if not same:
            # First of all nobody else can put anything there any more.
            nofollow.ensure(path, mode, 0, 0)
            for name in files.names(path):
                nofollow.remove(f"{path}/{name}")
        nofollow.ensure(path, mode, account.pw_uid, account.pw_gid)
    return [path]


def forget(layout: Layout, shell: Shell, check_mode: bool) -> list[str]:
    """Remove the account and what runs as it; return what was, or would be, removed. It has no data."""
    ours = _is_ours(layout)
    changes = [layout.builder_sysusers] if os.path.lexists(layout.builder_sysusers) else []
    if not check_mode:
        files.forget(layout.builder_sysusers)
        mounts.remove(layout.view)  # of a build that was killed
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
    """Be the only run whose processes are those of the account that builds a site. Raises `StepError`."""

    def busy(process: str) -> StepError:
        what = f"another run (process {process}) has held {layout.builder_lock} for {files.LOCK_TIMEOUT} s"
        return StepError(layout.name, "lock", what)

    with files.hold(layout.builder_lock, files.LOCK_TIMEOUT, busy):
        yield


def end_processes(layout: Layout, proc: str = "/proc") -> None:
    """Kill whatever still runs as the account that builds a site; what a build left behind could change its files.

    Raises `StepError` where something is left all the same. See `held`: another run may be building as that account.
    """
    try:
        uid = pwd.getpwnam(layout.builder).pw_uid
    except KeyError:
        return
    shared = [entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == uid and entry.pw_name != layout.builder]
    if uid == 0 or shared:
        what = f"{layout.builder} has the number {uid}, as {', '.join(shared) or 'root'} has; give it another"
        raise StepError(layout.name, "accounts", what)
    deadline = time.monotonic() + END_SECONDS
    while left := _running(uid, proc):
        if time.monotonic() > deadline:
            raise StepError(layout.name, "build", f"processes of {layout.builder} do not end: {left[:5]}; end them")
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
    """Say whether two names are one account: to the kernel accounts are numbers, and a number may have two names."""
    try:
        return user == other or pwd.getpwnam(user).pw_uid == pwd.getpwnam(other).pw_uid
    except KeyError:
        return False


def _is_ours(layout: Layout) -> bool:
    """Say whether a run made the account: it is noted, or has its file."""
    noted = memory.sites().get(layout.name, {})
    return noted.get("builder") == layout.builder or memory.is_marked(layout.builder_sysusers)


def _groups(user: str) -> set[str]:
    """Return the groups that have an account as a member, beside its own."""
    return {entry.gr_name for entry in grp.getgrall() if user in entry.gr_mem}


def _running(uid: int, proc: str) -> list[int]:
    """Return the processes that have this uid among theirs, but for those that are dead and not yet waited for."""
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
