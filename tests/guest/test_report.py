"""The end of a run: a line per site of every host, failed or not, and the same as data that matches its schema."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from client import ask
from host import ROOT, Host
from sites import Project, site
from terminal import Played, lines_of, run_playbook, variables

SCHEMA = json.loads((ROOT / "docs/run-report.schema.json").read_text(encoding="utf-8"))
SECRET = "correct-horse-battery"
# Nothing listens there, so a connection is refused immediately.
REFUSED = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
# Seconds until a long task reports what it does, and between two such lines, with a margin for a busy machine.
NOTICE, AGAIN = 20, 35
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]


@pytest.fixture
def other(host: Host, tmp_path: Path) -> Iterator[Host]:
    made = Host(f"{host.name}-other", host.image, tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.remove()


class World:
    """Two hosts, each with a site from a git repository, and an unreachable one. `played` is the last run."""

    played: Played

    def __init__(self, host: Host, other: Host, project: Project, work: Path) -> None:
        self.hosts, self.project, self.work = [host, other], project, work
        project.reset()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            [*GIT, "-C", str(self.project.folder), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, subject: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={subject}\n\nMore of it.")
        for host in self.hosts:
            host.copy(self.project.folder, "/srv/repository")
        return self.git("rev-parse", "HEAD")[:12]

    def inventory(self, *keys: dict[str, Any]) -> dict[str, Any]:
        """Return the inventory; `keys` are added to the first host's site. The unreachable host comes first."""
        source = {"git": "file:///srv/repository", "version": "main"}
        shop = {**site("shop", None), "source": source, "env": {"TOKEN": SECRET}}
        hosts: dict[str, Any] = {"gone": {**variables([shop]), **REFUSED}}
        for number, host in enumerate(self.hosts):
            hosts[host.name] = variables([{**shop, **(keys[0] if keys and number == 0 else {})}])
        return {"all": {"hosts": {**hosts, "db1": {"ansible_host": "203.0.113.9"}}}}

    def play(self, inventory: dict[str, Any], playbook: str, *words: str) -> tuple[str, int, list[str], dict[str, Any]]:
        """Run a playbook; return its output, its exit status, the line of each host's site, and the report."""
        report = self.work / "report.json"
        done = run_playbook(inventory, self.work, playbook, "-e", f"run_report={report}", *words)
        never_silent(done)
        self.played = done
        found = json.loads(report.read_text(encoding="utf-8"))
        jsonschema.validate(found, SCHEMA)
        assert found["finished"] is True, done.stdout
        for text in (done.stdout, json.dumps(found)):
            assert SECRET not in text
        lines = [line for host in self.hosts for line in lines_of(done, f"{host.name} shop http://shop.example/: ")]
        assert len(lines) == 2, done.stdout
        # The lines of the sites are printed together, before the recap.
        assert done.stdout.index(lines[0]) < done.stdout.index(lines[1]) < done.stdout.index("PLAY RECAP")
        return done.stdout, done.returncode, lines, found


def never_silent(done: Played) -> None:
    """Check that no long task is silent: a line says what it does and how long that takes."""
    waited = [(seconds, line) for seconds, line in done.silences if line.startswith("TASK [")]
    assert [found for found in waited if found[0] > NOTICE and "(takes up to " not in found[1]] == []
    assert max(seconds for seconds, line in done.silences if line) < AGAIN, done.silences


def few_headings(done: Played, most: int, idle: int) -> None:
    """Check the number of headings in the output of Ansible's default callback."""
    assert "Validating arguments" not in done.stdout
    assert len(done.headings) <= most, done.headings
    assert len(done.idle_headings) <= idle, done.idle_headings


def status_of(found: dict[str, Any]) -> list[tuple[str, list[tuple[str, bool]]]]:
    return [
        (host["status"], [(site["status"], site["untouched"]) for site in host["sites"]]) for host in found["hosts"]
    ]


GONE = ("unreachable", [("not_done", True)])


