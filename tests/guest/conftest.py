"""A host that others use too. It is bare when a test begins, so everything on it was made by the test or the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from fixtures import PLATFORM, PREFIX
from host import Host


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """Start a container without the packages of the stack. It replaces the host that all tests of a directory share."""
    yield from started(request, tmp_path, "bare")


@pytest.fixture
def baked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """Start a container on which the packages are already installed."""
    yield from started(request, tmp_path, "baked")


def started(request: pytest.FixtureRequest, work: Path, flavour: str) -> Iterator[Host]:
    """Start a host for one test."""
    module = Path(str(request.node.path)).stem.removeprefix("test_")
    made = Host(f"{PREFIX}-guest-{module}-{PLATFORM}", f"pyweb-{PLATFORM}:{flavour}", work)
    try:
        made.start()
        yield made
    finally:
        made.remove()
