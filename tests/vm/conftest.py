"""A virtual machine with its sites: once with the defaults, and once without IPv6 and with other roots."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from host import ROOT, Run
from machine import WITHOUT_IPV6, Machine
from sites import Inventory, Project, site

HERE = Path(__file__).parent
DISK = ROOT / ".cache/vm"
DEFAULT_ROOTS = {"sites": "/opt/sites", "state": "/var/lib/sites", "config": "/etc/sites", "run": "/run/sites"}
# The SELinux domains of nginx, and of uWSGI in Debian's and in Fedora's policy. File types begin with OWN_FILES.
OWN_DOMAINS, OWN_FILES = ("httpd_t", "initrc_t", "unconfined_service_t"), "httpd_"
# Directories that no policy has rules for.
MOVED = {"sites": "/srv/web/sites", "state": "/srv/web/state", "config": "/etc/web", "run": "/run/web"}


@dataclass
class World:
    """The machine, its code, its inventory, and what SELinux had denied before the first run."""

    host: Machine
    project: Project
    inventory: Inventory
    roots: Mapping[str, str]
    before: list[str] = field(default_factory=list)

    def play(self, playbook: str = "site.yml", *words: str) -> Run:
        """Run a playbook that must succeed."""
        roots = ["--extra-vars", json.dumps({"web_roots": self.roots})]
        run = self.host.play(self.inventory.sites, playbook, *roots, *words)
        assert run.status == 0, f"{run.error or run.output[-2000:]}\ndenied: {self.denied()}"
        return run

    def denied(self) -> list[str]:
        """Return what SELinux has denied to nginx, uWSGI or a site, or on their files, since the first run began."""
        own = [denial for denial in self.host.denials() if denial not in self.before]
        return [
            denial
            for denial in own
            if denial.split()[0] in OWN_DOMAINS or denial.split()[1].startswith((*OWN_DOMAINS, OWN_FILES))
        ]

    def path(self, root: str) -> str:
        return self.roots.get(root, DEFAULT_ROOTS[root])


@pytest.fixture(scope="session")
def disk() -> Path:
    done = subprocess.run([HERE / "disk.sh", DISK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return DISK


@pytest.fixture(scope="session", params=["defaults", "without IPv6, with other roots"])
def world(request: pytest.FixtureRequest, disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plain = request.param == "defaults"
    host = Machine("vm", disk, tmp_path_factory.mktemp("vm"), "" if plain else WITHOUT_IPV6)
    project = Project(tmp_path_factory.mktemp("code") / "mysite")
    inventory = Inventory(
        (
            site("unix", project, workers={"idle": {"run": "sleep infinity"}}),
            site("tcp", project, uwsgi={"socket": "127.0.0.1:8311"}, nginx={"protected": {"/private/": "private"}}),
            site("secure", project, tls="selfsigned"),
        )
    )
    try:
        host.start()
        yield World(host, project, inventory, {} if plain else MOVED)
    finally:
        host.remove()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the end of the machine's journal and what SELinux denied to the report of a test that failed."""
    report = (yield).get_result()
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and isinstance(world, World):
        report.sections.append(("journal of the machine", world.host.journal()))
        report.sections.append(("denied by SELinux", "\n".join(world.denied())))
