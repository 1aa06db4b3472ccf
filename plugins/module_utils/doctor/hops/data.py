# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The innermost hops: database, static files, media. Each looks at the evidence and names its faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ...doctor.fault import BROKEN, DEGRADED, Fault, any_500, selinux
from ...doctor.look_host import Host
from ...doctor.look_site import Fetched, Site
from ...host import path_walk


def judge_database(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    found, failed = site.inside.get("database", {}), site.inside.get("failed database", {})
    what = found.get("file") or f"{found.get('vendor', '')} at {found.get('address', '')}"
    mend = "web_sites[].database; by hand: DATABASES in the settings"
    if failed:
        missing = found.get("exists") is False
        yield Fault(
            "database.missing" if missing else "database.unreachable",
            BROKEN,
            f"there is no database file {what}" if missing else f"the database is unreachable: {what}",
            f"{mend}; then manage migrate" if missing else f"start the database or correct its address: {mend}",
            [failed["error"]],
        )
    elif site.inside_timed_out and site.inside_last == "database" and _waited_long(found, site):
        cause = f"the database is unreachable: no answer from {what} within {site.patience.look:g} s"
        yield Fault("database.unreachable", BROKEN, cause, f"start it or correct its address: {mend}", [cause])
    user = site.uwsgi.user
    if found.get("exists") and (found.get("file_writable") is False or found.get("folder_writable") is False):
        which = what if found.get("file_writable") is False else os.path.dirname(what)
        yield Fault(
            "database.not-writable",
            BROKEN,
            f"the database file is not writable: {user} may not write {which}",
            f"chown {user} {which} && chmod u+w {which}",
            [path_walk.described(which)],
        )
    unapplied = site.inside.get("migrations", {}).get("unapplied", [])
    if unapplied:
        manage = f"/opt/sites/{site.name}/manage migrate" if site.managed else "python manage.py migrate"
        yield Fault(
            "database.migrations",
            BROKEN if any_500(site) else DEGRADED,
            f"{len(unapplied)} migration{'s are' if len(unapplied) > 1 else ' is'} not applied: {unapplied[0]}"
            + (" and more" if len(unapplied) > 1 else ""),
            f"{manage} (playbooks/site.yml does it on every release)",
            [", ".join(unapplied[:6])],
        )
    if "migrations" in site.inside:
        seen.append(f"{what}: answers, all migrations are applied")


def judge_static(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    files, fetched = site.inside.get("files", {}), site.static
    if files and not files["static_used"]:
        seen.append("the project has no static files")
        return
    url, root = files.get("static_url", ""), files.get("static_root", "")
    if "//" in url:
        seen.append(f"{url} is another host's business")
        return
    if files and root and not files["sample"]:
        what = "there is no directory" if not os.path.isdir(root) else "nothing is in"
        yield Fault(
            "static.uncollected",
            BROKEN,
            f"static files were never collected: {what} {root}",
            "playbooks/site.yml; by hand: python manage.py collectstatic",
            [f"STATIC_ROOT = {root}"],
        )
        return
    if not fetched:
        if files and site.chain:
            yield Fault(
                "static.uncollected",
                DEGRADED,
                "static files were never collected: STATIC_ROOT is not set, and nginx has no files for them",
                "STATIC_ROOT in the settings, then python manage.py collectstatic",
                [f"STATIC_URL = {url}"],
            )
        return
    if fetched.status == 200:
        seen.append(f"GET {fetched.uri} -> 200{f', {fetched.file}' if fetched.file else ''}")
        return
    wanted = os.path.join(root, files.get("sample", "")) if root else ""
    yield _file_fault("static", fetched, wanted, host)


def judge_media(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    files, fetched = site.inside.get("files", {}), site.media
    root, user = files.get("media_root", ""), site.uwsgi.user
    if not fetched:
        if files:
            seen.append("the project has no media, or nobody serves them")
        return
    if site.media_obstacle:
        yield _file_fault("media", Fetched(fetched.uri, obstacle=site.media_obstacle, place=fetched.place), "", host)
    elif fetched.status not in (0, 200) or (fetched.file and _differs(fetched.file, root)):
        name = fetched.uri.split("/", 2)[2] if fetched.uri.count("/") > 1 else ""
        yield _file_fault("media", fetched, os.path.join(root, name), host)
    if files.get("media_writable") is False:
        yield Fault(
            "media.not-writable",
            DEGRADED,
            f"uploads fail: {user} may not write {root}",
            f"chown {user} {root} && chmod u+wx {root}",
            [path_walk.described(root)],
        )
    if fetched.status == 200:
        seen.append(f"GET {fetched.uri} -> 200")
    elif not os.path.isdir(root):
        seen.append(f"{root} is not there yet: nothing was uploaded")
    else:
        seen.append(f"{root}: nothing was uploaded yet")


def _file_fault(hop: str, fetched: Fetched, wanted: str, host: Host) -> Fault:
    """Why a file that is there is not what a client gets."""
    says = f"GET {fetched.uri} -> {fetched.status or fetched.failure or 'not asked'}"
    status = BROKEN if hop == "static" else DEGRADED
    denial = next((one for one in host.denials if one.get("tclass") in ("file", "dir", "lnk_file")), None)
    if fetched.obstacle and fetched.obstacle.kind == "denied":
        place = fetched.obstacle.path
        return Fault(
            f"{hop}.not-readable",
            status,
            f"{hop} files are not readable: {host.nginx.worker.name} may not use {place} ({fetched.obstacle.mode:04o})",
            fetched.obstacle.mend,
            [says, fetched.obstacle.evidence],
        )
    if fetched.handler and "_pass" in fetched.handler:
        folder = os.path.dirname(wanted[: -len(fetched.uri.split("/", 2)[-1])]) if wanted else "STATIC_ROOT"
        return Fault(
            f"{hop}.no-location",
            status,
            f"nginx has no location for {hop} files: it hands {fetched.uri} to the application, which has none",
            f"location /{fetched.uri.split('/')[1]}/ {{ alias {folder}/; }}",
            [says, f"{fetched.handler} in {fetched.place}"],
        )
    if wanted and _differs(fetched.file, wanted, exact=True):
        return Fault(
            f"{hop}.alias",
            status,
            f"the alias of {hop} files is wrong: nginx looks for {fetched.file}, the file is {wanted}",
            f"web_sites[].nginx.{hop}; by hand: correct the alias in {fetched.place}",
            [says, f"in {fetched.place}"],
        )
    if denial:
        return selinux(denial, status, hop)
    return Fault(
        f"{hop}.status", status, f"{hop} files are not served", f"look at {fetched.place}", [says, fetched.file]
    )


def _waited_long(found: dict[str, Any], site: Site) -> bool:
    """Whether it was the database that took the time, and not all before it, as on a machine that is overloaded."""
    return bool(found.get("address")) and site.patience.look - float(found.get("after", 0)) > site.patience.look / 2


def _differs(file: str, root: str, exact: bool = False) -> bool:
    left, right = os.path.realpath(file), os.path.realpath(root)
    return left != right if exact else not f"{left}/".startswith(f"{right.rstrip('/')}/")
