"""The first run on a bare host, when the installation of packages is killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from client import ask
from fixtures import PLATFORM, PREFIX
from host import Host
from platforms import PLATFORMS
from sites import Project, site

# nginx's package runs this program to ask whether nginx may start, while dpkg waits for it. It saves the list of the
# files that dpkg has there while it works; apt-get refuses to work as long as they exist.
KILLER = """#!/bin/sh
[ -e /var/tmp/killed ] && exit 0
ls /var/lib/dpkg/updates > /var/tmp/killed
for process in /proc/[0-9]*; do
    case $(cat $process/comm 2>/dev/null) in apt-get | dpkg) kill -KILL ${process#/proc/} ;; esac
done
exit 0
"""


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(f"{PREFIX}-faults-bare-{PLATFORM}", f"pyweb-{PLATFORM}:bare", tmp_path_factory.mktemp("bare"))
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.mark.skipif(PLATFORMS[PLATFORM].pkg_mgr != "apt", reason="only apt installs packages beside a build")
def test_a_package_installation_that_was_killed_during_the_build_is_completed(bare: Host, project: Project) -> None:
    bare.told("cat > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d", KILLER)
    sites = [site("first", project)]
    run = bare.play(sites)
    assert bare.told("cat /var/tmp/killed")
    assert run.status == 0, f"{run.error}\n{bare.journal()}"
    assert ask(bare.address, "first.example", "/").status == 200
    assert bare.deploy(sites).changed == 0
