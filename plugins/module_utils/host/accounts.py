# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The accounts and directories of a site on a host: its user, its groups, its directories and their owners.

A sysusers.d file creates the user, and a tmpfiles.d file the directory of the sockets, which must be created at every
boot. The permanent directories are made here: systemd-tmpfiles refuses to work below a home ("unsafe path transition"),
and the roots may be in one.
"""

from __future__ import annotations

import glob
import grp
import os
import pwd
import re
import secrets
import shlex
import shutil
from typing import NamedTuple

from ..model.layout import Layout
from . import builder, files, memory, nofollow
from .shell import BASE_ENVIRONMENT, Shell, StepError, spawn
from .site_group import group_of, members, site_gid, site_group, strangers

NGINX_CONF = "/etc/nginx/nginx.conf"
# The home of a site's user: it does not exist, and only root can create it. In a home that the site can write, the
# site's `authorized_keys` would allow a login: sshd also forwards ports for an account without a shell.
HOME = "/nonexistent"


class Folder(NamedTuple):
    """A directory of a site; an existing `lasting` one keeps its mode and owner."""

    path: str
    mode: int
    owner: str
    group: str
    lasting: bool = False


def web_group(wanted: str = "") -> str:
    """Return the group of nginx's workers: the one that is set, that of the host's nginx.conf, or the platform's.

    The platform's group is nginx on EL, www-data on Debian.
    """
    if wanted:
        return wanted
    known = {entry.gr_name for entry in grp.getgrall()}
    configured = nginx_account()[1]
    return next((name for name in (configured, "nginx", "www-data") if name in known), "nginx")


def nginx_account(main: str = NGINX_CONF) -> tuple[str, str]:
    """Return the user and group of nginx's workers in nginx.conf; '' for both if there is no file.

    Without the directive, they are those that nginx was compiled with (ngx_core_module, user).
    """
    text = re.sub(r"(?m)(^|\s)#.*$", "", files.read_or_empty(main))
    if not text.strip():
        return "", ""
    named = re.search(r"(?:^|[\s;{}])user\s+([^\s;]+)(?:\s+([^\s;]+))?\s*;", text)
    if named:
        return str(named[1]).strip("\"'"), str(named[2] or named[1]).strip("\"'")
    return _compiled_account()


def _compiled_account() -> tuple[str, str]:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not nginx:
        return "", ""
    told = spawn([nginx, "-V"], environment=BASE_ENVIRONMENT).communicate()[1].decode("utf-8", "replace")
    given = dict(re.findall(r"--(user|group)=(\S+)", told))
    user = given.get("user", "nobody")
    return user, given.get("group") or (user if "user" in given else group_of(user))


def ensure(
    layout: Layout,
    user: str,
    managed: bool,
    group: str,
    shell: Shell,
    check_mode: bool,
    shared: bool = False,
    builds: str = "",
) -> list[str]:
    """Create the accounts and directories of a site; return what changed (or would change in check mode).

    A user that is not `managed` is not created and must exist. If another site of this host has the same user, `shared`
    must be true. `builds` is the account that builds, see `builder.of_site`; by default, the site's user. Raises
    `StepError`, also for a directory that is a link not owned by root.
    """
    own_builder = builds == layout.builder
    refused = _why_not(layout, user, managed) or builder.why_not(layout, user)
    refused = refused or ("" if shared else _of_another_site(layout, user))
    if refused:
        raise StepError(layout.name, "accounts", refused)
    if not check_mode:
        memory.note_site(layout, user, managed, _missing_parents(layout), builds if own_builder else "")
    changes = _ensure_account(layout, user, managed, group, shell, check_mode)
    changes += _close_environments(layout, check_mode)
    if own_builder:
        changes += builder.ensure(layout, site_group(layout, user, managed), shell, check_mode)
    try:
        changes += _ensure_folders(layout, user, managed, group, check_mode)
        changes += builder.ensure_cache(layout, builds or user, check_mode)
    except nofollow.Unsafe as error:
        what = f"{error.filename} {error.strerror}; remove it, or create the link as root"
        raise StepError(layout.name, "accounts", what) from None
    return changes


def _why_not(layout: Layout, user: str, managed: bool) -> str:
    """Return why a site cannot have this user on this host; '' if it can."""
    if not builder.exists(user):
        return "" if managed else f"user is '{user}', which this host does not have; create it, or remove the key"
    if pwd.getpwnam(user).pw_uid == 0:
        return f"user is '{user}', which is root: the site's code could do anything; name another account"
    if builder.same(user, nginx_account()[0] or "www-data"):
        return f"user is '{user}', which nginx runs as: the site could read what nginx can read; name another account"
    if managed and not _is_ours(layout, user):
        return (
            f"this host has an account '{user}' that no run created, and the site would take it over; rename it, or "
            "set "
            f"user: {user} if the site is to use it"
        )
    others = strangers(layout, user)
    if not managed and others and site_group(layout, user, managed) == layout.own_group:
        return (
            f"this host has a group '{layout.own_group}' with the members {', '.join(others)}, who could read the "
            "site's "
            "secrets; remove them from the group"
        )
    return ""


def _of_another_site(layout: Layout, user: str) -> str:
    """Return which other site of this host has this user, in any inventory; '' if none has."""
    for name, noted in sorted(memory.sites().items()):
        if name != layout.name and builder.same(user, noted.get("user", "")):
            return (
                f"user is '{user}', which the site '{name}' of this host has, too: each could read and change the "
                "other's code, data and secrets; remove user, name another account, or set user_shared: true for both"
            )
    return ""


def _is_ours(layout: Layout, user: str) -> bool:
    """Return whether a run created the account: it is noted, has its file, or owns data of an absent site of 0.1."""
    noted = memory.sites().get(layout.name, {})
    if os.path.lexists(layout.sysusers) or (noted.get("managed") and noted.get("user") == user):
        return True
    data = nofollow.status(layout.state)
    return data is not None and data.st_uid == pwd.getpwnam(user).pw_uid


def _ensure_folders(layout: Layout, user: str, managed: bool, group: str, check_mode: bool) -> list[str]:
    changes = []
    for folder in _folders(layout, user, managed, group):
        if _differs(folder):
            changes.append(folder.path)
            if not check_mode:
                nofollow.ensure(folder.path, folder.mode, _uid(folder.owner), _gid(folder.group))
    if not files.read(layout.secret_key).strip():
        changes.append(layout.secret_key)
        if not check_mode:
            text = secrets.token_urlsafe(50) + "\n"
            nofollow.create(layout.secret_key, text.encode(), 0o640, 0, site_gid(layout, user, managed))
    return changes


def forget(
    layout: Layout, user: str, managed: bool, purge: bool, shell: Shell, check_mode: bool, served: bool = True
) -> list[str]:
    """Remove what `ensure` created and return it. The data and their owner are removed only with `purge`.

    An account that is not `managed` is never removed. If nginx may still serve the site (`served`), the certificate
    that nginx reads is kept: without it, nginx would not start.
    """
    doomed = [layout.sysusers, layout.tmpfiles, layout.run, layout.cache]
    if purge:
        doomed += [layout.state, *(_unread(layout) if served else [layout.config])]
    changes = [path for path in doomed if os.path.lexists(path)]
    if not check_mode:
        for path in doomed:
            files.remove(path)
    # First, because a group that has other members would be kept.
    changes += builder.forget(layout, shell, check_mode)
    if purge and managed and builder.exists(user):
        changes.append(user)
        if not check_mode:
            shell.run("accounts", ["userdel", user])
    if purge and not managed and user in members(layout.own_group):
        changes.append(f"group {layout.own_group}")
        if not check_mode:
            shell.run("accounts", ["groupdel", layout.own_group])
    if purge and not check_mode and not os.path.lexists(layout.tls):
        files.forget(layout.memory)
    return changes


def _unread(layout: Layout) -> list[str]:
    """Return the site's configuration without the certificate that nginx reads."""
    if not os.path.lexists(layout.tls_live):
        return [layout.config]
    return [path for name in files.names(layout.config) if (path := f"{layout.config}/{name}") != layout.tls]


