# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases with another path than the live one (`prefix`). nginx is changed only after the switch."""

from __future__ import annotations

from ..host.shell import StepError
from ..model import prefixes
from ..model.types import Record
from .release import Release


def moves(release: Release, live: Record) -> bool:
    """Return whether a release has another path than that in the record `live`."""
    return "site" in live and prefixes.start(live["site"]) != prefixes.start(release.site)


def refuse_other_prefix(release: Release, live: Record) -> None:
    """Refuse a rollback to a release whose links lead to a path that nginx does not serve. Raises `StepError`."""
    if moves(release, live):
        raise StepError(
            release.name,
            "rollback",
            f"release {release.id} is served at {prefixes.start(release.site)}, and nginx has the site at "
            f"{prefixes.start(live['site'])}; change prefix in the inventory and run pyweb.stack.site",
        )
