"""A host that somebody else uses too: bare when a test begins, so that everything on it is the test's or the run's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from fixtures import PLATFORM, PREFIX
from host import Host


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """A container without any package of ours; in place of the one that all tests of a directory share."""
    module = Path(str(request.node.path)).stem.removeprefix("test_")
    made = Host(f"{PREFIX}-guest-{module}-{PLATFORM}", f"pyweb-{PLATFORM}:bare", tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.remove()
