"""A host with two sites and a user of its own, and what one of these does to get at the others."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from host import Host, Run
from sites import Inventory, Project, site

# Somebody with a shell on the host, who has nothing to do with the sites.
LOCAL = "mallory"


@dataclass
class World:
    """The host and its sites: `shop` behind a unix socket, and `blog` behind a TCP socket."""

    host: Host
    project: Project
    inventory: Inventory

    def deploy(self, playbook: str = "site.yml") -> Run:
        """A run that has to succeed."""
        return self.host.deploy(self.inventory.sites, playbook)

    def play(self, inventory: Inventory, playbook: str = "site.yml", *words: str) -> Run:
        """A run from begin to end, good or bad, of an inventory that is not this world's."""
        return self.host.play(inventory.sites, playbook, *words)

    def run_as(self, user: str, script: str) -> subprocess.CompletedProcess[str]:
        """What a user of the host gets from a shell script: a site's own user does what its application could do."""
        ids = f"--reuid={user} --regid=$(id -g {user}) --init-groups"
        return self.host.run(f"setpriv {ids} sh -c {shlex.quote(script)}")


@pytest.fixture(scope="session")
def world(host: Host, project: Project) -> World:
    host.told(f"useradd --create-home --shell /bin/sh {LOCAL}")
    sites = (site("shop", project), site("blog", project, uwsgi={"socket": "127.0.0.1:8001"}))
    made = World(host, project, Inventory(sites))
    made.deploy()
    return made
