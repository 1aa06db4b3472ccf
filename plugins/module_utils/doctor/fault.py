# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fault, and the register in which each hop declares its own. The names are codes that do not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

OK, BROKEN, DEGRADED, UNKNOWN = "ok", "broken", "degraded", "unknown"
# An improvement that affects nobody, neither now nor at the next restart. It does not change the status.
ADVICE = "advice"


@dataclass
class Fault:
    """One thing that is wrong. `name` is 'hop.what', `follows` the hop whose fault it is a consequence of.

    `only` are those of its declared sources that it can come of here; None means all of them. Made by `Faults.fault`,
    which
    knows the names.
    """

    name: str
    status: str
    cause: str
    fix: str
    evidence: list[str] = field(default_factory=list)
    follows: str = ""
    only: tuple[str, ...] | None = None

    @property
    def hop(self) -> str:
        return self.name.partition(".")[0]


class Faults(dict[str, tuple[str, ...]]):
    """The register of one hop: each fault's name, and the faults or hops that it may be a consequence of."""

    def __init__(self, hop: str, declared: Mapping[str, Sequence[str]]) -> None:
        """Raise ValueError if a name does not begin with the name of the hop."""
        super().__init__({name: tuple(sources) for name, sources in declared.items()})
        self.hop = hop
        strangers = [name for name in self if not name.startswith(f"{hop}.")]
        if strangers:
            raise ValueError(f"faults of the hop {hop} begin with '{hop}.', found {', '.join(strangers)}")

    def fault(
        self,
        name: str,
        status: str,
        cause: str,
        fix: str,
        evidence: Sequence[str] = (),
        only: Sequence[str] | None = None,
    ) -> Fault:
        """Make a fault of this hop. Raises ValueError for a name, or a source in `only`, that is not declared."""
        if name not in self:
            raise ValueError(f"the hop {self.hop} declares no fault {name}; declared are {', '.join(self)}")
        if only is not None and not set(only) <= set(self[name]):
            raise ValueError(f"{name} declares {', '.join(self[name])} as its sources, found {', '.join(only)}")
        return Fault(name, status, cause, fix, list(evidence), only=None if only is None else tuple(only))
