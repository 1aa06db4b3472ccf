# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Uploaded files: the alias, every directory on the path to a file, and whether uploads can be stored."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Fetched, Host, Site
from ..fault import ADVICE, DEGRADED, Fault, Faults
from ..judge_serving import taken
from ..questions import file_fault
from ..ways import kept_out

FAULTS = Faults(
    "media",
    {
        "media.not-readable": [],
        "media.no-location": [],
        "media.alias": [],
        "media.location-taken": [],
        "media.selinux": [],
        "media.status": [],
        "media.not-writable": ["host.read-only"],
    },
)


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    files, fetched = site.inside.get("files", {}), site.media
    root, user = files.get("media_root", ""), site.uwsgi.user
    if not fetched:
        if files:
            seen.append("the project has no media, or nothing serves them")
        return
    if site.media_obstacle:
        yield file_fault(FAULTS, Fetched(fetched.uri, obstacle=site.media_obstacle, place=fetched.place), site, host)
    elif any(found.place == fetched.place for found in site.directives.taken):
        pass  # reported below, with the location
    elif fetched.outside or (fetched.status not in (0, 200) and not kept_out(site, fetched.status)):
        fault = file_fault(FAULTS, fetched, site, host)
        # If a project has no uploaded file, it is not known whether it accepts any.
        fault.status = ADVICE if fetched.nobody_meant else fault.status
        yield fault
    yield from taken(FAULTS, site)
    if files.get("media_writable") is False:
        yield FAULTS.fault(
            "media.not-writable",
            DEGRADED,
            f"uploads fail: {user} cannot write {root}",
            f"chown {user} {root} && chmod u+wx {root}",
            [site.described.get(root, root)],
        )
    if fetched.status == 200:
        seen.append(f"GET {fetched.uri} -> 200")
    elif why := kept_out(site, fetched.status):
        seen.append(f"GET {fetched.uri} -> {fetched.status}: {why}")
    elif not site.places.media_root:
        seen.append(f"{root} does not exist yet: nothing was uploaded")
    else:
        seen.append(f"{root}: nothing was uploaded yet")
