"""The host and the code that all tests here change, converged."""

from __future__ import annotations

import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from host import Host
from sites import Project, all_kinds
from world import World


@pytest.fixture(scope="module")
def world(host: Host, project: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(host, project, tmp_path_factory.mktemp("load"), all_kinds(project))
    made.new_code()
    made.converge()
    return made
