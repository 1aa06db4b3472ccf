"""A host that was set up with version 0.1.0, and the data that it had then."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import earlier
import pytest
from client import Answer, Prober, ask, store_picture
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from fixtures import PLATFORM
from host import Host, Run
from platforms import PLATFORMS
from sites import Inventory, Project, site

# Between two requests for the same path of the same site.
PAUSE_SECONDS = 0.5
START_SECONDS = 120
VIRTUALENV = "/srv/place-venv"
# Not the default directories on one of the families: an upgrade must work with any.
MOVED = {"sites": "/opt/web/sites", "state": "/var/lib/web", "config": "/etc/web", "run": "/run/web"}
ROOTS = MOVED if PLATFORMS[PLATFORM].os_family == "RedHat" else {}
DEFAULT_ROOTS = {"sites": "/opt/sites", "state": "/var/lib/sites", "config": "/etc/sites", "run": "/run/sites"}


@dataclass
class World:
    """The host, its code, and its current inventory."""

    host: Host
    project: Project
    inventory: Inventory
    roots: Mapping[str, str]
    # The data and releases of the sites before the first run of the working tree.
    data: dict[str, str]
    releases: dict[str, str]

    def play(self, playbook: str = "site.yml", *words: str) -> Run:
        """Run a playbook of the working tree that must succeed."""
        run = self.host.play(self.inventory.sites, playbook, *self.extra, *words)
        assert run.status == 0, run.error or run.output[-2000:]
        return run

    @property
    def extra(self) -> tuple[str, str]:
        """Return the arguments of ansible-playbook that set `web_roots`."""
        return "--extra-vars", json.dumps({"web_roots": self.roots})

    def path(self, root: str) -> str:
        return self.roots.get(root, DEFAULT_ROOTS[root])

    def live(self) -> dict[str, str]:
        """Return the release of each site that `current` names."""
        return {name: self.host.told(f"readlink {self.path('sites')}/{name}/current") for name in self.inventory.names}

    def running(self) -> list[str]:
        """Return the running releases of all sites, as NAME@ID."""
        script = "systemctl list-units --plain --no-legend --state=running 'uwsgi-*@*.service'"
        units = [line.split()[0] for line in self.host.told(script).splitlines()]
        return sorted(unit.removeprefix("uwsgi-").removesuffix(".service") for unit in units)

    def exposed(self) -> set[str]:
        """Return the sites whose uWSGI runs without a sandbox, that is, without a filter for system calls."""
        found = set()
        for unit in self.running():
            process = self.host.told(f"systemctl show --property=MainPID --value 'uwsgi-{unit}.service'")
            if "Seccomp:\t0" in self.host.told(f"cat /proc/{process}/status"):
                found.add(unit.partition("@")[0])
        return found

    def versions(self) -> set[str]:
        return {str(json.loads(self.ask(name, "/healthz").body)["version"]) for name in self.inventory.hosts}

    def ask(self, host: str, path: str) -> Answer:
        return ask(self.host.address, host, path)

    @contextlib.contextmanager
    def probed(self) -> Iterator[None]:
        """Request the page and the picture of every site during the block; no request may fail."""
        paths = ("/", "/media/pictures/dot.png")
        probers = [
            Prober(self.host.address, host, path, PAUSE_SECONDS) for host in self.inventory.hosts for path in paths
        ]
        with contextlib.ExitStack() as stack:
            for prober in probers:
                stack.enter_context(prober)
            yield
        for prober in probers:
            assert len(prober.answers) > 2, f"{prober.host}{prober.path}: too few responses"
            assert not prober.failures, (prober.host, prober.path, prober.failures)

    def kept(self) -> dict[str, str]:
        """Return what each site must keep: the uploaded picture, its row, the secret key, the account."""
        query = "SELECT * FROM gallery_picture"
        rows = f"import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('{query}').fetchall())"
        found = {}
        for name in self.inventory.names:
            state, config = f"{self.path('state')}/{name}", f"{self.path('config')}/{name}"
            found[name] = self.host.told(
                f'set -e; python3 -c "{rows}" {state}/db.sqlite3; sha256sum {state}/media/pictures/dot.png; '
                f"cat {config}/secret_key; stat -c '%U %a' {state}/db.sqlite3 {config}/secret_key; id -u site-{name}"
            )
        return found


@pytest.fixture(scope="session")
def world(host: Host, project: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Set up the sites with 0.1.0, each with an uploaded picture."""
    # Enough time for a start on a machine that is busy with other tests.
    patient = {"health": {"timeout": START_SECONDS}}
    inventory = Inventory(
        (
            site("unix", project, **patient),
            site("tcp", project, uwsgi={"socket": ["127.0.0.1:8001", "127.0.0.1:8002"]}, **patient),
            site("place", None, virtualenv=VIRTUALENV, **patient),
        )
    )
    upgraded = World(host, project, inventory, ROOTS, {}, {})
    project.version("old")
    project.lie_on(host)
    earlier.converge(host, inventory.sites, tmp_path_factory.mktemp("old"), *upgraded.extra)
    for name in inventory.hosts:
        store_picture(host.address, name)
    upgraded.data, upgraded.releases = upgraded.kept(), upgraded.live()
    return upgraded
