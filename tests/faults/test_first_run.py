"""The first run on a bare host, while something happens to it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from client import ask
from fixtures import PLATFORM, PREFIX
from host import Host
from sites import Project, site

UNPACKED = "grep -q 'status unpacked nginx' /var/log/dpkg.log"
KILL_PACKAGES = """
for one in /proc/[0-9]*; do
    case $(cat $one/comm 2>/dev/null) in apt-get | dpkg) kill -KILL ${one#/proc/} ;; esac
done
ls /var/lib/dpkg/updates
"""


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    one = Host(f"{PREFIX}-faults-bare-{PLATFORM}", f"pyweb-{PLATFORM}:bare", tmp_path_factory.mktemp("bare"))
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.mark.skipif(not PLATFORM.startswith("debian"), reason="only apt installs packages beside a build")
def test_packages_that_were_killed_beside_the_build_are_finished(bare: Host, project: Project) -> None:
    sites = [site("first", project)]
    playing = bare.begin(sites)
    deadline = time.monotonic() + 120
    while bare.run(UNPACKED).returncode:
        assert playing.process.poll() is None, playing.end().output[-2000:]
        assert time.monotonic() < deadline, "nginx was never unpacked"
        time.sleep(0.05)
    # What dpkg keeps here while it works makes apt-get refuse to, afterwards.
    assert bare.told(KILL_PACKAGES)
    run = playing.end()
    assert run.status == 0, f"{run.error}\n{bare.journal()}"
    assert ask(bare.address, "first.example", "/").status == 200
    assert bare.deploy(sites).changed == 0
