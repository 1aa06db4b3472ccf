# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at what a site has on disk: static files and media as nginx would find them, nginx's error log, room."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from typing import Any

from ..host import answers, path_walk, processes
from ..nginx import match
from ..nginx.dump import Directive
from ..nginx.refusing import refusing
from ..uwsgi import protocol
from . import ask
from .client import get
from .evidence import Fetched, Host, Site
from .look_host import RECENT
from .look_uwsgi import loads_as

# Less than a MiB is no room: SQLite's journal, an upload, a line in a log do not fit.
FREE_MIN = 1 << 20
# So many files, and directories, of the uploads.
LOOKED_AT = 2000


def look_at_files(site: Site, main: match.Server | None, host: Host) -> None:
    """Fetch a static file, and walk to the media, as nginx would."""
    files = site.inside.get("files", {})
    static_root, media_root = files.get("static_root", ""), files.get("media_root", "")
    site.places.static_root = os.path.isdir(static_root)
    site.places.media_root = os.path.isdir(media_root)
    site.described[media_root] = path_walk.described(media_root)
    if not main:
        return
    url = files.get("static_url") or "/static/"
    if files.get("static_used", True) and "//" not in url:
        prefix = f"/{url.strip('/')}/"
        served = os.path.dirname(match.file_of(match.locate(main, f"{prefix}x"), f"{prefix}x"))
        sample = files.get("sample") or _sample(site, served)
        if sample:
            site.static = _fetch(site, main, host, prefix, static_root, sample)
    media_url = files.get("media_url", "")
    if media_root and media_url.strip("/") and "//" not in media_url and site.media_wanted:
        sample = _sample(site, media_root)
        prefix = f"/{media_url.strip('/')}/"
        site.media = _fetch(site, main, host, prefix, media_root, sample or "x", ask_client=bool(sample))
        if site.places.media_root:
            site.media_obstacle = path_walk.obstacle(media_root, host.nginx.worker, path_walk.ENTER)
            for path in _seen(site, media_root):
                site.media_obstacle = site.media_obstacle or path_walk.obstacle(path, host.nginx.worker)


def look_at_events(site: Site, host: Host) -> None:
    """Read recent lines of nginx's error log about this site, since uWSGI and nginx run as they do now."""
    config = host.nginx.config
    if not config or not site.chain:
        return
    log = match.inherited(site.chain, "error_log")
    path = log.args[0] if log else config.value("error_log", "/var/log/nginx/error.log")
    started = [process.started for process in [*host.nginx.workers[-1:], site.uwsgi.master] if process]
    since = max([host.now - RECENT, *started])
    names = {name for entrance in site.entrances for server in entrance.wanted for name in server.names}
    site.nginx_events = events(ask.tail(path), names, since)


def events(log: str, names: set[str], since: float) -> list[str]:
    """Return the lines of an error log about servers of these names, without those of the doctor's own requests."""
    found = []
    for line in log.splitlines():
        when = re.match(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?:error|crit|warn)\] ", line)
        server = re.search(r", server: ([^,]*),", line)
        if when and server and server[1] in names and "pyweb-doctor" not in line:
            with contextlib.suppress(ValueError):
                # The log has whole seconds.
                if time.mktime(time.strptime(when[1], "%Y/%m/%d %H:%M:%S")) + 1 >= since:
                    found.append(line)
    return found


def look_at_disks(site: Site) -> None:
    """Find the file systems that the site writes to and that have no room left."""
    database = site.inside.get("database", {}).get("file", "")
    places = [
        os.path.dirname(database),
        site.inside.get("files", {}).get("media_root", ""),
        site.layout.state,
        site.uwsgi.options.last("chdir"),
        os.path.dirname(site.layout.access_log) if site.managed else "",
        "/var/log",
        "/tmp",  # noqa: S108 - its free space is looked at, nothing is put there
        "/run",
        "/",
    ]
    seen = set()
    for place in places:
        with contextlib.suppress(OSError):
            info = os.statvfs(place)
            device = os.stat(place).st_dev
            free = info.f_bavail * info.f_frsize
            if device not in seen and info.f_blocks and (free < FREE_MIN or (info.f_files and not info.f_favail)):
                what = f"{free >> 10} KiB of {info.f_blocks * info.f_frsize >> 20} MiB free"
                site.full.append(f"{place}: {what}, {info.f_favail} of {info.f_files} inodes free")
            seen.add(device)


