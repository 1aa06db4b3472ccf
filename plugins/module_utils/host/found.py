# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find all sites that are, or were, on a host, in any inventory: from the notes of runs and from files.

A host that version 0.1 set up has no notes; its units, accounts' files and release records are used.
"""

from __future__ import annotations

import glob
import os
import pwd
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..model import layout as layouts
from ..model.layout import Layout
from . import files, memory

NAME = r"[a-z][a-z0-9-]{0,30}"
UNIT = re.compile(
    rf"uwsgi-({NAME}?)(?:-probe)?(?:@[^.]*)?\.(?:service|socket)|"
    rf"pyweb-(?:worker|timer|tls)-({NAME})(?:@[^.]*)?\.(?:service|timer|path)"
)
ACCOUNT = re.compile(rf"site-({NAME})\.conf")


@dataclass(frozen=True)
class FoundSite:
    """A site of this host: whether its user is `managed`, and the parent directories that were `made` for it."""

    layout: Layout
    user: str
    managed: bool
    made: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.layout.name


def sites(roots: Mapping[str, str], noted: Mapping[str, Mapping[str, Any]] | None = None) -> list[FoundSite]:
    """Return all sites of this host, by name. `roots` are the inventory's `web_roots`.

    `noted` are the notes of runs, which only root can read.
    """
    noted = memory.sites() if noted is None else noted
    found = {name: _noted(name, record) for name, record in noted.items()}
    for name in {*of_units(), *_of_accounts(), *_of_folders(roots), *_of_data(roots)} - set(found):
        found[name] = _traced(name, roots)
    return [found[name] for name in sorted(found)]


def _noted(name: str, record: Mapping[str, Any]) -> FoundSite:
    return FoundSite(Layout(name, record["paths"]), record["user"], record["managed"], tuple(record.get("made", ())))


def of_units() -> Iterator[str]:
    """Return the names of the sites that have a unit of pyweb.stack; names may be repeated."""
    for path in [*glob.glob(f"{layouts.SYSTEMD}/uwsgi-*"), *glob.glob(f"{layouts.SYSTEMD}/pyweb-*")]:
        match = UNIT.fullmatch(os.path.basename(path))
        if match and memory.is_marked(path):
            yield match[1] or match[2]


def _of_accounts() -> Iterator[str]:
    for folder in (layouts.SYSUSERS, layouts.TMPFILES):
        for path in glob.glob(f"{folder}/site-*.conf"):
            match = ACCOUNT.fullmatch(os.path.basename(path))
            if match and memory.is_marked(path):
                yield match[1]


def _of_folders(roots: Mapping[str, str]) -> Iterator[str]:
    """Return the directories with a release or a build of pyweb.stack; others below the same root are ignored."""
    for root in _roots("sites", roots):
        for path in [*glob.glob(f"{root}/*/releases/*/release.json"), *glob.glob(f"{root}/*/builds/*/build.json")]:
            name = os.path.relpath(path, root).split(os.sep, maxsplit=1)[0]
            if re.fullmatch(NAME, name) and files.is_ours(path):
                yield name


def _of_data(roots: Mapping[str, str]) -> Iterator[str]:
    """Return the data directories of removed sites: their owner is an account with the site's name."""
    for root in _roots("state", roots):
        for name in files.names(root):
            if re.fullmatch(NAME, name) and os.lstat(f"{root}/{name}").st_uid == _uid(f"site-{name}"):
                yield name


def _roots(kind: str, roots: Mapping[str, str]) -> list[str]:
    """Return the default root of `kind`, and the configured one if it is another."""
    return sorted({layouts.ROOTS[kind], roots.get(kind) or layouts.ROOTS[kind]})


def _traced(name: str, roots: Mapping[str, str]) -> FoundSite:
    """Return a site without notes, as far as its files describe it."""
    plain = Layout.under(name, roots)
    unit = files.read(f"{layouts.SYSTEMD}/{plain.template_unit}")
    sysusers, tmpfiles = files.read(plain.sysusers), files.read(plain.tmpfiles)
    told = {
        "root": _first(r"(?m)^ConditionPathExists=(/.+)/current/uwsgi\.ini$", _boot_unit(plain)),
        "config": _first(r"(?m)^EnvironmentFile=-?(/.+)/%i\.env$", unit),
        "state": _first(r'(?m)^u \S+ - ".*" (/\S+) ', sysusers),
        "run": _first(rf"(?m)^d (/\S+/{re.escape(name)}) 2750 ", tmpfiles),
    }
    candidates = [os.path.dirname(told["root"]), roots.get("sites", ""), layouts.ROOTS["sites"]]
    paths = next((found for root in candidates if root and (found := _recorded(f"{root}/{name}", name))), None)
    if paths is None:
        root = told["root"] or plain.root
        inside = {key: path.replace(plain.root, root, 1) for key, path in plain.paths.items() if _below(path, plain)}
        paths = {**plain.paths, **inside, **{key: path for key, path in told.items() if path}}
    managed = _first(r"(?m)^u (\S+) ", sysusers)
    user = managed or _first(r"(?m)^User=(\S+)$", unit) or _first(r"(?m)^d \S+ 2750 (\S+) ", tmpfiles)
    own = f"site-{name}"
    return FoundSite(Layout(name, paths), user or own, bool(managed) or (not user and _uid(own) >= 0))


def _boot_unit(layout: Layout) -> str:
    return files.read(f"{layouts.SYSTEMD}/{layout.boot_unit}")


def _below(path: str, layout: Layout) -> bool:
    return path == layout.root or path.startswith(f"{layout.root}/")


def _recorded(root: str, name: str) -> dict[str, str] | None:
    """Return the paths in the records of a site's releases below `root`.

    The root may be in a home whose owner could write paths to remove into it: only records owned by root count.
    """
    for path in sorted(glob.glob(f"{root}/releases/*/release.json")):
        site = files.recorded(path).get("site", {})
        if site.get("name") == name and site.get("paths", {}).get("root") == root:
            return dict(site["paths"])
    return None


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""


def _uid(user: str) -> int:
    """Return the ID of an account, or -1."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return -1
