# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give nginx back: our files go, what they replaced comes back, in one transaction that `nginx -t` has accepted."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Mapping
from typing import Any

from ..host import file_set, files, memory
from ..host.file_change import FileSetError, Wanted, look
from ..host.shell import StepError
from ..model import layout as layouts
from . import services
from .report import Report

DROP_IN = f"{memory.NGINX_DROP_IN}/pyweb.conf"
# Where nginx looks for servers; what somebody else put there needs a running nginx.
SERVERS = ("conf.d/*.conf", "sites-enabled/*", "default.d/*.conf")
# What the packages of the distributions put there themselves.
PACKAGED = (f"{memory.NGINX}/sites-enabled/default",)


def ours() -> list[str]:
    """Return our files, and the links to them, below /etc/nginx; and the drop-in of its unit."""
    found = {path for path in _files() if memory.is_marked(path)}
    links = [path for path in _files() if os.path.islink(path)]
    found.update(path for path in links if os.path.realpath(path) in found)
    if memory.is_marked(DROP_IN):
        found.add(DROP_IN)
    return sorted(found)


def kept() -> dict[str, str]:
    """Return what runs replaced or changed and kept a copy of: path to copy."""
    copies = glob.glob(f"{glob.escape(layouts.KEPT)}/**/*", recursive=True)
    copies += glob.glob(f"{glob.escape(layouts.KEPT)}/**/.*", recursive=True)
    files_alone = [path for path in copies if os.path.islink(path) or os.path.isfile(path)]
    return {path[len(layouts.KEPT) :]: path for path in sorted(set(files_alone))}


def give_back(run: file_set.Run, before: Mapping[str, Any], report: Report, check_mode: bool) -> None:
    """Remove our files and put back what they replaced. Raises `StepError`; then nothing has changed.

    An nginx that runs on has to accept what comes; one that goes off has stopped by now.
    """
    wanted = {path: Wanted(path, "absent") for path in ours()}
    for path, copy in kept().items():
        wanted[path] = _restored(path, copy)
    if not wanted:
        return
    stays = not before or services.was_active(before, "nginx") or bool(others(before))
    active = stays and services.is_active(run, "nginx")
    request = file_set.Request(
        name="nginx",
        files=list(wanted.values()),
        check=["nginx", "-t"] if active and file_set.which("nginx") else (),
        private=["/run", layouts.NGINX_LOGS],
        apply=[["systemctl", "daemon-reload"], *([["systemctl", "reload", "nginx.service"]] if active else [])],
    )
    try:
        outcome = file_set.install(request, run, check_mode)
    except FileSetError as error:
        raise StepError("nginx", "uninstall", str(error), error.output) from error
    for change in outcome.changes:
        if change.state == "removed":
            report.removed.append(change.wanted.path)
        elif change.state != "unchanged":
            report.restored.append(change.wanted.path)
    if not check_mode:
        files.remove(layouts.KEPT)


def others(before: Mapping[str, Any]) -> list[str]:
    """Return the files of servers that somebody put there since the first run, and so need a running nginx."""
    there = {path for pattern in SERVERS for path in glob.glob(f"{memory.NGINX}/{pattern}")}
    return sorted(there - set(ours()) - set(before.get("nginx", {})) - set(kept()) - set(PACKAGED))


def _files() -> list[str]:
    return memory.files_below(memory.NGINX)


def _restored(path: str, copy: str) -> Wanted:
    found = look(copy)
    if found.kind == "link":
        return Wanted(path, "link", target=found.target)
    return Wanted(
        path,
        content=found.content,
        mode=stat.S_IMODE(found.mode),
        owner=str(found.uid),
        group=str(found.gid),
    )
