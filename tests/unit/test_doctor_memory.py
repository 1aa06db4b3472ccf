"""The stored state of the doctor's timer: its size is limited, and it is never incomplete."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import log_count, memory
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_changes import Snapshot
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.memory import Noted, Position

LINE = '192.0.2.1 - - [27/Nov/2026:04:00:00 +0000] "GET /a HTTP/1.1" {} 12 "-" "{}" 0.{}00 0.050\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "WATCHED", str(tmp_path / "doctor"))
    return tmp_path / "doctor"


def line(status=200, agent="curl", tenths=1):
    return LINE.format(status, agent, tenths)


# --- state ---


def test_stored_state_is_read_again(folder):
    noted = Noted(Position(7, 8), {"2": 3}, 4, Snapshot(1.5, "abc", {"/a": "1"}), None)
    memory.write("shop", noted)
    assert memory.read("shop") == noted
    assert (folder / "shop.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"counted": 1}', '{"counted": {}, "position": {"inode": "x"}}'])
def test_an_invalid_file_is_read_as_empty(folder, text):
    folder.mkdir()
    (folder / "shop.json").write_text(text)
    assert memory.read("shop") == Noted()


def test_a_snapshot_with_other_types_of_values_is_ignored():
    assert Snapshot.of({"time": 1, "release": 5}) is None
    assert Snapshot.of("x") is None
    assert Snapshot.of({"time": 1, "release": "a", "more": 1}) == Snapshot(1, "a")


def test_the_state_of_removed_sites_is_removed(folder):
    for name in ("shop", "old"):
        memory.write(name, Noted())
        memory.add_line(name, {"t": 1})
    memory.keep_only({"shop"})
    assert sorted(os.listdir(folder)) == ["shop.history", "shop.json"]


# --- history ---


def test_each_run_is_one_line():
    memory.add_line("shop", {"t": 1, "status": "ok"})
    memory.add_line("shop", {"t": 2, "status": "broken"})
    assert memory.runs("shop") == [{"t": 1, "status": "ok"}, {"t": 2, "status": "broken"}]


def test_history_is_limited_in_size(monkeypatch, folder):
    monkeypatch.setattr(memory, "HISTORY_BYTES", 2000)
    monkeypatch.setattr(memory, "HISTORY_KEPT", 1000)
    sizes = []
    for number in range(300):
        memory.add_line("shop", {"t": number, "status": "ok"})
        sizes.append((folder / "shop.history").stat().st_size)
    assert max(sizes) <= 2000
    runs = [run["t"] for run in memory.runs("shop")]
    assert runs == list(range(runs[0], 300))
    assert len(runs) > 20


def test_a_history_that_is_too_long_is_truncated(monkeypatch, folder):
    monkeypatch.setattr(memory, "HISTORY_BYTES", 2000)
    monkeypatch.setattr(memory, "HISTORY_KEPT", 1000)
    memory.add_line("shop", {"t": 0})
    (folder / "shop.history").write_text("".join(f'{{"t":{number}}}\n' for number in range(900)))
    memory.add_line("shop", {"t": 900})
    assert (folder / "shop.history").stat().st_size <= 1000
    assert [run["t"] for run in memory.runs("shop")][-2:] == [899, 900]


def test_history_is_limited_in_age():
    memory.add_line("shop", {"t": 0})
    memory.add_line("shop", {"t": 5 * 86400})
    memory.add_line("shop", {"t": 16 * 86400})
    assert [run["t"] for run in memory.runs("shop")] == [5 * 86400, 16 * 86400]


def test_a_link_in_place_of_the_history_is_not_followed(folder, tmp_path):
    folder.mkdir()
    (tmp_path / "other").write_text("")
    (folder / "shop.history").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="shop"):
        memory.add_line("shop", {"t": 1})
    assert (tmp_path / "other").read_text() == ""


# --- the access log ---


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "shop.access.log"
    path.write_text(line() * 3)
    return path


@pytest.fixture
def noted(log):
    noted = Noted()
    assert log_count.count(str(log), noted).statuses == {}  # Lines from before the timer are not counted.
    return noted


def more(log, text):
    with log.open("a") as stream:
        stream.write(text)


def test_only_new_lines_are_counted(log, noted):
    more(log, line(200) + line(503, tenths=9) + line(200, "pyweb.stack-watch") + "no line of a log\n")
    found = log_count.count(str(log), noted)
    assert (found.statuses, found.seconds) == ({"2": 1, "5": 1}, [0.1, 0.9])
    assert log_count.count(str(log), noted).statuses == {}
    assert noted.counted == {"2": 1, "5": 1}


def test_an_incomplete_line_is_read_later(log, noted):
    text = line(404)
    more(log, text[:30])
    assert log_count.count(str(log), noted).statuses == {}
    more(log, text[30:])
    assert log_count.count(str(log), noted).statuses == {"4": 1}


@pytest.mark.parametrize("name", ["shop.access.log.1", "shop.access.log-20261127"])
def test_a_rotation_loses_no_lines(log, noted, name):
    more(log, line(404))
    log.rename(log.with_name(name))
    log.write_text(line(500))
    assert log_count.count(str(log), noted).statuses == {"4": 1, "5": 1}
    assert log_count.count(str(log), noted).statuses == {}


def test_a_truncated_log_is_read_from_its_beginning(log, noted):
    with log.open("w") as stream:
        stream.write(line(500))
    assert log_count.count(str(log), noted).statuses == {"5": 1}


def test_only_the_end_of_too_many_lines_is_counted(log, noted, monkeypatch):
    monkeypatch.setattr(log_count, "READ_MAX", 10 * len(line()))
    more(log, line() * 30)
    assert log_count.count(str(log), noted).statuses == {"2": 10}
    assert noted.skipped == 20 * len(line())


def test_a_path_that_is_not_a_log_is_ignored(tmp_path):
    noted = Noted(Position(1, 2))
    os.mkfifo(tmp_path / "fifo")
    assert log_count.count(str(tmp_path / "none"), noted).statuses == {}
    assert log_count.count(str(tmp_path / "fifo"), noted).statuses == {}


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([3, 1, 2], 0.5, 2), ([1], 0.99, 1), (list(range(1, 101)), 0.99, 99), (list(range(1, 101)), 0.5, 50)],
)
def test_a_quantile_is_one_of_the_values(values, share, wanted):
    assert log_count.quantile(values, share) == wanted


def test_the_largest_state_can_be_read_again():
    files = {f"/etc/nginx/sites-enabled/{number:0200}": "0" * 16 for number in range(500)}
    full = Snapshot(1.0, "a" * 12, files, files)
    assert len(json.dumps([full.data(), full.data()])) < memory.STATE_MAX
