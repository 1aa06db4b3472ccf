# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host was before the collection first changed it, and what the collection brought since, for its uninstall.

`remember` is called when a run begins that will change something, `note_packages` after it installed some, `note_site`
when a site gets its directories. A host that version 0.1 set up has no record, and must get no false one.
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
# Directories that runs make where they are missing.
FOLDERS = (
    layouts.SYSUSERS,
    layouts.TMPFILES,
    NGINX_DROP_IN,
    FIREWALLD,
    "/etc/selinux",
    *(f"{NGINX}{name}" for name in ("", "/conf.d", "/default.d", "/sites-available", "/sites-enabled")),
)
# What keeps dnf's packages from enabling their units, until the next boot.
PRESETS = "/run/systemd/system-preset/*-pyweb.stack.preset"
# Directories that nginx makes and fills itself, and that rpm leaves behind.
NGINX_OWN = ("/var/lib/nginx", layouts.NGINX_LOGS)
# One of them is in the first lines of every file of ours.
MARKS = ("Written by pyweb.stack", "pyweb.stack.nginx")


def remember(run: Run, packages: Iterable[str]) -> None:
    """Note what the host is, unless something of ours is here; then it is noted already, or nobody knows any more.

    `packages` are the names of the installed packages. What a run noted that was refused before it changed anything is
    noted anew: since then the host has been its owner's alone.
    """
    packages = sorted(packages)
    if files.read_json(_seen_path()).get("unfinished"):  # a run that failed left apt-get working
        note_packages(packages)
    _write(_seen_path(), {"packages": packages, **accounts()}, durable=False)
    if not is_unknown():
        _note_begin()
        return
    left = files.read_json(layouts.LEFT)
    _write(layouts.BEFORE, _state(run, packages, left))
    files.forget(layouts.LEFT)


def is_unknown() -> bool:
    """Return whether the host is as its owner made it, and nothing that was noted counts: nothing of ours is on it."""
    return not anything_of_ours() and not (os.path.exists(layouts.BEFORE) and _has_begun())


def _has_begun() -> bool:
    """Return whether a run changed anything since it noted what the host was."""
    noted = any(os.path.exists(path) for path in (layouts.BROUGHT, layouts.KEPT))
    return noted or bool(before().get("begun") or sites() or held_units.begun() or glob.glob(PRESETS))


def _note_begin() -> None:
    """Note that runs have changed the host, for when all that is ours has gone again with the last site."""
    known = before()
    if known and not known.get("begun"):
        _write(layouts.BEFORE, {**known, "begun": True})


def before() -> dict[str, Any]:
    """Return what was noted before the first run; {} where nothing was."""
    return files.read_json(layouts.BEFORE)


def note_packages(packages: Iterable[str], begun: Iterable[str] = ()) -> None:
    """Note the packages that came since the run began, and the accounts that they made.

    `packages` are those that are installed now, `begun` those that are being installed in the background.
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
    """Return the packages that our runs installed, what they need included; or the users or groups that they made."""
    names: list[str] = files.read_json(layouts.BROUGHT).get(kind, [])
    return names


def accounts() -> dict[str, list[str]]:
    """Return the names of this host's users and groups."""
    return {
        "users": sorted(entry.pw_name for entry in pwd.getpwall()),
        "groups": sorted(entry.gr_name for entry in grp.getgrall()),
    }


def leave_packages(names: Iterable[str]) -> None:
    """Note which packages of ours an uninstall left; without any their accounts are not ours any more."""
    if list(names):
        _write(layouts.BROUGHT, {**files.read_json(layouts.BROUGHT), "packages": sorted(names)})
    else:
        files.forget(layouts.BROUGHT)


def leave(known: Mapping[str, Any]) -> None:
    """Note what an uninstall has to know that comes later for the rest. `known` is what this one knew."""
    content = {key: known[key] for key in ("packages", "folders", "users", "groups") if key in known}
    if content != files.read_json(layouts.LEFT):
        _write(layouts.LEFT, content)


def note_site(layout: layouts.Layout, user: str, managed: bool, made: Sequence[str], builder: str = "") -> None:
    """Note where a site lies, whose it is, and which directories above its own are `made` for it.

    `builder` is the account that is made for its builds; one that was noted stays noted.
    """
    _note_begin()
    known = files.read_json(layout.memory)
    own = {os.path.dirname(path) for path in layout.paths.values()}
    # Whichever site is the last one to go takes along what was made for the first.
    shared = {path for other in sites().values() for path in other.get("made", []) if path in own}
    parents = sorted({*known.get("made", []), *made, *shared})
    record = {"name": layout.name, "paths": dict(layout.paths), "user": user, "managed": managed, "made": parents}
    if noted := builder or known.get("builder"):
        record["builder"] = noted
    if record != known:
        _write(layout.memory, record)


def forget_builder(layout: layouts.Layout) -> None:
    """Note that the account for a site's builds is gone."""
    known = files.read_json(layout.memory)
    if known.pop("builder", ""):
        _write(layout.memory, known)


def sites() -> dict[str, dict[str, Any]]:
    """Return what `note_site` noted, name to record."""
    found = {}
    for path in sorted(glob.glob(f"{layouts.SITES}/*.json")):
        record = files.read_json(path)
        if record.get("paths"):
            found[os.path.basename(path)[: -len(".json")]] = record
    return found


def anything_of_ours() -> bool:
    """Return whether a run has been here: units, accounts, nginx's files, openings or SELinux's module of ours."""
    patterns = [f"{layouts.SYSUSERS}/site-*.conf", f"{layouts.SYSTEMD}/uwsgi-*"]
    patterns += [f"{NGINX}/{name}" for name in ("nginx.conf", "pyweb_uwsgi_params", "conf.d/pyweb_http.conf")]
    return (
        any(is_marked(path) for pattern in patterns for path in glob.glob(pattern))
        or bool(glob.glob(f"{layouts.FIREWALLD_RECORDS}/*.json"))
        or os.path.exists(SELINUX_MODULE)
    )


def is_marked(path: str) -> bool:
    """Return whether a file says in its first lines that it is ours. What is no regular file is not."""
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    head = files.head(path)
    return any(mark in head for mark in MARKS)


def _seen_path() -> str:
    """Return where the packages are noted that a run found. It is gone after a boot, as the run is."""
    return f"{layouts.LOCKS}/packages.json"


def _state(run: Run, packages: Sequence[str], left: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of the host as it is. `left` is what an earlier uninstall left, which is ours to take away."""
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
            # Their texts, because firewalld writes its files anew.
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
    """Return what systemd says of each of SERVICES: {active, enabled}, '' for one that is not installed."""
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
    """Return the files and links below a directory whose names end so; links are not followed."""
    found = []
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(f"{parent}/{name}")]
        found += [f"{parent}/{name}" for name in [*names, *links] if name.endswith(suffixes or ("",))]
    return sorted(path for path in found if os.path.islink(path) or os.path.isfile(path))


def _write(path: str, content: Mapping[str, Any], durable: bool = True) -> None:
    """Write a record for root alone; what need not last a boot is not written to the disk at once."""
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
