"""One host with the distribution's PostgreSQL and Redis or Valkey, and the runs that all tests here check."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platforms
import pytest
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from fixtures import PLATFORM
from host import Host, Run
from project import Shape
from shapes import ALL, NOT_BUILT, NOT_RELEASED, SERVED

# Installed as a user would, from the distribution.
SERVICES = {
    "Debian": "set -e; export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -y -qq "
    "--no-install-recommends postgresql {store}-server; systemctl start postgresql {store}-server",
    "RedHat": "set -e; dnf install -y -q postgresql-server {store}; postgresql-setup --initdb; "
    "systemctl start postgresql {store}",
}
# EL 10 has only Valkey; Debian 12 and EL 9 do not have it.
STORES = {"debian13": "valkey", "centos10": "valkey"}


@dataclass(frozen=True)
class Told:
    """The result of a run, and its report for each site."""

    run: Run
    report: dict[str, Any]
    sites: dict[str, dict[str, Any]] = field(default_factory=dict)

    def notes(self, name: str) -> str:
        """Return the notes of the run about a site, one per line."""
        return "\n".join(
            note for host in self.report["hosts"] for note in host["notes"] if note.startswith(f"{name}: ")
        )


@dataclass
class Deployed:
    host: Host
    work: Path
    runs: dict[str, Told] = field(default_factory=dict)

    def deploy(self, title: str, shapes: Sequence[Shape]) -> Told:
        """Deploy all of these shapes in one run, only once."""
        if title not in self.runs:
            report = self.work / f"{title.replace(' ', '-')}.json"
            run = self.host.play(self.sites(shapes), "site.yml", "-e", json.dumps({"run_report": str(report)}))
            # Shown if a test fails: the fault may be that of another site.
            print(run.error if run.status else f"{title}: served")
            told = json.loads(report.read_text(encoding="utf-8"))
            self.runs[title] = Told(run, told, {site["name"]: site for host in told["hosts"] for site in host["sites"]})
        return self.runs[title]

    def sites(self, shapes: Sequence[Shape]) -> list[dict[str, Any]]:
        return [shape.site(self.folder(shape)) for shape in shapes]

    def folder(self, shape: Shape) -> Path:
        return self.work / shape.name


@pytest.fixture(scope="session")
def deployed(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Prepare the host with its services and the databases of the shapes, and the projects on this machine."""
    work = tmp_path_factory.mktemp("shapes")
    for shape in ALL:
        shape.write(work / shape.name)
        if shape.locked:
            uv = shutil.which("uv")
            assert uv, "uv is not in the virtualenv of the tests"
            # A private certificate authority is in the system's store.
            subprocess.run([uv, "lock", "--quiet", "--system-certs"], cwd=work / shape.name, check=True, timeout=120)
    services = SERVICES[platforms.PLATFORMS[PLATFORM].os_family]
    host.told(services.format(store=STORES.get(PLATFORM, "redis")))
    for shape in SERVED:
        if shape.before:
            host.told(shape.before)
    return Deployed(host, work)


@pytest.fixture(scope="session")
def served(deployed: Deployed) -> Told:
    return deployed.deploy("served", SERVED)


@pytest.fixture(scope="session")
def refused(deployed: Deployed) -> dict[str, Told]:
    """Return the runs in which sites are refused, by the names of the sites."""
    runs = {"not built": NOT_BUILT, "not released": NOT_RELEASED}
    return {shape.name: deployed.deploy(title, shapes) for title, shapes in runs.items() for shape in shapes}
