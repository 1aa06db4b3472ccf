# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of a host before the first run, and what runs installed since, for uninstall.

`remember` is called when a run begins that will change something, `note_packages` after it installed packages,
`note_site` when a site gets its directories. A host that version 0.1 set up has no record, and must not get a wrong
one.
"""

from __future__ import annotations

import glob
import grp
import hashlib
import json
import os
import pwd
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..model import layout as layouts
from . import files, firewalld_state, held_units, zone_files

# Executes an argument list; returns (status, output, errors). A module's `run_command` is one.
Run = Callable[[Sequence[str]], tuple[int, str, str]]

SERVICES = ("nginx", "firewalld")
NGINX = "/etc/nginx"
FIREWALLD = "/etc/firewalld"
SELINUX_MODULE = "/etc/selinux/pyweb_stack.cil"
NGINX_DROP_IN = "/etc/systemd/system/nginx.service.d"
# Directories that runs create if they are missing.
FOLDERS = (
    layouts.SYSUSERS,
    layouts.TMPFILES,
    NGINX_DROP_IN,
    FIREWALLD,
    "/etc/selinux",
    *(f"{NGINX}{name}" for name in ("", "/conf.d", "/default.d", "/sites-available", "/sites-enabled")),
)
# The file that keeps dnf's packages from enabling their units, until the next boot.
PRESETS = "/run/systemd/system-preset/*-pyweb.stack.preset"
# Directories that nginx creates and fills itself, and that rpm leaves behind.
NGINX_OWN = ("/var/lib/nginx", layouts.NGINX_LOGS)
# The first lines of every file of pyweb.stack contain one of these.
MARKS = ("Written by pyweb.stack", "pyweb.stack.nginx")


def remember(run: Run, packages: Iterable[str]) -> None:
    """Record the state of the host, unless pyweb.stack is on it: then the state is recorded already, or unknown.

    `packages` are the names of the installed packages. If an earlier run recorded the state but was refused before it
    changed anything, the state is recorded again, because the owner may have changed the host since.
    """
    packages = sorted(packages)
    if files.read_json(_seen_path()).get("unfinished"):  # a failed run left apt-get working
        note_packages(packages)
    _write(_seen_path(), {"packages": packages, **accounts()}, durable=False)
    if not is_unknown():
        _note_begin()
        return
    left = files.read_json(layouts.LEFT)
    _write(layouts.BEFORE, _state(run, packages, left))
    files.forget(layouts.LEFT)


def is_unknown() -> bool:
    """Return whether the host has nothing of pyweb.stack, and no valid record exists."""
    return not anything_of_ours() and not (os.path.exists(layouts.BEFORE) and _has_begun())


def _has_begun() -> bool:
    """Return whether a run has changed anything since it recorded the state of the host."""
    noted = any(os.path.exists(path) for path in (layouts.BROUGHT, layouts.KEPT))
    return noted or bool(before().get("begun") or sites() or held_units.begun() or glob.glob(PRESETS))


def _note_begin() -> None:
    """Note that runs have changed the host, for the time after the last site and all its files are removed."""
    known = before()
    if known and not known.get("begun"):
        _write(layouts.BEFORE, {**known, "begun": True})


def before() -> dict[str, Any]:
    """Return the state recorded before the first run; {} if none was."""
    return files.read_json(layouts.BEFORE)


def note_packages(packages: Iterable[str], begun: Iterable[str] = ()) -> None:
    """Record the packages installed since the run began, and the accounts that they created.

    `packages` are the installed packages, `begun` those whose installation continues in the background.
    """
    seen = files.read_json(_seen_path())
    if not seen:
        return
    now = {"packages": sorted({*packages, *begun}), **accounts()}
    known = {kind: brought(kind) for kind in now}
    ours = {kind: sorted({*known[kind], *(set(names) - set(seen.get(kind, names)))}) for kind, names in now.items()}
    if ours != known:
        _write(layouts.BROUGHT, ours)
    _write(_seen_path(), {**now, "unfinished": bool(begun)}, durable=False)


def brought(kind: str = "packages") -> list[str]:
    """Return the packages that runs installed, with their dependencies; or the users or groups that they created."""
    names: list[str] = files.read_json(layouts.BROUGHT).get(kind, [])
    return names


def accounts() -> dict[str, list[str]]:
    """Return the names of this host's users and groups."""
    return {
        "users": sorted(entry.pw_name for entry in pwd.getpwall()),
        "groups": sorted(entry.gr_name for entry in grp.getgrall()),
    }


def leave_packages(names: Iterable[str]) -> None:
    """Record which of our packages an uninstall left; without packages, their accounts are no longer ours."""
    if list(names):
        _write(layouts.BROUGHT, {**files.read_json(layouts.BROUGHT), "packages": sorted(names)})
    else:
        files.forget(layouts.BROUGHT)


def leave(known: Mapping[str, Any]) -> None:
    """Record what a later uninstall of the rest must know. `known` is what this one knew."""
    content = {key: known[key] for key in ("packages", "folders", "users", "groups") if key in known}
    if content != files.read_json(layouts.LEFT):
        _write(layouts.LEFT, content)


