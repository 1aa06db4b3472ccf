"""Two sites on a host, for projects and inventories that contain mistakes."""

from __future__ import annotations

import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from host import Host
from sites import Project
from two_sites import World, served


@pytest.fixture(scope="session")
def world(host: Host, project: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    return served(host, project, tmp_path_factory.mktemp("mistakes"))