def sysusers(layout: Layout, user: str, managed: bool, group: str) -> str:
    """Return the text of the sysusers.d file: nginx's group, the user if it is `managed`, or the site's own group."""
    lines = ["# Written by pyweb.stack.", f"g {group} -"]
    if managed:
        lines.append(f'u {user} - "site {layout.name}" {HOME} /usr/sbin/nologin')
    elif site_group(layout, user, managed) == layout.own_group:
        lines += [f"g {layout.own_group} -", f"m {user} {layout.own_group}"]
    return "\n".join(lines) + "\n"


def tmpfiles(layout: Layout, user: str, group: str) -> str:
    """Return the text of the tmpfiles.d file: the directory of the sockets, which is lost at a boot."""
    return (
        "# Written by pyweb.stack. The set-group-ID bit gives every socket nginx's group.\n"
        f"d {os.path.dirname(layout.run)} 0755 root root\n"
        f"d {layout.run} 2750 {user} {group}\n"
    )


def _ensure_account(layout: Layout, user: str, managed: bool, group: str, shell: Shell, check_mode: bool) -> list[str]:
    texts = {layout.sysusers: sysusers(layout, user, managed, group), layout.tmpfiles: tmpfiles(layout, user, group)}
    stale = [path for path, text in texts.items() if files.read(path) != text]
    missing = [user] if not builder.exists(user) else [] if os.path.isdir(layout.run) else [layout.run]
    if (stale or missing) and not check_mode:
        for path, text in texts.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            files.write(path, text)
        shell.run("accounts", ["systemd-sysusers", layout.sysusers])
        shell.run("accounts", ["systemd-tmpfiles", "--create", layout.tmpfiles])
    if managed and builder.exists(user) and pwd.getpwnam(user).pw_dir != HOME:  # created by 0.1
        missing = [f"{user}: home {HOME}"]
        if not check_mode:
            _set_home(user, shell)
    return stale or missing


