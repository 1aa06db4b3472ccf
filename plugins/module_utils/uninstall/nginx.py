# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give nginx back: our files go, what they replaced comes back, in one transaction that `nginx -t` has accepted."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..host import file_set, memory
from ..host import kept as kept_files
from ..host.file_change import FileSetError, Wanted, look
from ..model import layout as layouts
from ..nginx import dump, match
from ..nginx.names import DEFAULT_LINK, MAIN, MARK
from . import services
from .report import Fault, Report

DROP_IN = f"{memory.NGINX_DROP_IN}/pyweb.conf"
# Where nginx looks for servers; what somebody else put there needs a running nginx.
SERVERS = ("conf.d/*.conf", "sites-enabled/*", "default.d/*.conf")


def ours() -> list[str]:
    """Return our files, and the links to them, below /etc/nginx; and the drop-in of its unit."""
    found = {path for path in memory.files_below(memory.NGINX) if memory.is_marked(path)}
    links = [path for path in memory.files_below(memory.NGINX) if os.path.islink(path)]
    found.update(path for path in links if os.path.realpath(path) in found)
    if memory.is_marked(DROP_IN):
        found.add(DROP_IN)
    return sorted(found)


def kept() -> dict[str, str]:
    """Return what runs replaced or changed and kept a copy of: path to copy."""
    return {path[len(layouts.KEPT) :]: path for path in memory.files_below(layouts.KEPT)}


def give_back(run: file_set.Run, before: Mapping[str, Any], original: str, report: Report, check_mode: bool) -> None:
    """Remove our files and put back what they replaced. Raises `Fault`; then nothing has changed.

    An nginx that runs on has to accept what comes; one that goes off has stopped by now. `original` is a script that
    puts the packaged nginx.conf among the copies, where an earlier version kept none.
    """
    doomed = ours()
    if MAIN in doomed and MAIN not in kept() and file_set.which("nginx"):
        doomed.remove(MAIN)
        _fetch_original(run, original, report, check_mode)
    copies = kept()
    leader = _default_of_others(doomed) if DEFAULT_LINK in copies else ""
    if leader:  # nginx would refuse a second one
        del copies[DEFAULT_LINK]
        report.kept.append(f"{DEFAULT_LINK} stays off, because the server in {leader} is the default of port 80 now")
    # Where it is known which directories were there, the empty ones go at the end.
    wanted = [Wanted(path, "kept", marked=MARK) for path in copies]
    wanted += [Wanted(path, "absent", prune=path == DROP_IN and not before) for path in doomed if path not in copies]
    if not wanted:
        return
    stays = not before or services.was_active(before, "nginx") or bool(others(before))
    active = stays and services.is_active(run, "nginx")
    request = file_set.Request(
        name="nginx",
        files=wanted,
        check=["nginx", "-t"] if active and file_set.which("nginx") else (),
        private=["/run", layouts.NGINX_LOGS],
        apply=[["systemctl", "daemon-reload"], *([["systemctl", "reload", "nginx.service"]] if active else [])],
    )
    try:
        outcome = file_set.install(request, run, check_mode, layouts.LOCKS, layouts.MEMORY)
    except FileSetError as error:
        raise Fault(f"nginx: {error}") from error
    if leader and not check_mode:
        kept_files.forget(DEFAULT_LINK, layouts.MEMORY)
    for change in outcome.changes:
        path = change.wanted.path
        if change.wanted.kind == "kept" and change.after != look(copies[path]) and path in kept():
            report.kept.append(f"{path}, because somebody changed it since; as it was before: {copies[path]}")
        elif change.state == "removed":
            report.removed.append(path)
        elif change.state != "unchanged":
            report.restored.append(path)


def _default_of_others(doomed: Sequence[str]) -> str:
    """Return where a server of somebody else is now explicitly the default of port 80, as the packages' own does."""
    try:
        servers = match.servers(dump.read_files(MAIN))
    except dump.DumpError:
        return ""
    for server in servers:
        of_others = server.chain[-1].file not in (*doomed, DEFAULT_LINK)
        if of_others and any(listen.default and listen.port == 80 for listen in server.listens):
            return server.place
    return ""


def _fetch_original(run: file_set.Run, script: str, report: Report, check_mode: bool) -> None:
    """Get the packaged nginx.conf; without it ours stays, which serves nothing by itself."""
    if check_mode:
        report.restored.append(f"{MAIN}, from its package")
        return
    status, out, err = run(["sh", "-c", script, "original.sh"]) if script else (1, "", "nobody said how to get it")
    if status:
        why = ([line for line in (err or out).splitlines() if line.strip()] or ["no answer"])[-1]
        report.unknown.append(
            f"{MAIN}: no copy was kept and its package cannot be had ({why}); ours stays, without a site"
        )


def others(before: Mapping[str, Any]) -> list[str]:
    """Return the files of servers that somebody put there since the first run, and so need a running nginx."""
    there = {path for pattern in SERVERS for path in glob.glob(f"{memory.NGINX}/{pattern}")}
    return sorted(there - set(ours()) - set(before.get("nginx", {})) - set(kept()) - {DEFAULT_LINK})
