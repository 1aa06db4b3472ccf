# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove our files from nginx and restore what they replaced, in one transaction that `nginx -t` has accepted."""

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
# Where nginx reads servers; those of others need a running nginx.
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
    """Return the files that runs replaced or changed after copying them: path to copy."""
    return {path[len(layouts.KEPT) :]: path for path in memory.files_below(layouts.KEPT)}


def give_back(run: file_set.Run, before: Mapping[str, Any], original: str, report: Report, check_mode: bool) -> None:
    """Remove our files and restore what they replaced. Raises `Fault`; then nothing has changed.

    If nginx will run afterwards, it must accept the restored files; otherwise it is stopped already. `original` is a
    script that puts the packaged nginx.conf among the copies, if an earlier version made none.
    """
    doomed = ours()
    if MAIN in doomed and MAIN not in kept() and file_set.which("nginx"):
        doomed.remove(MAIN)
        _fetch_original(run, original, report, check_mode)
    copies = kept()
    leader = _default_of_others(doomed) if DEFAULT_LINK in copies else ""
    if leader:  # nginx would refuse a second one
        del copies[DEFAULT_LINK]
        report.kept.append(
            f"{DEFAULT_LINK} stays disabled, because the server in {leader} is the default of port 80 now"
        )
    # If the previous directories are known, empty ones are removed at the end.
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
            report.kept.append(f"{path}, because it was changed since; its original: {copies[path]}")
        elif change.state == "removed":
            report.removed.append(path)
        elif change.state != "unchanged":
            report.restored.append(path)


def _default_of_others(doomed: Sequence[str]) -> str:
    """Return where a server of others is the default of port 80, as the packages' own is."""
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
    """Get the packaged nginx.conf; without it, ours is kept, which serves nothing by itself."""
    if check_mode:
        report.restored.append(f"{MAIN}, from its package")
        return
    status, out, err = run(["sh", "-c", script, "original.sh"]) if script else (1, "", "no script is given to get it")
    if status:
        why = ([line for line in (err or out).splitlines() if line.strip()] or ["no answer"])[-1]
        report.unknown.append(
            f"{MAIN}: there is no copy, and its package cannot be downloaded ({why}); that of pyweb.stack is kept, "
            "without a site"
        )


def others(before: Mapping[str, Any]) -> list[str]:
    """Return the files of servers added since the first run, which need a running nginx."""
    there = {path for pattern in SERVERS for path in glob.glob(f"{memory.NGINX}/{pattern}")}
    return sorted(there - set(ours()) - set(before.get("nginx", {})) - set(kept()) - {DEFAULT_LINK})
