# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evaluate a release that has just gone live by its answers to real traffic."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

# This many good answers are enough.
GOOD = 20
# Fewer 5xx than this mean nothing, whatever their share is.
BAD = 5
# The share of 5xx is significantly above the old release's if it is twice as high and ten points more.
FACTOR, MARGIN = 2, 0.1
# Seconds between two samples.
PAUSE = 0.25


class Counted(NamedTuple):
    """Answers, and how many of them are bad: a 5xx, or none because a worker died."""

    answers: int
    bad: int

    @property
    def share(self) -> float:
        """Return the share of bad answers, from 0 to 1."""
        return self.bad / self.answers if self.answers else 0.0


def watch(seconds: float, count: Callable[[], Counted], old_share: float) -> Counted | None:
    """Count for `seconds`, or until enough is known; return the answers if they are worse than the old release's."""
    deadline = time.monotonic() + seconds
    while True:
        over = time.monotonic() >= deadline
        found = count()
        if is_worse(found, old_share):
            return found
        # A few bad ones may be the first of many: failing requests often take longer.
        enough = found.answers - found.bad >= GOOD and not _is_well_above(found.share, old_share)
        if over or enough:
            return None
        time.sleep(PAUSE)


def is_worse(new: Counted, old_share: float) -> bool:
    """Return whether a release answers so much worse than the old one that the old one must be restored."""
    return new.bad >= BAD and _is_well_above(new.share, old_share)


def _is_well_above(share: float, old_share: float) -> bool:
    return share >= max(FACTOR * old_share, old_share + MARGIN)
