"""Two sites on a host on which modules can be stopped or killed at any point."""

from __future__ import annotations

import breakpoints
import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from host import Host
from sites import Project
from two_sites import World, served


@pytest.fixture(scope="session")
def world(host: Host, project: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    made = served(host, project, tmp_path_factory.mktemp("faults"))
    breakpoints.install(host)
    return made
