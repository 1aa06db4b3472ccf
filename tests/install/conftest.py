"""The archive, and one controller with one host, on which every test goes on where the one before has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bed import Bed, running
from starting_point import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from starting_point import HOSTS, lay_out


@pytest.fixture(scope="session")
def bed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A host, and a controller on which the collection is installed into an empty path; the inventory is elsewhere."""
    with running("install", HOSTS, tmp_path_factory.mktemp("bed"), archive) as made:
        lay_out(made)
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add what the host says to the report of a test that failed; its bed outlives the test."""
    report = (yield).get_result()
    bed = getattr(item, "funcargs", {}).get("bed")
    if report.failed and isinstance(bed, Bed):
        report.sections.extend(bed.evidence())
