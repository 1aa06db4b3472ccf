"""A host with one site behind a unix socket and one behind TCP ports, and the checks that must pass after any fault."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client import Answer, Prober, ask
from host import Host
from sites import Inventory, Project, site

# Most tests run DEPLOY, which builds and releases. WHOLE also configures nginx and firewalld.
DEPLOY, WHOLE = "deploy.yml", "site.yml"


@dataclass
class World:
    """The host, its code, and one site of each kind. A test uses one of them."""

    host: Host
    project: Project
    work: Path
    sites: dict[str, Inventory]
    number: int = 1

    def ask(self, name: str, path: str = "/", timeout: float = 15) -> Answer:
        return ask(self.host.address, f"{name}.example", path, timeout)

    def prober(self, name: str) -> Prober:
        return Prober(self.host.address, f"{name}.example", "/healthz", 0.1)

    def version(self, name: str) -> str:
        return str(json.loads(self.ask(name, "/healthz").body)["version"])

    def current(self, name: str) -> str:
        return self.host.told(f"readlink /opt/sites/{name}/current")

    def next(self) -> int:
        self.number += 1
        return self.number

    def new_code(self) -> str:
        """Change the code, and return the version that the site has once this is deployed."""
        self.project.version(self.next())
        return str(self.number)

    def assert_whole(self, name: str) -> None:
        """Check that the live release is complete: its page, the files that the page links, and nginx's files."""
        page = self.ask(name)
        assert page.status == 200, page
        for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.body):
            assert self.ask(name, path).status == 200, path
        for _request in range(5):
            assert self.ask(name, "/healthz").status == 200
        self.host.told(
            f"cd /opt/sites/{name}/current && test -s release.json && test -s uwsgi.ini && test -s static/../build.json"
            " && nginx -t -q"
        )

    def wanted(self, *names: str) -> list[dict[str, Any]]:
        """Return the entries of these sites in the inventory."""
        return [wanted for name in names for wanted in self.sites[name].sites]

    def assert_repaired(self, *names: str, playbook: str = DEPLOY) -> None:
        """Check that a run repairs the sites and leaves no remains of the fault."""
        self.host.deploy(self.wanted(*names), playbook)
        for name in names:
            self.assert_whole(name)
            self.assert_tidy(name)

    def assert_tidy(self, name: str) -> None:
        left = self.host.told(
            f"cd /opt/sites/{name}; ls -d .[a-z]* releases/.* 2>/dev/null | grep -v '/[.]*$';"
            " for build in builds/*/; do test -s $build/build.json || echo unfinished: $build; done;"
            f" find /etc/nginx /etc/systemd/system /etc/sites -name '*pyweb*~' -o -name '.pyweb-*';"
            # The old release may still be serving a request while it is being stopped.
            f" systemctl list-units --plain --no-legend 'uwsgi-{name}*@*.service' | grep -v ' deactivating '"
            ' | grep -v "$(basename $(readlink current))" || true'
        )
        assert left == "", f"left over:\n{left}"

    def assert_settled(self, *names: str, playbook: str = DEPLOY) -> None:
        """Check that a run repairs the sites, and that the next run changes nothing."""
        self.assert_repaired(*names, playbook=playbook)
        again = self.host.deploy(self.wanted(*names), playbook)
        assert again.changed == 0, again.changes


def served(host: Host, project: Project, work: Path) -> World:
    """Return the world once both sites are served on the host."""
    sites = {
        "unix": Inventory((site("unix", project),)),
        "tcp": Inventory((site("tcp", project, uwsgi={"socket": ["127.0.0.1:8001", "127.0.0.1:8002"]}),)),
    }
    world = World(host, project, work, sites)
    world.new_code()
    host.deploy(world.wanted("unix", "tcp"))
    return world


def master(world: World, site: str) -> str:
    return f"systemctl show --property=MainPID --value uwsgi-{site}@{world.current(site).split('/')[1]}.service"