def some_files(folder: str, most: int = 50) -> list[str]:
    """Return the newest of the first files below a folder: what was uploaded last is what people look at.

    Links are left out: where they lead is another question.
    """
    found: list[tuple[float, str]] = []
    for number, (root, folders, files) in enumerate(os.walk(folder)):
        folders.sort()
        for name in files[:LOOKED_AT]:
            if not name.startswith("."):
                with contextlib.suppress(OSError):
                    status = os.lstat(f"{root}/{name}")
                    found += [(status.st_mtime, f"{root}/{name}")] if stat.S_ISREG(status.st_mode) else []
        if len(found) > LOOKED_AT or number > LOOKED_AT:
            break
    return [path for _when, path in sorted(found, reverse=True)[:most]]


def _fetch(
    site: Site, main: match.Server, host: Host, prefix: str, root: str, name: str, ask_client: bool = True
) -> Fetched:
    """Find the file that nginx takes for `prefix` + `name`, and what a client gets for it."""
    uri = f"{prefix}{name}"
    chain = match.locate(main, uri)
    handler = match.handler(chain)
    found = Fetched(uri, file=match.file_of(chain, uri), handler=str(handler) if handler else "", url=prefix)
    found.place, found.folder = chain[-1].place, root
    refused = refusing(chain)
    found.refused = f"`{refused}` in {refused.place}" if refused else ""
    found.wanted = os.path.join(root, name) if root else ""
    real = os.path.realpath(found.file)
    found.elsewhere = bool(root) and real != os.path.realpath(found.wanted)
    found.outside = bool(found.file) and not _below(real, os.path.realpath(root))
    found.nobody_meant = not ask_client and _is_general(chain[-1])
    found.link = _foreign_link(found.file.removesuffix(name), name)
    if found.file and os.path.lexists(os.path.dirname(found.file)):
        found.obstacle = path_walk.obstacle(found.file, host.nginx.worker)
    entrances = [entrance for entrance in site.entrances if entrance.server and entrance.server.place == main.place]
    # What is served over https may be redirected there from http.
    entrances = sorted(entrances or site.entrances, key=lambda entrance: not entrance.tls)
    for entrance in entrances[: 1 if ask_client else 0]:
        try:
            answer = get(entrance, uri, site.patience.ping / 2)
            found.status, found.kind = answer.status, answer.headers.get("content-type", "")[:100]
        except protocol.ProtocolError as error:
            found.failure = error.cause
    return found


def _is_general(block: Directive) -> bool:
    """Return whether a block is a server, or a location of all that no other one takes."""
    return block.name != "location" or block.args[-1:] == ["/"] or "".join(block.args[-1:]).startswith("@")


def _foreign_link(folder: str, name: str) -> str:
    """Return the first link of `name`, below a folder, that nginx follows only where links of all owners are."""
    path = folder.rstrip("/")
    for part in name.split("/"):
        path = f"{path}/{part}"
        with contextlib.suppress(OSError):
            if os.path.islink(path) and os.lstat(path).st_uid != os.stat(path).st_uid:
                return path
    return ""


def _below(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _sample(site: Site, folder: str) -> str:
    """Return a file below a folder, relative to it; '' where there is none."""
    paths = _seen(site, folder)
    return os.path.relpath(paths[0], folder) if paths else ""


def _seen(site: Site, folder: str) -> list[str]:
    """Return `some_files` as the site's user sees them, in bounded time.

    The application says itself where its media are. It would otherwise hear, in a request of the doctor for one of
    them, what root alone sees there.
    """
    who, _why_not = loads_as(site.uwsgi)
    said: Any = processes.run_as(who, lambda: some_files(folder)) if who else None
    return list(said) if answers.fits(said, [str]) else []
