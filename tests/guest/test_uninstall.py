"""Uninstall: what the collection brought goes, what was there before comes back, and data stay unless told."""

from __future__ import annotations

from host import Host
from sites import Project, site
from snapshot import snapshot

ALL = ("-e", "uninstall_purge=true", "-e", "uninstall_packages=true")


def test_a_bare_host_is_bare_again(host: Host, project: Project) -> None:
    before = snapshot(host)
    host.deploy([site("shop", project)])
    run = host.play([site("shop", project)], "uninstall.yml", *ALL)
    print(run.output[-6000:])
    after = snapshot(host)
    print("\n".join(before.differences(after)))
    assert run.status == 0
    assert before.differences(after) == []
