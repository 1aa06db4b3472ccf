# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Static files: whether they were collected, the alias, and every directory on the path to a file."""

from __future__ import annotations

from collections.abc import Iterator

from .. import judge_visits
from ..evidence import Fetched, Host, Site
from ..fault import BROKEN, DEGRADED, Fault, Faults
from ..fixes import RELOAD, manage_by_hand, settings_file
from ..judge_assets import judge_assets
from ..judge_serving import taken
from ..questions import file_fault
from ..ways import kept_out

FAULTS = Faults(
    "static",
    {
        "static.uncollected": [],
        "static.stale": [],
        "static.manifest": [],
        "static.not-readable": [],
        "static.no-location": [],
        "static.alias": ["socket.missing"],
        "static.location-taken": [],
        "static.selinux": [],
        "static.content-type": [],
        "static.status": ["nginx", "name", "firewalld", "location.refused", "client.no-connection"],
        "static.page-file": [
            *("static.uncollected", "static.not-readable", "static.no-location", "static.alias", "static.selinux"),
            *("static.status", "nginx", "name", "location", "socket", "uwsgi", "app", "django", "database", "host"),
        ],
    },
)


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    files, fetched = site.inside.get("files", {}), site.static
    url, root = files.get("static_url", ""), files.get("static_root", "")
    if files and not files["static_used"]:
        seen.append("the project has no static files")
    elif "//" in url:
        seen.append(f"{url} is on another host")
    elif files and root and not files["sample"]:
        what = "there is nothing in" if site.places.static_root else "there is no directory"
        yield FAULTS.fault(
            "static.uncollected",
            BROKEN,
            f"static files were never collected: {what} {root}",
            f"pyweb.stack.site runs collectstatic; by hand: {manage_by_hand(site)} collectstatic --noinput",
            [f"STATIC_ROOT = {root}"],
        )
    elif not fetched:
        if files and site.chain:
            yield FAULTS.fault(
                "static.uncollected",
                DEGRADED,
                "static files were never collected: STATIC_ROOT is not set, and nginx serves none",
                "STATIC_ROOT in the settings of the project, then run pyweb.stack.deploy; by hand: set STATIC_ROOT in "
                f"{settings_file(site, 'STATIC_ROOT')}, then {manage_by_hand(site)} collectstatic --noinput",
                [f"STATIC_URL = {url}"],
            )
    elif fetched.status == 200 and _is_plain(fetched):
        yield FAULTS.fault(
            "static.content-type",
            BROKEN,
            f"nginx sends {fetched.uri} as {fetched.kind}: browsers reject style sheets and modules of that type",
            "include /etc/nginx/mime.types; in http of /etc/nginx/nginx.conf, and no `types { }` or default_type that "
            f"replaces it at {fetched.place}; then {RELOAD}",
            [f"GET {fetched.uri} -> 200, Content-Type: {fetched.kind}"],
        )
    elif fetched.status == 200:
        seen.append(f"GET {fetched.uri} -> 200{f', {fetched.file}' if fetched.file else ''}")
    elif not (fetched.obstacle or fetched.elsewhere) and (why := kept_out(site, fetched.status)):
        seen.append(f"GET {fetched.uri} -> {fetched.status}: {why}")
    elif not any(found.uri == fetched.uri or found.place == fetched.place for found in site.directives.taken):
        yield file_fault(FAULTS, fetched, site, host)
    yield from taken(FAULTS, site)
    yield from judge_visits.files(FAULTS, site)
    yield from judge_assets(FAULTS, site)


def _is_plain(fetched: Fetched) -> bool:
    """Return whether nginx serves a style sheet or a script with a wrong type."""
    kind = fetched.kind.partition(";")[0].strip().lower()
    return (
        fetched.uri.endswith((".css", ".js"))
        and bool(fetched.file)
        and not fetched.handler
        and kind in ("text/plain", "application/octet-stream", "text/html")
    )
