"""Four sites under load, and their changes: one behind each kind of socket, and one whose code is used in place."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from client import Answer, Load, Verdict, ask
from host import Host, Run
from sites import Inventory, Project

STEADY_SECONDS = 6


@dataclass
class World:
    """The host, its code and its current inventory. A change edits them and runs a playbook."""

    host: Host
    project: Project
    work: Path
    inventory: Inventory
    version: int = 1
    last_steady: Verdict | None = None

    def deploy(self) -> Run:
        """Deploy code, settings and dependencies."""
        return self.host.deploy(self.inventory.sites, "deploy.yml")

    def converge(self) -> Run:
        """Run site.yml, which also configures nginx and firewalld."""
        return self.host.deploy(self.inventory.sites)

    def new_code(self) -> None:
        self.version += 1
        self.project.version(self.version)
        self.project.lie_on(self.host)

    def load(self, keep: bool = True) -> Load:
        return Load(self.host.address, self.inventory.hosts, self.work, keep)

    def steady(self) -> Verdict:
        with self.load() as load:
            time.sleep(STEADY_SECONDS)
        self.last_steady = load.verdict
        return load.verdict

    def pictures(self) -> int:
        """Return the number of uploads in the databases of all sites."""
        script = (
            "import sqlite3, sys; print(sum(sqlite3.connect(f'file:/var/lib/sites/{name}/db.sqlite3?mode=ro', uri=True)"
        )
        script += ".execute('SELECT count(*) FROM gallery_picture').fetchone()[0] for name in sys.argv[1:]))"
        return int(self.host.told(f'python3 -c "{script}" {" ".join(self.inventory.names)}'))

    def live(self, link: str) -> str:
        """Return the releases that `current` or `previous` of all sites name."""
        return self.host.told(f"readlink /opt/sites/*/{link}")

    def versions(self) -> set[str]:
        """Return the versions that the sites report."""
        return {str(json.loads(self.ask(host, "/healthz").body)["version"]) for host in self.inventory.hosts}

    def headers(self, name: str) -> set[str]:
        return {self.ask(host, "/healthz").headers.get(name, "") for host in self.inventory.hosts}

    def ask(self, host: str, path: str) -> Answer:
        return ask(self.host.address, host, path)


def code(world: World) -> bool:
    """Change the code of all sites, and return whether it is live."""
    world.new_code()
    world.deploy()
    return world.versions() == {str(world.version)}
