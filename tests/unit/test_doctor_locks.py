"""Which process holds a lock of SQLite and for how long, from /proc/locks and with a real lock."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_locks
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_data import Lock
from doctor_evidence import evidence, process, put

TEXT = """\
1: POSIX  ADVISORY  WRITE 11 fd:01:7 1073741824 1073742335
2: POSIX  ADVISORY  WRITE 12 fd:01:7 1073741825 1073741825
3: POSIX  ADVISORY  READ  13 fd:01:7 1073741826 1073742335
4: POSIX  ADVISORY  WRITE 14 00:2f:8 120 120
4: -> POSIX  ADVISORY  WRITE 15 fd:01:7 1073741825 1073741825
5: POSIX  ADVISORY  READ  16 00:2f:8 123 123
6: FLOCK  ADVISORY  WRITE 17 fd:01:7 0 EOF
7: POSIX  ADVISORY  WRITE 18 fd:01:7 0 EOF
8: POSIX  ADVISORY  READ  19 fd:01:7 1073741824 1073741824
9: POSIX  ADVISORY  WRITE 20 fd:01:7 0 4096
nobody knows what this is
10: OFDLCK ADVISORY  WRITE -1 fd:01:9 1073741825 1073741825
11: POSIX  ADVISORY  WRITE x fd:01:9 1073741825 1073741825
"""
HOLD = (
    "import sqlite3, sys, time\n"
    "held = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "held.execute('BEGIN IMMEDIATE')\n"
    "print('held', flush=True)\n"
    "time.sleep(60)\n"
)


def test_locks_of_sqlite_are_distinguished_from_others():
    found = look_locks.sqlite_locks(TEXT)
    assert found == [Lock(11, 7), Lock(12, 7), Lock(13, 7, shared=True), Lock(14, 8), Lock(-1, 9)]
    assert look_locks.sqlite_locks("") == []


@pytest.fixture
def holder(tmp_path):
    """A process that holds a lock on a database, and the site with this database."""
    file = tmp_path / "a.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE a (b)")
    held = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE)
    assert held.stdout.readline() == b"held\n"
    site, host = evidence()
    put(site.inside["database"], file=str(file), inodes=[os.stat(file).st_ino])
    yield held, site, host
    held.kill()
    held.communicate()


def test_a_lasting_lock_is_found_with_its_holder(holder):
    held, site, host = holder
    put(site.inside, **{"failed database": {"error": "OperationalError: database is locked"}})
    look_locks.watch_locks(site, most=0.7)
    look_locks.name_holders(site, host)
    assert {(lock.pid, lock.shared) for lock in site.data.held} == {(held.pid, False), (held.pid, True)}
    assert site.data.seconds >= 0.7
    assert f"(pid {held.pid})" in site.data.holders[held.pid]
    assert site.data.openers == []
    host.table[held.pid] = process(held.pid, "python3 import.py")
    look_locks.name_holders(site, host)
    assert site.data.holders[held.pid].startswith(f"python3 import.py (pid {held.pid}, ")


def test_if_no_lock_is_visible_the_processes_with_the_open_file_are_named(holder, monkeypatch):
    held, site, host = holder
    put(site.inside, **{"failed database": {"error": "OperationalError: database is locked"}})
    monkeypatch.setattr(look_locks, "LOCKS", "/nowhere")
    host.table[held.pid] = process(held.pid, "python3 import.py")
    look_locks.watch_locks(site)
    look_locks.name_holders(site, host)
    assert (site.data.held, len(site.data.openers)) == ([], 1)
    site.uwsgi.workers = [host.table[held.pid]]  # The site itself is not reported.
    look_locks.name_holders(site, host)
    assert site.data.openers == []


def test_locks_on_other_files_are_ignored(holder):
    _held, site, host = holder
    put(site.inside["database"], inodes=[1])
    started = time.monotonic()
    look_locks.watch_locks(site)
    look_locks.name_holders(site, host)
    assert time.monotonic() - started < look_locks.LASTING / 2
    assert site.data.held == []


def test_a_short_lock_is_ignored(monkeypatch):
    site, _host = evidence()
    put(site.inside["database"], inodes=[7])
    texts = iter([TEXT, TEXT, "", TEXT])
    monkeypatch.setattr(look_locks, "read_or_empty", lambda _path: next(texts))
    monkeypatch.setattr(look_locks, "PAUSE", 0)
    look_locks.watch_locks(site)
    assert site.data.held == []


def test_database_servers_of_the_host_are_found(tmp_path, monkeypatch):
    site, host = evidence()
    (tmp_path / "mariadb.service").touch()
    monkeypatch.setattr(look_locks, "UNIT_FOLDERS", (str(tmp_path), "/nowhere"))
    look_locks.look_at_servers(site, host)
    assert site.data.services == ["mariadb.service"]
