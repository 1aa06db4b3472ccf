"""Two hosts share a database: both are deployed at the same time, and each migration is applied once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import ask
from fixtures import PLATFORM, PREFIX
from host import ROOT, Host
from sites import Project, site

pytestmark = pytest.mark.same_everywhere

PASSWORD = "correct-horse-1"
# Slow enough that the other host reaches it meanwhile; a second time it would fail.
ONCE = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("gallery", "0001_initial")]
    operations = [migrations.RunSQL("SELECT pg_sleep(5); CREATE TABLE once (number integer)")]
"""
INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt='apt-get -y -q -o Acquire::https::CAInfo=/etc/pyweb-test-ca.crt'
$apt update && $apt install --no-install-recommends postgresql
echo "listen_addresses = '*'" > "$(ls -d /etc/postgresql/*/main)/conf.d/all.conf"
echo "host shop shop all scram-sha-256" >> "$(ls -d /etc/postgresql/*/main)/pg_hba.conf"
systemctl restart postgresql.service
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Host]:
    """Run PostgreSQL on a separate host. It is Debian's, whatever the platform of the sites' hosts."""
    subprocess.run([str(ROOT / "tests/images/build.sh"), "--flavour", "bare", "debian12"], check=True)
    made = Host(f"{PREFIX}-database-{PLATFORM}", "pyweb-debian12:bare", tmp_path)
    try:
        made.start()
        made.told(INSTALL)
        made.told("su postgres -c psql", f"CREATE USER shop PASSWORD '{PASSWORD}'; CREATE DATABASE shop OWNER shop;")
        yield made
    finally:
        made.remove()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    names = [f"{PREFIX}-shared{number}-{PLATFORM}" for number in (1, 2)]
    both = [Host(name, f"pyweb-{PLATFORM}:baked", tmp_path / name) for name in names]
    try:
        for host in both:
            host.work.mkdir()
            host.start()
        yield both
    finally:
        for host in both:
            host.remove()


def test_each_migration_is_applied_once(database: Host, hosts: list[Host], tmp_path: Path) -> None:
    project = Project(tmp_path / "mysite")
    project.write({"gallery/migrations/0002_once.py": ONCE})
    url = f"postgres://shop:{PASSWORD}@{database.address}/shop"
    sites = [site("shop", project, database=url, packages=["psycopg[binary]"])]
    for run in [playing.end() for playing in [host.begin(sites) for host in hosts]]:
        assert run.status == 0, run.error
        assert PASSWORD not in run.output
    for host in hosts:
        assert ask(host.address, "shop.example", "/healthz").status == 200
    query = "SELECT app || '.' || name, count(*) FROM django_migrations GROUP BY 1 HAVING count(*) > 1"
    assert database.told("su postgres -c 'psql -At shop'", query) == ""
    query = "SELECT count(*) FROM django_migrations WHERE name = '0002_once'"
    assert database.told("su postgres -c 'psql -At shop'", query) == "1"
    # One host reports that it applied the migration, the other that there was nothing to apply.
    assert sorted("gallery.0002_once" in run_history(host) for host in hosts) == [False, True]


def run_history(host: Host) -> str:
    """Return the output of the run, which lists the applied migrations."""
    return (host.work / "play-1.log").read_text(encoding="utf-8")
