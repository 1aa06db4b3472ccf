"""The archive that readers install; the pages; and what the hosts say when a page fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import galaxy
import pytest


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return galaxy.build(tmp_path_factory.mktemp("archive"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add what the hosts say to the report of a page that failed."""
    report = (yield).get_result()
    if report.failed and hasattr(item, "told"):
        report.sections.extend(item.told)