def note_site(layout: layouts.Layout, user: str, managed: bool, made: Sequence[str], builder: str = "") -> None:
    """Record the paths of a site, its user, and the parent directories that are `made` for it.

    `builder` is the account created for its builds; one that is recorded already is kept.
    """
    _note_begin()
    known = files.read_json(layout.memory)
    own = {os.path.dirname(path) for path in layout.paths.values()}
    # Whichever site is removed last removes what was created for the first.
    shared = {path for other in sites().values() for path in other.get("made", []) if path in own}
    parents = sorted({*known.get("made", []), *made, *shared})
    record = {"name": layout.name, "paths": dict(layout.paths), "user": user, "managed": managed, "made": parents}
    if noted := builder or known.get("builder"):
        record["builder"] = noted
    if record != known:
        _write(layout.memory, record)


def forget_builder(layout: layouts.Layout) -> None:
    """Record that the account for a site's builds is removed."""
    known = files.read_json(layout.memory)
    if known.pop("builder", ""):
        _write(layout.memory, known)


def sites() -> dict[str, dict[str, Any]]:
    """Return the records of `note_site`, name to record."""
    found = {}
    for path in sorted(glob.glob(f"{layouts.SITES}/*.json")):
        record = files.read_json(path)
        if record.get("paths"):
            found[os.path.basename(path)[: -len(".json")]] = record
    return found


def anything_of_ours() -> bool:
    """Return whether a run was here: units, accounts, nginx's files, firewall openings or the SELinux module exist."""
    patterns = [f"{layouts.SYSUSERS}/site-*.conf", f"{layouts.SYSTEMD}/uwsgi-*"]
    patterns += [f"{NGINX}/{name}" for name in ("nginx.conf", "pyweb_uwsgi_params", "conf.d/pyweb_http.conf")]
    return (
        any(is_marked(path) for pattern in patterns for path in glob.glob(pattern))
        or bool(glob.glob(f"{layouts.FIREWALLD_RECORDS}/*.json"))
        or os.path.exists(SELINUX_MODULE)
    )


def is_marked(path: str) -> bool:
    """Return whether the first lines of a file contain the mark of pyweb.stack. Only regular files can."""
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    head = files.head(path)
    return any(mark in head for mark in MARKS)


def _seen_path() -> str:
    """Return the path of the list of packages that a run found. It is removed at a boot, as the run is."""
    return f"{layouts.LOCKS}/packages.json"


def _state(run: Run, packages: Sequence[str], left: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of the host's current state. `left` is what an earlier uninstall left, which is still ours."""
    noted = sites().values()
    ours = [record["user"] for record in noted if record.get("managed")]
    ours += [record["builder"] for record in noted if record.get("builder")]
    known = accounts()
    return {
        "packages": [name for name in packages if name not in brought()],
        "services": services(run),
        "firewalld": {
            "configured": os.path.exists(FIREWALLD),
            "default_zone": firewalld_state.default_zone(),
            "zones": zone_files.zones(zone_files.OWN, zone_files.PACKAGED),
            # With their texts, because firewalld rewrites its files.
            "files": {path: files.read_or_empty(path) for path in files_below(FIREWALLD, ".xml", ".conf", ".old")},
        },
        "nginx": {path: fingerprint(path) for path in files_below(NGINX)},
        "users": [name for name in known["users"] if name not in [*ours, *brought("users")]],
        "groups": [name for name in known["groups"] if name not in [*ours, *brought("groups")]],
        "folders": [
            path for path in (*FOLDERS, *NGINX_OWN) if os.path.isdir(path) and path in left.get("folders", [path])
        ],
    }


def services(run: Run) -> dict[str, dict[str, str]]:
    """Return systemd's state of each of SERVICES: {active, enabled}, '' for one that is not installed."""
    argv = ["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *(f"{name}.service" for name in SERVICES)]
    found = {}
    for block in run(argv)[1].strip().split("\n\n"):
        values = dict(re.findall(r"(?m)^(\w+)=(.*)$", block))
        name = values.get("Id", "").removesuffix(".service")
        if name in SERVICES:
            found[name] = {"active": values.get("ActiveState", ""), "enabled": values.get("UnitFileState", "")}
    return found


def fingerprint(path: str) -> str:
    """Return the SHA-256 of a file, or the target of a link as 'link TARGET'."""
    if os.path.islink(path):
        return f"link {os.readlink(path)}"
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def files_below(folder: str, *suffixes: str) -> list[str]:
    """Return the files and links below a directory whose names have this suffix; links are not followed."""
    found = []
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(f"{parent}/{name}")]
        found += [f"{parent}/{name}" for name in [*names, *links] if name.endswith(suffixes or ("",))]
    return sorted(path for path in found if os.path.islink(path) or os.path.isfile(path))


def _write(path: str, content: Mapping[str, Any], durable: bool = True) -> None:
    """Write a record that only root can read; one that may be lost at a boot is not synced to the disk."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if durable:
        files.write(path, text, 0o600)
        return
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.rename(temporary, path)
