# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of an uninstall, or of its check mode, in the order of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Fault(Exception):
    """Why a step was not done: the cause first, then the fix."""


@dataclass
class Report:
    """`removed` and `restored` are the changes, `kept` what was kept and why, `unknown` what cannot be restored."""

    removed: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.removed or self.restored)

    def lines(self, check_mode: bool) -> list[str]:
        """Return all of it as lines for the user."""
        would = "would be " if check_mode else ""
        lines = [f"{would}removed: {text}" for text in self.removed]
        lines += [f"{would}restored: {text}" for text in self.restored]
        lines += [f"stays: {text}" for text in self.kept]
        lines += [f"cannot be restored: {text}" for text in self.unknown]
        return lines or ["nothing of pyweb.stack is on this host"]

    def answer(self, check_mode: bool) -> dict[str, Any]:
        """Return the module's result."""
        return {
            "changed": self.changed,
            "removed": self.removed,
            "restored": self.restored,
            "kept": self.kept,
            "unknown": self.unknown,
            "told": self.lines(check_mode),
        }
