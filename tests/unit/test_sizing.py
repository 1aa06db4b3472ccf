"""The number of uWSGI processes if the host decides."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.release import sizing
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import wanted
from ansible_collections.pyweb.stack.plugins.module_utils.release.sizing import best, decide, remember
from goldens import BUILD
from releases import make_site

GIB = 1 << 30


@pytest.mark.parametrize(
    ("cores", "memory", "sites", "number"),
    [
        (1, 64 * GIB, 1, 2),
        (4, 64 * GIB, 1, 4),
        (64, 512 * GIB, 1, 16),
        (8, 2 * GIB, 1, 5),  # 1 GiB at 200 MiB each
        (8, 2 * GIB, 2, 2),
        (8, 0, 0, 2),
    ],
)
def test_the_number_of_a_host(cores, memory, sites, number):
    assert best(cores, memory, sites) == number


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with 8 cores and 8 GiB; `size` decides, records, and returns (number, note)."""

    class Host:
        cores, meminfo, limit = 8, tmp_path / "meminfo", tmp_path / "limit"

        def size(self, processes=None, sites=1):
            site = make_site(tmp_path, uwsgi={"processes": processes})[0]
            found = decide(site, sites)
            remember(site, found)
            self.record = Path(Layout.of(site).sizing)
            return found.processes, found.note

        def put_live(self, ini="[uwsgi]\nprocesses = 3\n"):
            layout = Layout.of(make_site(tmp_path)[0])
            folder = Path(layout.release("0123456789ab"))
            folder.mkdir(parents=True)
            (folder / "uwsgi.ini").write_text(ini)
            Path(layout.current).symlink_to("releases/0123456789ab")

    host = Host()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(host.cores)))
    monkeypatch.setattr(sizing, "MEMINFO", str(host.meminfo))
    monkeypatch.setattr(sizing, "LIMIT", str(host.limit))
    host.meminfo.write_text("MemFree: 1 kB\nMemTotal:       8388608 kB\n")
    Path(Layout.of(make_site(tmp_path)[0]).config).mkdir(parents=True, exist_ok=True)
    return host


NOTE = "uwsgi.processes 8 (8 cores, 8192 MiB of memory, 1 site)"


@pytest.mark.parametrize("processes", [None, "auto"])
def test_a_new_site_gets_a_number_for_the_host_until_the_cores_change(host, processes):
    assert host.size(processes) == (8, NOTE)
    assert json.loads(host.record.read_text()) == {"cores": 8, "processes": 8}
    # More sites and less memory cause no new release.
    host.meminfo.write_text("MemTotal: 1048576 kB\n")
    assert host.size(processes, sites=7) == (8, "")
    host.cores = 4
    assert host.size(processes, sites=7) == (2, "uwsgi.processes 2 (4 cores, 1024 MiB of memory, 7 sites)")


def test_an_existing_site_keeps_its_number(host):
    host.put_live()
    assert host.size() == (3, "")
    assert not host.record.exists()
    assert host.size("auto") == (8, NOTE)


def test_the_number_of_a_new_site_stays_when_it_is_live(host):
    host.size()
    host.put_live("[uwsgi]\nprocesses = 8\n")
    assert host.size() == (8, "")
    host.cores = 6
    assert host.size()[0] == 6


def test_a_number_in_the_inventory_is_used_and_kept_when_it_is_removed(host):
    host.size()
    assert host.size(5) == (5, "")
    assert not host.record.exists()
    host.put_live("[uwsgi]\nprocesses = 5\n")
    assert host.size() == (5, "")


def test_an_incomplete_record_is_ignored(host):
    host.size("auto")
    host.record.write_text('{"cores": 8, "proc')
    assert host.size("auto") == (8, NOTE)


def test_the_memory_limit_of_a_container_counts(host):
    host.limit.write_text(f"{2 * GIB}\n")
    assert sizing.memory_size() == 2 * GIB
    host.limit.write_text("max\n")
    assert sizing.memory_size() == 8 * GIB


def test_the_number_is_in_the_ini_and_in_the_record(tmp_path):
    site, secrets = make_site(tmp_path)
    site = {**site, "uwsgi": {**site["uwsgi"], "processes": 7}}
    release = wanted(site, secrets, BUILD, "site-shop")
    assert "\nprocesses = 7\n" in release.ini
    assert release.site["uwsgi"]["processes"] == 7
