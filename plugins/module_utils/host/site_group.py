# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which group may read a site's code, key and data: its user's own, or one of the site where others share that."""

from __future__ import annotations

import glob
import grp
import os
import pwd

from ..model import layout as layouts
from ..model.layout import Layout, account_name


def group_of(user: str) -> str:
    """Return the name of a user's own group; sysusers gives a new user a group of the same name."""
    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        return user


def site_group(layout: Layout, user: str, managed: bool) -> str:
    """Return the group of a site. Once it has one of its own, it keeps it."""
    return layout.own_group if _has_own(layout, user, managed) else group_of(user)


def site_gid(layout: Layout, user: str, managed: bool) -> int:
    """Return the number of the group of a site. Raises KeyError for one that is to be made yet."""
    if _has_own(layout, user, managed):
        return grp.getgrnam(layout.own_group).gr_gid
    return pwd.getpwnam(user).pw_gid


def is_shared(user: str) -> bool:
    """Say whether a user's primary group is that of others, too: they could read what it may read."""
    try:
        account = pwd.getpwnam(user)
        listed = grp.getgrgid(account.pw_gid).gr_mem
    except KeyError:
        return False
    others = [entry.pw_name for entry in pwd.getpwall() if entry.pw_gid == account.pw_gid]
    return bool({*listed, *others} - {user, *_builders()})


def strangers(layout: Layout, user: str) -> list[str]:
    """Return who is in the group that a site has for itself, beside its user and who builds."""
    return sorted({*members(layout.own_group)} - {user, *_builders()})


def members(group: str) -> list[str]:
    """Return the users that a group lists; none where there is no such group."""
    try:
        return list(grp.getgrnam(group).gr_mem)
    except KeyError:
        return []


def _has_own(layout: Layout, user: str, managed: bool) -> bool:
    return not managed and (user in members(layout.own_group) or is_shared(user))


def _builders() -> set[str]:
    """Return the accounts that build sites of this host. They read what they built."""
    paths = glob.glob(f"{layouts.SYSUSERS}/build-*.conf")
    return {account_name("build", os.path.basename(path)[len("build-") : -len(".conf")]) for path in paths}
