"""A host with sites and users, and what one of these does to get at the others."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from host import Host, Run
from sites import Inventory, Project, site
from tries import SCRIPT, TRIES

# Somebody with a shell on the host, who has nothing to do with the sites.
LOCAL = "mallory"
# A person's home, with a site in it.
HOME = "/home/huatai"
# The directives that are loosened for `blog`.
ALLOWED = {"ReadWritePaths": "/srv/shared", "SystemCallFilter": "@chown", "ProtectHome": "read-only"}
# What `shop` runs beside its application, each the same tries.
TRIED: dict[str, Any] = {
    "workers": {"tries": {"run": f"python3 {SCRIPT} stay"}},
    "timers": {"tries": {"run": f"python3 {SCRIPT}", "at": "2035-01-01"}},
    # In the directory of the code, which is the builder's until the build is done.
    "build": [{"run": f"python3 {SCRIPT} tries.json"}, "collectstatic"],
    # Nobody expands the words of a step.
    "release": [{"run": ["python3", SCRIPT, "$HOME ${HOME} %h $$", "/var/lib/sites/shop/step.json"]}, "migrate"],
}


@dataclass
class World:
    """The host and its sites, made by one run.

    `shop` is behind a unix socket, and what it runs tries to break out; `blog` is behind a TCP socket. These two are
    the inventory of later runs. `hut` lies in a person's home, `team` is of a person whose group a teammate shares.
    """

    host: Host
    project: Project
    inventory: Inventory
    team: dict[str, Any]

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
    host.told(f"useradd --create-home --shell /bin/sh {LOCAL} && cat > {SCRIPT}", TRIES)
    host.told("mkdir -p /srv/shared && chmod 1777 /srv/shared && touch /dev/of-the-host")
    host.told("groupadd team; useradd -m -g team ann; useradd -m -g team bob")
    host.told(f"useradd --create-home --shell /bin/sh huatai && chmod 0755 {HOME}")
    host.copy(project.folder, f"{HOME}/mysite")
    # The tutorial's way: all of it is the person's, the database lies beside the code.
    host.told(f"touch {HOME}/mysite/db.sqlite3 && chown -R huatai:huatai {HOME}/mysite")
    shop = site("shop", project, **TRIED)
    blog = site("blog", project, uwsgi={"socket": "127.0.0.1:8001", "unit": ALLOWED})
    hut = site("hut", None, source={"path": f"{HOME}/mysite"}, user="huatai")
    team = site("team", project, user="ann")
    host.deploy([shop, blog, hut, team])
    return World(host, project, Inventory((shop, blog)), team)


def connects(world: World, user: str) -> bool:
    """Whether a user gets through to the TCP port."""
    script = "import socket; socket.create_connection(('127.0.0.1', 8001), 5).close()"
    return world.run_as(user, f'/usr/bin/python3 -c "{script}"').returncode == 0