def _set_home(user: str, shell: Shell) -> None:
    """Set the home of an account to `HOME`. With vipw, because usermod refuses this while the user has processes."""
    change = f"s,^({re.escape(user)}(:[^:]*){{4}}):[^:]*:,\\1:{HOME}:,"
    # vipw treats a file with the time of the old one, in seconds, as unchanged.
    script = f'sed -E -i {shlex.quote(change)} "$1" && touch -d "+2 seconds" "$1"'
    editor = shlex.join(["sh", "-c", script, "edit"])
    shell.run("accounts", ["vipw", "--passwd", "--quiet"], environment={"EDITOR": editor, "VISUAL": editor})
    if pwd.getpwnam(user).pw_dir != HOME:
        raise StepError(shell.site, "accounts", f"/etc/passwd still has another home than {HOME} for {user}")


def _close_environments(layout: Layout, check_mode: bool) -> list[str]:
    """Close the environment files of releases that 0.1 made, and set the HOME that the account had then."""
    changes = []
    for path in sorted(glob.glob(layout.env("*"))):
        found, text = os.stat(path, follow_symlinks=False), files.read(path)
        if found.st_mode & 0o077 or not re.search("^HOME=", text, re.MULTILINE):
            changes.append(path)
            if not check_mode:
                named = text if re.search("^HOME=", text, re.MULTILINE) else f'HOME="{layout.state}"\n{text}'
                files.write(path, named, 0o600, 0, 0)
    return changes


def _folders(layout: Layout, user: str, managed: bool, group: str) -> list[Folder]:
    own = site_group(layout, user, managed)
    # Set-group-ID if the processes of its user have another group: their files must belong to the site's group.
    state = 0o711 if own == group_of(user) else 0o2711
    return [
        *[Folder(path, 0o755, "root", "root") for path in _code(layout)],
        # nginx passes through to the media; other users cannot list the contents.
        Folder(layout.state, state, user, own),
        Folder(layout.config, 0o750, "root", own),
        # Set-group-ID: Django's files get nginx's group, so nginx can read them and other users cannot.
        Folder(layout.media, 0o2750, user, group, lasting=not layout.media.startswith(f"{layout.state}/")),
        *[Folder(path, 0o2750, user, group) for path in _protected(layout)],
    ]


def _protected(layout: Layout) -> list[str]:
    """Return the directories among the data whose files nginx sends on request of the application."""
    return [path for path in layout.paths.get("protected", "").split(":") if path.startswith(f"{layout.state}/")]


def _code(layout: Layout) -> tuple[str, ...]:
    return layout.root, layout.builds, layout.virtualenvs, layout.releases


def _missing_parents(layout: Layout) -> list[str]:
    """Return the directories above those of a site that do not exist yet, such as /opt/sites."""
    missing = set()
    for path in (layout.root, layout.state, layout.config, layout.run, layout.cache, layout.media):
        parent = os.path.dirname(path)
        while not os.path.lexists(parent) and parent not in layout.paths.values():
            missing.add(parent)
            parent = os.path.dirname(parent)
    return sorted(missing)


def _differs(folder: Folder) -> bool:
    try:
        with nofollow.folder(folder.path) as descriptor:
            found = os.fstat(descriptor)
    except FileNotFoundError:
        return True
    if folder.lasting:
        return False
    try:
        wanted = (folder.mode, _uid(folder.owner), _gid(folder.group))
    except KeyError:  # check mode, on a host without this account
        return True
    return (found.st_mode & 0o7777, found.st_uid, found.st_gid) != wanted


def _uid(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _gid(name: str) -> int:
    return grp.getgrnam(name).gr_gid
