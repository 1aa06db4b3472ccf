"""When a release that went live a moment ago is taken back for what it answers to visitors."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.release import watch as watching
from ansible_collections.pyweb.stack.plugins.module_utils.release.watch import Counted, is_worse, watch


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.passed = 0.0

    def monotonic(self):
        return 1000 + self.passed

    def sleep(self, seconds):
        self.passed += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watching, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("answers", "bad", "old_share", "worse"),
    [
        (4, 4, 0.0, False),  # too few to say anything
        (5, 5, 0.0, True),
        (5, 5, 0.5, True),
        (5, 5, 0.51, False),
        (50, 5, 0.0, True),
        (51, 5, 0.0, False),  # less than ten points
        (20, 8, 0.2, True),
        (20, 7, 0.2, False),  # less than twice
        (100, 16, 0.05, True),
        (100, 14, 0.05, False),
        (0, 0, 0.0, False),
    ],
)
def test_which_answers_are_worse(answers, bad, old_share, worse):
    assert is_worse(Counted(answers, bad), old_share) is worse


@pytest.mark.parametrize(
    ("seconds", "told", "found", "passed"),
    [
        # Twenty good answers are enough, whatever else there was; so are five bad ones.
        (5, [(20, 0)], None, 0),
        (5, [(10, 0), (22, 2)], None, 0.25),
        # Unless the bad ones are too many already, if too few to say so.
        (5, [(22, 3), (23, 4), (25, 5)], (25, 5), 0.5),
        (5, [(22, 3), (40, 3)], None, 0.25),
        (5, [(2, 2), (4, 4), (6, 6)], (6, 6), 0.5),
        # The bad ones count first.
        (5, [(100, 50)], (100, 50), 0),
        (1, [(3, 0)], None, 1),
        # What came in the last moment counts.
        (1, [(0, 0), (0, 0), (0, 0), (0, 0), (5, 5)], (5, 5), 1),
    ],
)
def test_how_long_is_watched(clock, seconds, told, found, passed):
    counts = [Counted(*count) for count in told]
    assert watch(seconds, lambda: counts.pop(0) if len(counts) > 1 else counts[0], 0.0) == found
    assert clock.passed == passed
