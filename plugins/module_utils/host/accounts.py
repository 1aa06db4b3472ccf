# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who a site is on a host: its user, its directories and their owners.

The user comes from a sysusers.d file and the directory of the sockets, which has to come back at every boot, from a
tmpfiles.d file. The lasting directories are made here: systemd-tmpfiles refuses to work below somebody's home
("unsafe path transition"), and the roots may lie there.
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
import subprocess
from typing import NamedTuple

from ..model.layout import Layout
from . import builder, files, memory, nofollow
from .shell import Shell, StepError
from .site_group import group_of, members, site_gid, site_group, strangers

NGINX_CONF = "/etc/nginx/nginx.conf"
# Of a site's user: there is none, and nobody but root can make it. In a home that the site can write, its own
# `authorized_keys` would let somebody in: sshd forwards ports for an account without a shell, too.
HOME = "/nonexistent"


class Folder(NamedTuple):
    """A directory of a site; a `lasting` one that is there already keeps its mode and owner."""

    path: str
    mode: int
    owner: str
    group: str
    lasting: bool = False


def web_group(wanted: str = "") -> str:
    """Return the group of nginx's workers: the wanted one, that of the host's nginx.conf, or the platform's.

    The platform's is nginx on EL, www-data on Debian.
    """
    if wanted:
        return wanted
    known = {entry.gr_name for entry in grp.getgrall()}
    configured = nginx_account()[1]
    return next((name for name in (configured, "nginx", "www-data") if name in known), "nginx")


def nginx_account(main: str = NGINX_CONF) -> tuple[str, str]:
    """Return the user and the group of nginx's workers as nginx.conf names them; '' for both where there is no file.

    Without the directive it is what nginx was compiled with (ngx_core_module, user).
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
    told = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stderr
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
    """Make the accounts and the directories of a site; return what was (or in check mode would be) made or changed.

    A user that is not `managed` is somebody else's and has to be there; one that another site of this host has, too,
    has to be known as `shared`. `builds` is who builds, see `builder.of_site`; without it, the site's user. Raises
    `StepError`, also for a directory that is a link of somebody else than root.
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
        what = f"{error.filename} {error.strerror}; remove it, or make the link as root"
        raise StepError(layout.name, "accounts", what) from None
    return changes


def _why_not(layout: Layout, user: str, managed: bool) -> str:
    """Say why a site cannot have this user on this host; '' where it can."""
    if not builder.exists(user):
        return "" if managed else f"user is '{user}', which this host does not have; make it or leave it out"
    if pwd.getpwnam(user).pw_uid == 0:
        return f"user is '{user}', who is root: the site's code could do anything; name another account"
    if builder.same(user, nginx_account()[0] or "www-data"):
        return f"user is '{user}', who nginx runs as: the site could read what nginx may; name another account"
    if managed and not _is_ours(layout, user):
        return (
            f"this host has an account '{user}' that no run made, and the site would take it over; rename it, or say "
            f"user: {user} if it is meant for the site"
        )
    others = strangers(layout, user)
    if not managed and others and site_group(layout, user, managed) == layout.own_group:
        return (
            f"this host has a group '{layout.own_group}' with {', '.join(others)} in it, who could read the site's "
            "secrets; take them out of it"
        )
    return ""


def _of_another_site(layout: Layout, user: str) -> str:
    """Say whose user it is on this host already, whichever inventory that site is in; '' where it is nobody's."""
    for name, noted in sorted(memory.sites().items()):
        if name != layout.name and builder.same(user, noted.get("user", "")):
            return (
                f"user is '{user}', whom the site '{name}' of this host has, too: each could read and change the "
                "other's code, data and secrets; leave user out, name another one, or say user_shared: true for both"
            )
    return ""


def _is_ours(layout: Layout, user: str) -> bool:
    """Say whether a run made the account: it is noted, or has its file, or, of an absent site of 0.1, owns the data."""
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
    """Remove what `ensure` made and return it. The data and the user that owns them go with `purge` only.

    An account that is not `managed` always stays. Where nginx may have the site still (`served`) a certificate that it
    reads stays: it would not start without.
    """
    doomed = [layout.sysusers, layout.tmpfiles, layout.run, layout.cache]
    if purge:
        doomed += [layout.state, *(_unread(layout) if served else [layout.config])]
    changes = [path for path in doomed if os.path.lexists(path)]
    if not check_mode:
        for path in doomed:
            files.remove(path)
    # First: a group that has other members would stay.
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
    """Return the text of the tmpfiles.d file: the directory of the sockets, which is gone after a boot."""
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
    if managed and builder.exists(user) and pwd.getpwnam(user).pw_dir != HOME:  # made by 0.1
        missing = [f"{user}: home {HOME}"]
        if not check_mode:
            _set_home(user, shell)
    return stale or missing


def _set_home(user: str, shell: Shell) -> None:
    """Give an account the home `HOME`. By vipw, for usermod refuses this while a process of the user runs."""
    change = f"s,^({re.escape(user)}(:[^:]*){{4}}):[^:]*:,\\1:{HOME}:,"
    # vipw takes a file for unchanged that has the time of the old one, in seconds.
    script = f'sed -E -i {shlex.quote(change)} "$1" && touch -d "+2 seconds" "$1"'
    editor = shlex.join(["sh", "-c", script, "edit"])
    shell.run("accounts", ["vipw", "--passwd", "--quiet"], environment={"EDITOR": editor, "VISUAL": editor})
    if pwd.getpwnam(user).pw_dir != HOME:
        raise StepError(shell.site, "accounts", f"/etc/passwd still has another home than {HOME} for {user}")


def _close_environments(layout: Layout, check_mode: bool) -> list[str]:
    """Close the environments of releases that 0.1 made, and name the HOME that the account had then."""
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
    # Set-group-ID where its user's processes have another group: what they store is for the site's group all the same.
    state = 0o711 if own == group_of(user) else 0o2711
    return [
        *[Folder(path, 0o755, "root", "root") for path in _code(layout)],
        # nginx passes through to the media; nobody else can list what is here.
        Folder(layout.state, state, user, own),
        Folder(layout.config, 0o750, "root", own),
        # Set-group-ID: what Django stores belongs to nginx's group, so nginx reads it and other users do not.
        Folder(layout.media, 0o2750, user, group, lasting=not layout.media.startswith(f"{layout.state}/")),
        *[Folder(path, 0o2750, user, group) for path in _protected(layout)],
    ]


def _protected(layout: Layout) -> list[str]:
    """Return the directories among the data whose files nginx sends when the application says so."""
    return [path for path in layout.paths.get("protected", "").split(":") if path.startswith(f"{layout.state}/")]


def _code(layout: Layout) -> tuple[str, ...]:
    return layout.root, layout.builds, layout.virtualenvs, layout.releases


def _missing_parents(layout: Layout) -> list[str]:
    """Return the directories above those of a site that are not there yet, such as /opt/sites."""
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
    except KeyError:  # check mode, on a host that has no such account yet
        return True
    return (found.st_mode & 0o7777, found.st_uid, found.st_gid) != wanted


def _uid(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _gid(name: str) -> int:
    return grp.getgrnam(name).gr_gid
