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
    yield from started(request, tmp_path, "bare")


@pytest.fixture
def baked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """A container on which the packages are installed already."""
    yield from started(request, tmp_path, "baked")


def started(request: pytest.FixtureRequest, work: Path, flavour: str) -> Iterator[Host]:
    """A host of its own for one test."""
    module = Path(str(request.node.path)).stem.removeprefix("test_")
    made = Host(f"{PREFIX}-guest-{module}-{PLATFORM}", f"pyweb-{PLATFORM}:{flavour}", work)
    try:
        made.start()
        yield made
    finally:
        made.remove()
