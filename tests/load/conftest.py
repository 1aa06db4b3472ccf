"""The host and the code that all tests here change."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from typing import TextIO

import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from host import Host
from sites import Project, all_kinds
from world import World


@pytest.fixture(scope="session")
def others() -> Iterator[TextIO | None]:
    """Return the lock that the steps of `make test` share, or None if other steps may run at the same time."""
    path = os.environ.get("PYWEB_ALONE")
    if not path:
        yield None
        return
    with open(path, "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield lock


@pytest.fixture(scope="module")
def world(others: TextIO | None, host: Host, project: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(host, project, tmp_path_factory.mktemp("load"), all_kinds(project))
    made.new_code()
    made.converge()
    if others:
        fcntl.flock(others, fcntl.LOCK_EX)  # waits until no other step runs; held until the process ends
        os.sync()  # write the changes of other steps to the disk now, not while the first change is measured
    return made
