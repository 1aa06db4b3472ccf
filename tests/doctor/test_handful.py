"""A handful of the long table, on the host of the tutorial: what `make test` asks of it."""

from __future__ import annotations

import more
import pytest
from conftest import on_a_line
from long_table import GROUPS, judge, made


def made_on_by_hand(by_hand, case):
    return made(by_hand, GROUPS["by_hand"], case)


@pytest.mark.parametrize("case", more.handful(), ids=lambda case: case.title)
@on_a_line(made_on_by_hand)
def test_case_of_the_long_table(by_hand_line, case):
    judge(GROUPS["by_hand"], case, *by_hand_line)
