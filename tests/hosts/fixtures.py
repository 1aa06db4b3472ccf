"""Fixtures: one host for all tests of a directory, and its journal in the report of a failed test.

PYWEB_PLATFORM selects the image (debian12); PYWEB_PREFIX is the prefix of the container's name (molecule).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from host import Host
from sites import Project

PLATFORM = os.environ.get("PYWEB_PLATFORM", "debian12")
PREFIX = os.environ.get("PYWEB_PREFIX", "molecule")


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    # Named after the directory, or after the file if only that is run: parallel runs must not share a container.
    asked = Path(request.config.args[0].partition("::")[0]).stem.removeprefix("test_")
    made = Host(f"{PREFIX}-{asked}-{PLATFORM}", f"pyweb-{PLATFORM}:baked", tmp_path_factory.mktemp("host"))
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("code") / "mysite")


@pytest.fixture(scope="session", autouse=True)
def wrk() -> None:
    """Install the load generator if it is missing and the distribution has it."""
    if shutil.which("wrk"):
        return
    assert shutil.which("apt-get"), "wrk is not installed; install it (https://github.com/wg/wrk)"
    assert os.geteuid() == 0, "wrk is not installed; install it: sudo apt-get install wrk"
    install = "apt-get update -qq || true; apt-get install -y -qq --no-install-recommends wrk"
    # Only one apt can run at a time, and the platforms are tested in parallel.
    locked = ["flock", "/var/lock/pyweb-test-apt", "sh", "-c", install]
    done = subprocess.run(locked, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert shutil.which("wrk"), done.stdout + done.stderr


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the end of the journal of each of its hosts to the report of a test that failed."""
    report = (yield).get_result()
    given = getattr(item, "funcargs", {}).values()
    for host in [value for value in given if isinstance(value, Host)] if report.failed else []:
        report.sections.append((f"journal of {host.name}", host.journal()))
        errors = host.run("tail -n 20 /var/log/nginx/*.error.log").stdout
        report.sections.append((f"nginx on {host.name}", errors))
