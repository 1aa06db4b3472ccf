"""Hosts without sites in the inventory: a run does not connect to them or change them, and reports that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from client import ask
from host import Host
from sites import Project, site
from terminal import lines_of, run_playbook, variables

pytestmark = pytest.mark.same_everywhere

# An address that never answers (RFC 5737): a connection times out after ten seconds, and Ansible reports UNREACHABLE.
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "203.0.113.9"}
# What a run could leave on a host: files, packages, units, processes, listeners, and Ansible's own directory.
STATE = """
ls -d /root/.ansible /etc/nginx /etc/firewalld /opt/sites /var/lib/sites /var/lib/pyweb.stack 2>&1
dpkg-query --show 2>/dev/null; rpm --query --all 2>/dev/null | sort
systemctl list-unit-files --no-legend --no-pager | sort
ss --no-header --tcp --listening --numeric | awk '{print $4}' | sort
find /etc /usr/local /var/lib -newer /tmp/before 2>/dev/null | grep -v -e /var/lib/systemd -e /var/lib/dpkg/lock | sort
"""
DATABASE = "setsid python3 -m http.server 5432 --bind 0.0.0.0 >/dev/null 2>&1 </dev/null &"


def told_of(done, host: str) -> list[str]:
    return lines_of(done, f"{host}: ")


@pytest.fixture
def database(host: Host, tmp_path: Path) -> Host:
    """Start another container, with a listener on 5432."""
    made = Host(f"{host.name}-database", host.image, tmp_path)
    try:
        made.start()
        made.told(DATABASE)
        made.told("touch /tmp/before; sleep 1")
        yield made
    finally:
        made.remove()


def test_a_database_host_in_the_inventory_is_not_touched(
    host: Host, database: Host, project: Project, tmp_path: Path
) -> None:
    before = database.told(STATE)
    assert ":5432" in before
    # The database comes first, so that tasks with run_once would run there.
    inventory = {
        "all": {
            "hosts": {
                database.name: {"ansible_connection": "community.docker.docker"},
                "nowhere": {**NOWHERE, "web_sites": []},
                host.name: variables([site("shop", project)]),
            }
        }
    }
    report = tmp_path / "report.json"
    done = run_playbook(inventory, tmp_path, "site.yml", "-e", f"run_report={report}")
    assert done.returncode == 0, done.stdout
    assert "UNREACHABLE" not in done.stdout
    assert database.told(STATE) == before
    assert ask(host.address, "shop.example", "/healthz").status == 200
    for name in (database.name, "nowhere"):
        assert told_of(done, name) == [f"{name}: not touched, it has no sites (web_sites is unset or empty)"]
    found = {one["host"]: one["status"] for one in json.loads(report.read_text(encoding="utf-8"))["hosts"]}
    assert found == {database.name: "no_sites", "nowhere": "no_sites", host.name: "ok"}

    # The other playbooks do not touch them either, and do their work on the host that has a site.
    for playbook, words in (
        ("site.yml", ["--check"]),
        ("deploy.yml", []),
        ("doctor.yml", ["-e", f"doctor_report={tmp_path}"]),
        ("rollback.yml", ["--check"]),
    ):
        done = run_playbook(inventory, tmp_path, playbook, *words)
        # The rollback fails on the host, because there is no previous release yet.
        assert (done.returncode == 0) is (playbook != "rollback.yml"), f"{playbook}: {done.stdout}"
        assert ("there is no previous release" in done.stdout) is (playbook == "rollback.yml"), done.stdout
        assert "UNREACHABLE" not in done.stdout, playbook
        for name in (database.name, "nowhere"):
            assert len(told_of(done, name)) == 1, f"{playbook}: {done.stdout}"
    assert json.loads((tmp_path / "doctor.json").read_text(encoding="utf-8"))["hosts"][0]["host"] == host.name
    assert database.told(STATE) == before


def test_a_run_includes_the_group_web_or_the_hosts_in_web_hosts(tmp_path: Path) -> None:
    """Without a group `web`, it includes all hosts. It connects to none of these, because they have no sites."""
    inventory = {"web": {"hosts": {"web1": NOWHERE}}, "database": {"hosts": {"db1": NOWHERE}}}
    for words, taken in (
        ([], {"web1"}),
        (["-e", "web_hosts=all"], {"web1", "db1"}),
        (["-e", "web_hosts=database"], {"db1"}),
        (["--limit", "db1", "-e", "web_hosts=all"], {"db1"}),
    ):
        done = run_playbook(inventory, tmp_path, "site.yml", *words)
        assert done.returncode == 0, done.stdout
        assert {name for name in ("web1", "db1") if told_of(done, name)} == taken, done.stdout
        assert "so nothing was done" in done.stdout
    done = run_playbook({"database": {"hosts": {"db1": NOWHERE, "db2": NOWHERE}}}, tmp_path)
    assert told_of(done, "db1")
    assert "none of the 2 hosts of this run has sites" in " ".join(done.stdout.split())

    # A host outside of the group that has sites is reported.
    inventory["database"]["hosts"]["db1"] = {**NOWHERE, "web_sites": [{"name": "shop", "domains": ["shop.example"]}]}
    done = run_playbook(inventory, tmp_path)
    assert told_of(done, "db1") == ["db1: not touched, it has web_sites but is not in the group web; see web_hosts"]

    # If web_sites is not a list, that is an error of the inventory, not a host without sites.
    for wrong in ({"name": "shop"}, "shop"):
        done = run_playbook({"web": {"hosts": {"web1": {**NOWHERE, "web_sites": wrong}}}}, tmp_path)
        assert done.returncode != 0
        assert "expected a list of sites" in " ".join(done.stdout.split())
        assert "UNREACHABLE" not in done.stdout


def test_a_host_whose_sites_are_all_absent_is_not_a_host_without_sites(host: Host, tmp_path: Path) -> None:
    sites = [{"name": "old", "state": "absent"}]
    done = run_playbook({"all": {"hosts": {host.name: variables(sites)}}}, tmp_path, "deploy.yml")
    assert done.returncode == 0, done.stdout
    assert f"{host.name} old: is absent; nothing changed" in done.stdout