@pytest.mark.same_everywhere
def test_every_run_ends_with_a_line_per_site(host: Host, other: Host, project: Project, tmp_path: Path) -> None:
    world = World(host, other, project, tmp_path)
    first = world.commit('Show the "total"')
    inventory = world.inventory()

    said, status, lines, found = world.play(inventory, "site.yml")
    assert status == 4, said  # Ansible's exit status for an unreachable host
    for line in lines:
        assert f', commit {first} "Show the "total""; changed: ' in line
        assert "build, release" in line
        assert "; migrations applied: " in line
        assert "roll back" not in line
    assert [line for line in said.splitlines() if line.startswith("gone: unreachable: ")]
    assert "not touched, without sites: db1" in said
    assert status_of(found) == [GONE, *[("ok", [("ok", False)])] * 2, ("no_sites", [])], said

    # An include prints a heading for each host. A build takes too long to be silent.
    assert re.findall(rf"(?m)^{host.name}: building shop; the first build of a site takes about a minute", said)
    few_headings(world.played, 26, 8)

    # A second run changes nothing, and reports that.
    said, status, lines, found = world.play(inventory, "site.yml")
    few_headings(world.played, 22, 8)
    assert [("nothing changed" in line, "changed: " in line) for line in lines] == [(True, False)] * 2, lines
    assert status_of(found) == [GONE, *[("ok", [("ok", True)])] * 2, ("no_sites", [])]

    # New code: a new release is live, and the printed command rolls back.
    project.version(2)
    second = world.commit("Second version")
    said, status, lines, found = world.play(inventory, "deploy.yml", "--check")
    assert all("would serve a new release" in line or "would serve release" in line for line in lines), lines
    assert all("would change: build, release" in line and "roll back" not in line for line in lines), lines
    assert found["check_mode"] is True
    said, status, lines, found = world.play(inventory, "deploy.yml")
    for line, one in zip(lines, world.hosts):
        words = f"-i {tmp_path}/hosts.json --limit {one.name} playbooks/rollback.yml"
        command = f"ansible-playbook {words} -e rollback_site=shop"
        assert f'commit {second} "Second version"; changed: build, release; ' in line
        assert line.endswith(f"roll back: {command}"), line
    live = [one["sites"][0]["release"] for one in found["hosts"][1:3]]
    assert [one.told("readlink /opt/sites/shop/current") for one in world.hosts] == [
        f"releases/{release}" for release in live
    ]

    # One host fails: Ansible prints its error, its line says what is live, and the other host is deployed.
    project.version(3)
    third = world.commit("Third version")
    bad = world.inventory({"packages": ["no-such-package-at-all"]})
    said, status, lines, found = world.play(bad, "deploy.yml", "--limit", "!gone")
    assert status == 2, said
    assert f"fatal: [{host.name}]: FAILED!" in said
    assert "FAILED: requirements failed: " in lines[0]
    assert f'; still serves release {live[0]}, commit {second} "Second version"; nothing changed; ' in lines[0]
    assert f'commit {third} "Third version"; changed: build, release; ' in lines[1]
    assert status_of(found) == [("failed", [("failed", True)]), ("ok", [("ok", False)]), ("no_sites", [])]
    assert [ask(one.address, "shop.example", "/healthz").status for one in world.hosts] == [200, 200]

    # So does an unhealthy release: the old one stays live, and the line says so.
    ill = world.inventory({"health": {"path": "/nowhere", "status": [200], "timeout": 5}})
    said, status, lines, found = world.play(ill, "deploy.yml")
    assert "FAILED: " in lines[0]
    assert f"; still serves release {live[0]}, " in lines[0]
    assert found["hosts"][1]["sites"][0]["release"] == live[0]

    # The printed command, on both hosts at the same time.
    said, status, lines, found = world.play(inventory, "rollback.yml", "-e", "rollback_site=shop", "--limit", "!gone")
    assert status == 0, said
    assert all("; changed: rollback; " in line and "; undo: ansible-playbook " in line for line in lines), lines
    assert f'commit {first} "Show the "total""' in lines[0]
    assert f'commit {second} "Second version"' in lines[1]


def test_a_run_that_reaches_no_host_writes_an_unfinished_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    inventory = {"all": {"hosts": {"gone": {**variables([site("shop", None)]), **REFUSED}}}}
    done = run_playbook(inventory, tmp_path, "site.yml", "-e", f"run_report={report}")
    assert done.returncode == 4, done.stdout
    found = json.loads(report.read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA)
    assert (found["finished"], found["ok"], found["hosts"][0]["status"]) == (False, False, "not_reached")
