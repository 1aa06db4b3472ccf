"""A host with sites and users, one of which attacks the others."""

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

# A local user with a shell, unrelated to the sites.
LOCAL = "mallory"
# The home directory of a person, with a site in it.
HOME = "/home/huatai"
# The sandbox directives that are relaxed for `blog`.
ALLOWED = {"ReadWritePaths": "/srv/shared", "SystemCallFilter": "@chown", "ProtectHome": "read-only"}
# What `shop` runs in addition to its application; each makes the same attempts.
TRIED: dict[str, Any] = {
    "workers": {"tries": {"run": f"python3 {SCRIPT} stay"}},
    "timers": {"tries": {"run": f"python3 {SCRIPT}", "at": "2035-01-01"}},
    # In the directory of the code, which belongs to the build account until the build is complete.
    "build": [{"run": f"python3 {SCRIPT} tries.json"}, "collectstatic"],
    # The words of a step must not be expanded.
    "release": [{"run": ["python3", SCRIPT, "$HOME ${HOME} %h $$", "/var/lib/sites/shop/step.json"]}, "migrate"],
}


@dataclass
class World:
    """The host and its sites, deployed by one run.

    `shop` is behind a unix socket, and its code tries to break out; `blog` is behind a TCP socket. These two are in the
    inventory of later runs. `hut` is in a home directory; `team` runs as a person whose group has another member.
    """

    host: Host
    project: Project
    inventory: Inventory
    team: dict[str, Any]

    def deploy(self, playbook: str = "site.yml") -> Run:
        """Run a playbook that must succeed."""
        return self.host.deploy(self.inventory.sites, playbook)

    def play(self, inventory: Inventory, playbook: str = "site.yml", *words: str) -> Run:
        """Run a playbook with another inventory, and return its result, which may be a failure."""
        return self.host.play(inventory.sites, playbook, *words)

    def run_as(self, user: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script as a user of the host. A site's user can do what its application can."""
        ids = f"--reuid={user} --regid=$(id -g {user}) --init-groups"
        return self.host.run(f"setpriv {ids} sh -c {shlex.quote(script)}")


@pytest.fixture(scope="session")
def world(host: Host, project: Project) -> World:
    host.told(f"useradd --create-home --shell /bin/sh {LOCAL} && cat > {SCRIPT}", TRIES)
    host.told("mkdir -p /srv/shared && chmod 1777 /srv/shared && touch /dev/of-the-host")
    host.told("groupadd team; useradd -m -g team ann; useradd -m -g team bob")
    host.told(f"useradd --create-home --shell /bin/sh huatai && chmod 0755 {HOME}")
    host.copy(project.folder, f"{HOME}/mysite")
    # As in the tutorial: all files belong to the person, and the database is in the directory of the code.
    host.told(f"touch {HOME}/mysite/db.sqlite3 && chown -R huatai:huatai {HOME}/mysite")
    shop = site("shop", project, **TRIED)
    blog = site("blog", project, uwsgi={"socket": "127.0.0.1:8001", "unit": ALLOWED})
    hut = site("hut", None, source={"path": f"{HOME}/mysite"}, user="huatai")
    team = site("team", project, user="ann")
    host.deploy([shop, blog, hut, team])
    return World(host, project, Inventory((shop, blog)), team)


def connects(world: World, user: str) -> bool:
    """Return whether a user can connect to the TCP port."""
    script = "import socket; socket.create_connection(('127.0.0.1', 8001), 5).close()"
    return world.run_as(user, f'/usr/bin/python3 -c "{script}"').returncode == 0
