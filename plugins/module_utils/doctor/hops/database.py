# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the database answers, can be written, and has all migrations."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from ..evidence import Host, Site
from ..fault import BROKEN, DEGRADED, Fault, Faults
from ..questions import any_failure

FAULTS = Faults(
    "database",
    {"database.missing": [], "database.unreachable": [], "database.not-writable": [], "database.migrations": []},
)
_SETTING = "web_sites[].database; by hand: DATABASES in the settings"


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    found, failed = site.inside.get("database", {}), site.inside.get("failed database", {})
    what = found.get("file") or f"{found.get('vendor', '')} at {found.get('address', '')}"
    if failed and found.get("exists") is False:
        yield _missing(site, what, failed["error"])
    elif failed:
        cause, fix = f"the database is unreachable: {what}", f"start the database or correct its address: {_SETTING}"
        yield FAULTS.fault("database.unreachable", BROKEN, cause, fix, [failed["error"]])
    elif site.inside_timed_out and site.inside_last == "database" and _waited_long(site):
        cause = f"the database is unreachable: no answer from {what} within {site.patience.look:g} s"
        fix = f"start it or correct its address: {_SETTING}"
        yield FAULTS.fault("database.unreachable", BROKEN, cause, fix, [cause])
    if found.get("exists") and (found.get("file_writable") is False or found.get("folder_writable") is False):
        path = what if found.get("file_writable") is False else posixpath.dirname(what)
        yield FAULTS.fault(
            "database.not-writable",
            BROKEN,
            f"the database file is not writable: {site.uwsgi.user} may not write {path}",
            f"chown {site.uwsgi.user} {path} && chmod u+w {path}",
            [site.described.get(path, path)],
        )
    yield from _migrations(site)
    if "migrations" in site.inside:
        seen.append(f"{what}: answers, all migrations are applied")


def _missing(site: Site, file: str, error: str) -> Fault:
    """Judge a file that is not there: where it could be made, no migration was ever applied, and not all pages care."""
    if not site.inside["database"].get("folder_writable"):
        cause, fix = f"there is no database file {file}", f"{_SETTING}; then manage migrate"
        return FAULTS.fault("database.missing", BROKEN, cause, fix, [error])
    status = BROKEN if any_failure(site) else DEGRADED
    cause = f"there is no database yet: {file} is made when migrations are applied"
    return FAULTS.fault("database.missing", status, cause, f"{_manage(site)} migrate", [error])


def _migrations(site: Site) -> Iterator[Fault]:
    unapplied = site.inside.get("migrations", {}).get("unapplied", [])
    if not unapplied:
        return
    many = len(unapplied) > 1
    yield FAULTS.fault(
        "database.migrations",
        BROKEN if any_failure(site) else DEGRADED,
        f"{len(unapplied)} migration{'s are' if many else ' is'} not applied: {unapplied[0]}"
        + (" and more" if many else ""),
        f"{_manage(site)} migrate (playbooks/site.yml does it on every release)",
        [", ".join(unapplied[:6])],
    )


def _manage(site: Site) -> str:
    return site.layout.manage if site.managed else "python manage.py"


def _waited_long(site: Site) -> bool:
    """Say whether it was the database that took the time, and not all before it, as on an overloaded machine."""
    found = site.inside.get("database", {})
    return bool(found.get("address")) and site.patience.look - float(found.get("after", 0)) > site.patience.look / 2
