# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the databases answer, accept the site, can be written to, and have all migrations and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..evidence import Host, Site
from ..fault import BROKEN, DEGRADED, Fault, Faults
from ..fixes import manage, setting
from ..judge_database import locked, named, not_writable, refused, tables
from ..questions import any_failure

FAULTS = Faults(
    "database",
    {
        "database.missing": [],
        "database.unreachable": [],
        "database.password": [],
        "database.connections": [],
        "database.unknown": [],
        "database.refused": [],
        "database.unusable": [],
        "database.corrupt": [],
        "database.locked": [],
        "database.not-writable": ["host.read-only"],
        "database.migrations": [],
        "database.tables": [],
        "database.unmade": [],
    },
)
_KEY = "web_sites[].database"


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    steps = {key: step for key, step in site.inside.items() if key == "database" or key.startswith("database ")}
    for key, found in steps.items():
        yield from _one(
            site, host, found, site.inside.get(f"failed {key}", {}), key.replace("database", "migrations", 1)
        )
    # An alias whose settings could not be read has only its failure.
    for key, failed in site.inside.items():
        alone = key.startswith("failed database") and key[len("failed ") :] not in steps and "alias" in failed
        fault = refused(FAULTS, site, {"alias": failed["alias"]}, failed) if alone else None
        yield from [fault] if fault else []
    yield from _migrations(site)
    yield from tables(FAULTS, site)
    found = site.inside.get("database", {})
    if found.get("vendor") == "none":
        seen.append("the project has no database")
    elif "migrations" in site.inside:
        seen.append(f"{named(found)}: answers, all migrations are applied")


def _one(
    site: Site, host: Host, found: Mapping[str, Any], failed: Mapping[str, Any], migrations: str
) -> Iterator[Fault]:
    if failed and found.get("exists") is False and not found.get("blocked"):
        yield _missing(site, named(found), failed["error"], found)
    elif failed and not found.get("blocked"):
        if fault := refused(FAULTS, site, found, failed):
            yield fault
    elif site.inside_timed_out and not failed and migrations not in site.inside and _waited_long(site, found):
        cause = f"the database is unreachable: no answer from {named(found)} within {site.patience.look:g} s"
        fix = f"start it or correct its address: {setting(site, 'DATABASES', _KEY)}"
        yield FAULTS.fault("database.unreachable", BROKEN, cause, fix, [cause])
    yield from locked(FAULTS, site, found, failed)
    yield from not_writable(FAULTS, site, found)


def _missing(site: Site, file: str, error: str, found: Mapping[str, Any]) -> Fault:
    """Judge a missing file: no migration was ever applied, but not all pages need the database."""
    status = BROKEN if any_failure(site) else DEGRADED
    if found.get("folder_writable"):
        cause = f"there is no database yet: {file} is created when migrations are applied"
        return FAULTS.fault("database.missing", status, cause, f"{manage(site)} migrate", [error])
    where = setting(site, "DATABASES", _KEY)
    if found.get("folder_writable") is None:
        cause, fix = (
            f"the database file {file} does not exist, and neither does its directory",
            f"{where}; then {manage(site)} migrate",
        )
        return FAULTS.fault("database.missing", BROKEN, cause, fix, [error])
    user = site.uwsgi.user
    cause = f"there is no database yet: migrations are not applied, and {user} cannot create {file}"
    fix = f"allow {user} to write to its directory (or {where}), then {manage(site)} migrate as {user}"
    return FAULTS.fault("database.missing", status, cause, fix, [error])


def _migrations(site: Site) -> Iterator[Fault]:
    unapplied = site.inside.get("migrations", {}).get("unapplied", [])
    failed = site.inside.get("failed migrations", {})
    if failed:
        cause = f"the migrations of the project cannot be read, and migrate fails: {failed['error'][:250]}"
        fix = f"{manage(site)} showmigrations shows where; correct that migration"
        yield FAULTS.fault("database.migrations", DEGRADED, cause, fix, [failed["error"][:300]])
    if not unapplied:
        return
    many = len(unapplied) > 1
    never = site.inside["migrations"].get("none_applied")
    yield FAULTS.fault(
        "database.migrations",
        BROKEN if any_failure(site) else DEGRADED,
        f"{len(unapplied)} migration{'s are' if many else ' is'} not applied: {unapplied[0]}"
        + (" and more" if many else "")
        + ("; the database is empty" if never else ""),
        f"{manage(site)} migrate" + (" (pyweb.stack.site does this for every release)" if site.managed else ""),
        [", ".join(unapplied[:6])],
    )


def _waited_long(site: Site, found: Mapping[str, Any]) -> bool:
    """Return whether the database took the time, and not everything before it, as on an overloaded machine."""
    return bool(found.get("address")) and site.patience.look - float(found.get("after", 0)) > site.patience.look / 2
