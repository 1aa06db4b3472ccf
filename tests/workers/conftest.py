"""A host with a site that has workers, a scheduler and a timer; the broker is the distribution's Redis or Valkey."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import breakpoints
import platforms
import pytest
from client import ask
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from fixtures import PLATFORM
from host import Host, Run
from jobs import FILES, LOG, PACKAGES, SETTINGS, URLS
from sites import Project, site

# EL 10 has only Valkey; Debian 12 and EL 9 do not have it.
STORES = {"debian13": "valkey", "centos10": "valkey"}
STORE = STORES.get(PLATFORM, "redis")
PACKAGE = f"{STORE}-server" if platforms.PLATFORMS[PLATFORM].os_family == "Debian" else STORE
WAIT_SECONDS = 60
KEYS: dict[str, Any] = {
    "packages": PACKAGES,
    "system_packages": [PACKAGE],
    "workers": {
        "celery": {"run": "celery -A jobs.celery worker -c 1 --without-gossip --without-mingle", "stop_timeout": "15m"},
        "tasks": {"manage": "db_worker --interval 1 --no-startup-delay", "processes": 2, "stop_timeout": "15m"},
        "beat": {"run": "celery -A jobs.celery beat -s /var/lib/sites/mysite/beat", "singleton": True},
    },
    "timers": {"tick": {"manage": "tick", "at": "*:*:0/5"}},
    "keep_releases": 1,
}
UNITS = ("celery:1", "tasks:1", "tasks:2", "beat:only")


@dataclass
class World:
    """The host, its code, and the site."""

    host: Host
    project: Project
    keys: dict[str, Any] = field(default_factory=lambda: dict(KEYS))
    number: int = 1

    @property
    def wanted(self) -> list[dict[str, Any]]:
        return [site("mysite", self.project, **self.keys)]

    @property
    def live(self) -> str:
        return self.host.told("readlink /opt/sites/mysite/current").rpartition("/")[2]

    def new_code(self) -> int:
        self.number += 1
        self.project.version(self.number)
        return self.number

    def deploy(self, playbook: str = "deploy.yml") -> Run:
        return self.host.deploy(self.wanted, playbook)

    def log(self) -> list[list[str]]:
        """Return the log of the tasks: release, event, key and more."""
        return [line.split()[1:] for line in self.host.told(f"cat {LOG} 2>/dev/null || true").splitlines()]

    def noted(self, what: str, key: str) -> list[str]:
        """Return the releases whose processes logged this event of a task."""
        return [words[0] for words in self.log() if words[1:3] == [what, key]]

    def keys_of(self, what: str) -> list[str]:
        """Return the keys of all tasks with this event."""
        return [words[2] for words in self.log() if words[1] == what]

    def states(self) -> dict[str, str]:
        """Return every unit of a worker that has not ended: RELEASE:NAME:N -> ActiveState."""
        words = "systemctl list-units --all --plain --no-legend --full 'pyweb-worker-mysite@*'"
        rows = [line.split()[:3] for line in self.host.told(words).splitlines() if line.strip()]
        found = {name.partition("@")[2].removesuffix(".service"): state for name, _load, state in rows}
        return {name: state for name, state in found.items() if state not in ("inactive", "failed")}

    def wait_for(self, what: Callable[[], object], why: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not what():
            assert time.monotonic() < deadline, f"{why}: {self.states()}\n{self.log()[-20:]}"
            time.sleep(0.2)

    def assert_as_before(self) -> None:
        """Check after a failure that only the workers of the live release run. Files of old units may remain."""
        self.wait_for(lambda: len(self.states()) == len(UNITS), "workers of the failed release are still running")
        assert self.states() == {f"{self.live}:{name}": "active" for name in UNITS}

    def assert_exact(self) -> None:
        """Check that only units of the live release run and exist, and that every process belongs to this release."""
        wanted = {f"{self.live}:{name}": "active" for name in UNITS}
        assert self.states() == wanted
        files = self.host.told("cd /etc/systemd/system; ls -d pyweb-worker-* pyweb-timer-*").splitlines()
        workers = [f"pyweb-worker-mysite@{name}.service" for name in wanted]
        timers = ["pyweb-timer-mysite@tick.service", "pyweb-timer-mysite@tick.timer", "pyweb-worker-mysite.service"]
        assert sorted(files) == sorted([*workers, *timers])
        # Outside of systemd's units, no process of another release may run either.
        releases = self.host.told(
            "for pid in $(pgrep -u site-mysite -f 'celery|db_worker'); do"
            " tr '\\0' '\\n' < /proc/$pid/environ | sed -n 's/^PYWEB_RELEASE=//p'; done"
        ).split()
        assert len(releases) >= len(UNITS)
        assert set(releases) == {self.live}

    def assert_settled(self) -> None:
        """Check that a run leaves exactly the live release's workers, and that the next run changes nothing."""
        self.deploy()
        self.wait_for(lambda: len(self.states()) == len(UNITS), "old workers are still running")
        # Removing the files of workers that finished after the run is not reported as a change.
        again = self.deploy()
        assert again.changed == 0, again.changes
        self.assert_exact()

    def ask(self, path: str) -> int:
        return ask(self.host.address, "mysite.example", path).status


@pytest.fixture(scope="session")
def world(host: Host, project: Project) -> World:
    project.write(FILES)
    project.edit("mysite/settings.py", lambda text: text + SETTINGS)
    project.edit("mysite/urls.py", lambda text: text + URLS)
    made = World(host, project)
    # Install the packages first, so that the broker runs before the first worker.
    started = host.play([site("mysite", project, system_packages=[PACKAGE], packages=PACKAGES)])
    assert started.status == 0, started.error
    # The service has the name of its package.
    host.told(f"systemctl enable --quiet --now {PACKAGE}.service")
    made.deploy()
    breakpoints.install(host)
    return made
