# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who a site is on a host: its user, its directories and their owners.

The user comes from a sysusers.d file and the directory of the sockets, which has to come back at every boot, from a
tmpfiles.d file. The lasting directories are made here: systemd-tmpfiles refuses to work below somebody's home
("unsafe path transition"), and the roots may lie there.
"""

from __future__ import annotations

import grp
import os
import pwd
import secrets
from typing import Any, NamedTuple

from ..host import files
from ..host.shell import Shell, StepError

SYSUSERS = "/etc/sysusers.d"
TMPFILES = "/etc/tmpfiles.d"


class Folder(NamedTuple):
    """A directory of a site; `lasting` ones keep their mode and owner when they were there before."""

    path: str
    mode: int
    owner: str
    group: str
    lasting: bool = False


def web_group(wanted: str = "") -> str:
    """The group of nginx's workers: the wanted one, or the platform's (nginx on EL, www-data on Debian)."""
    if wanted:
        return wanted
    known = {one.gr_name for one in grp.getgrall()}
    return next((name for name in ("nginx", "www-data") if name in known), "nginx")


def ensure(site: dict[str, Any], group: str, shell: Shell, check_mode: bool) -> list[str]:
    """Make the user and the directories of a site; returns what was (or in check mode would be) made or changed."""
    changes = []
    texts = {
        f"{SYSUSERS}/site-{site['name']}.conf": _sysusers(site, group),
        f"{TMPFILES}/site-{site['name']}.conf": _tmpfiles(site, group),
    }
    stale = [path for path, text in texts.items() if files.read(path) != text]
    missing_user = not _exists(site["user"])
    if missing_user and not site["managed_user"]:
        raise StepError(
            site["name"],
            "accounts",
            f"user is '{site['user']}', which this host does not have; make it or leave it out",
        )
    run_missing = not os.path.isdir(site["paths"]["run"])
    if stale or missing_user or run_missing:
        changes += stale or [site["user"] if missing_user else site["paths"]["run"]]
        if not check_mode:
            for path, text in texts.items():
                os.makedirs(os.path.dirname(path), exist_ok=True)
                files.write(path, text)
            shell.run("accounts", ["systemd-sysusers", *[path for path in texts if path.startswith(SYSUSERS)]])
            shell.run("accounts", ["systemd-tmpfiles", "--create", f"{TMPFILES}/site-{site['name']}.conf"])
    for folder in _folders(site, group):
        if _differs(folder):
            changes.append(folder.path)
            if not check_mode:
                os.makedirs(folder.path, mode=0o755, exist_ok=True)
                os.chown(folder.path, _uid(folder.owner), _gid(folder.group))
                os.chmod(folder.path, folder.mode)
    secret = f"{site['paths']['config']}/secret_key"
    if not files.read(secret).strip():
        changes.append(secret)
        if not check_mode:
            files.write(secret, secrets.token_urlsafe(50) + "\n", 0o640, 0, pwd.getpwnam(site["user"]).pw_gid)
    return changes


def forget(site: dict[str, Any], shell: Shell, check_mode: bool) -> list[str]:
    """Remove what `ensure` made, but for the data and their owner; these go too with `purge`."""
    paths = site["paths"]
    doomed = [
        f"{SYSUSERS}/site-{site['name']}.conf",
        f"{TMPFILES}/site-{site['name']}.conf",
        paths["run"],
        paths["cache"],
    ]
    if site["purge"]:
        doomed += [paths["state"], paths["config"]]
    changes = [path for path in doomed if os.path.lexists(path)]
    if not check_mode:
        for path in doomed:
            files.remove(path)
    if site["purge"] and site["managed_user"] and _exists(site["user"]):
        changes.append(site["user"])
        if not check_mode:
            shell.run("accounts", ["userdel", site["user"]])
    return changes


def _folders(site: dict[str, Any], group: str) -> list[Folder]:
    paths, user = site["paths"], site["user"]
    own = group_of(user)
    folders = [
        *[Folder(paths[key], 0o755, "root", "root") for key in ("root", "builds", "virtualenvs", "releases")],
        # nginx passes through to the media; nobody else can list what is here.
        Folder(paths["state"], 0o711, user, own),
        Folder(paths["config"], 0o750, "root", own),
        # Passed through by the owner of an existing virtualenv, when uWSGI is compiled for it.
        Folder(paths["cache"], 0o711, user, own),
    ]
    # Set-group-ID: what Django stores belongs to nginx's group, so nginx reads it and other users do not.
    media_is_own = paths["media"].startswith(paths["state"] + "/")
    return [*folders, Folder(paths["media"], 0o2750, user, group, lasting=not media_is_own)]


def _differs(folder: Folder) -> bool:
    try:
        found = os.stat(folder.path)
    except FileNotFoundError:
        return True
    if folder.lasting:
        return False
    try:
        wanted = (folder.mode, _uid(folder.owner), _gid(folder.group))
    except KeyError:  # check mode, on a host that has no such account yet
        return True
    return (found.st_mode & 0o7777, found.st_uid, found.st_gid) != wanted


def _sysusers(site: dict[str, Any], group: str) -> str:
    lines = ["# Written by pyweb.stack.", f"g {group} -"]
    if site["managed_user"]:
        lines.append(f'u {site["user"]} - "site {site["name"]}" {site["paths"]["state"]} /usr/sbin/nologin')
    return "\n".join(lines) + "\n"


def _tmpfiles(site: dict[str, Any], group: str) -> str:
    run = site["paths"]["run"]
    return (
        "# Written by pyweb.stack. The set-group-ID bit gives every socket nginx's group.\n"
        f"d {os.path.dirname(run)} 0755 root root\n"
        f"d {run} 2750 {site['user']} {group}\n"
    )


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def group_of(user: str) -> str:
    """The name of a user's own group; sysusers gives a new user a group of the same name."""
    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        return user


def _uid(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _gid(name: str) -> int:
    return grp.getgrnam(name).gr_gid
