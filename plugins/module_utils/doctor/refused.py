# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the sandbox of a unit refused what a log reports, and what allows it."""

from __future__ import annotations

from collections.abc import Mapping

from ..host import refusals
from ..uwsgi import tracebacks
from .evidence import Site

# The values of ProtectSystem= that leave no way to write outside of ReadWritePaths=, or outside of the system.
_STRICT = ("strict", "full")


def by_sandbox(log: str, unit: Mapping[str, str], database: str = "") -> refusals.Refusal | None:
    """Return what a unit's sandbox refused last; None where it refused nothing, or the unit has none.

    `unit` is what systemd says of it, `database` the site's SQLite file, where it has one.
    """
    if unit.get("ProtectSystem") not in _STRICT:
        return None
    found = refusals.failed_step(log)
    if not found:
        found = refusals.refusal(tracebacks.last(log) or log, database)
    if found and found.directive == "ProtectHome" and unit.get("ProtectHome") != "yes":
        return None
    return found


def database_of(site: Site) -> str:
    """Return the SQLite file that the site's user may write, outside of its sandbox; '' where it has none."""
    found = site.inside.get("database", {})
    return str(found.get("file", "")) if found.get("folder_writable") else ""


def allowing(site: Site, refusal: refusals.Refusal, unit: str, key: str = "uwsgi") -> str:
    """Return what allows it: the entry of the inventory, or the directive of a unit that was written by hand."""
    if not refusal.value:
        return f"correct {refusal.directive} in web_sites[].{key}.unit; journalctl -u {unit} shows what systemd refuses"
    if site.managed:
        return f"web_sites[].{key}.unit: {{{refusal.line}}}, if the site should be allowed to do that"
    return f"{refusal.directive}={refusal.value} in the [Service] of {unit}, if it should be allowed to do that"
