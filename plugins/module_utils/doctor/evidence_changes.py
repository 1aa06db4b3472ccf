# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of a site and its host at some moment, and what has changed since: plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Snapshot:
    """The state of a site at `time`, in seconds since 1970.

    `units` and `nginx` are files with their digests, `certificate` is the fingerprint of the one that nginx has, `ends`
    the day of its end. `disk` says how much of a directory's file system was used then, in percent.
    """

    time: float = 0.0
    release: str = ""
    units: dict[str, str] = field(default_factory=dict)
    nginx: dict[str, str] = field(default_factory=dict)
    certificate: str = ""
    ends: str = ""
    disk: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Any) -> Snapshot | None:
        """Return a snapshot of what `data` made; None for anything else."""
        if not isinstance(stored, dict):
            return None
        found, empty = cls(), cls()
        for name in asdict(empty):
            value, kind = stored.get(name, getattr(empty, name)), type(getattr(empty, name))
            if not isinstance(value, (int, float) if kind is float else kind):
                return None
            setattr(found, name, value)
        return found

    def data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Change:
    """One change. `kind` is release, package, unit, nginx, certificate or disk."""

    kind: str
    what: str


@dataclass
class Changes:
    """What has changed since the timer last found the site ok, at `since` in seconds since 1970.

    `how` is 'ok' where it was all ok then, 'degraded' where it worked then and does not now.
    """

    since: float
    how: str
    found: list[Change] = field(default_factory=list)
