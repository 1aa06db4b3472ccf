"""The program that links files into the code of a build and creates its first data, run as on a host."""

from __future__ import annotations

import inspect
import json
import os
import sqlite3
import subprocess
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import files_in_code


@pytest.fixture
def host(tmp_path):
    for folder in ("build/src/mysite", "state/media"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def run(given):
    done = subprocess.run(
        [sys.executable, "-", json.dumps(given)],
        input=inspect.getsource(files_in_code),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return (json.loads(done.stdout) if done.returncode == 0 else {}), done.stderr.strip()


def test_a_file_that_the_source_lacks_is_linked(host):
    code = host / "build/src"
    told, _said = run({"links": {f"{code}/etc/a/b.py": "/somewhere/b.py"}})
    assert told == {"replaced": [], "seeded": []}
    assert os.readlink(code / "etc/a/b.py") == "/somewhere/b.py"


def test_a_file_of_the_source_is_replaced_and_reported(host):
    code = host / "build/src"
    (code / "mysite/local.py").write_text("old")
    told, _said = run({"links": {f"{code}/mysite/local.py": "/somewhere"}})
    assert told["replaced"] == ["mysite/local.py"]
    assert os.readlink(code / "mysite/local.py") == "/somewhere"


def test_a_directory_of_the_source_is_not_replaced(host):
    _told, said = run({"links": {f"{host}/build/src/mysite": "/somewhere"}})
    assert said == "error: files has 'mysite', which is a directory of the source"
    assert (host / "build/src/mysite").is_dir()


def writable(host, path):
    given = {f"{host}/build/src/{path}": f"{host}/state/writable/{path}"}
    answer = run({"keep": given})
    return run({"writable": given}) if not answer[1] else answer


@pytest.mark.parametrize("code", ["mysite/__init__.py", "mysite/manage.py"])
def test_a_path_of_the_projects_code_cannot_be_writable(host, code):
    (host / "build/src" / code).write_text("")
    told, said = writable(host, "mysite")
    assert (told, said.partition(":")[2].partition(",")[0]) == ({}, " writable has 'mysite'")
    assert "state/writable" not in " ".join(map(str, host.rglob("*")))
    assert writable(host, code)[1].startswith(f"error: writable has {code!r}, which is code of the project")


def test_a_directory_of_the_source_is_copied_only_once(host):
    code, data = host / "build/src", host / "state/writable/var/uploads"
    (code / "var/uploads").mkdir(parents=True)
    (code / "var/uploads/a.txt").write_text("first")
    writable(host, "var/uploads")
    assert os.readlink(code / "var/uploads") == str(data)
    (data / "a.txt").write_text("changed by the site")
    os.unlink(code / "var/uploads")
    (code / "var/uploads").mkdir()
    (code / "var/uploads/a.txt").write_text("of the next release")
    writable(host, "var/uploads")
    assert (code / "var/uploads/a.txt").read_text() == "changed by the site"
    assert os.stat(host / "state/writable").st_mode & 0o7777 == 0o750


def test_a_missing_path_is_created_as_a_directory_unless_it_has_a_file_extension(host):
    code = host / "build/src"
    for path in ("logs", "django.log", ".cache"):
        writable(host, path)
    assert (host / "state/writable/logs").is_dir()
    assert (host / "state/writable/.cache").is_dir()
    (code / "django.log").write_text("through the link")
    assert (host / "state/writable/django.log").read_text() == "through the link"


def test_a_file_is_copied_completely_after_a_killed_run(host):
    (host / "build/src/counter").write_text("1")
    (host / "state/writable/.counter.new").mkdir(parents=True)
    writable(host, "counter")
    assert (host / "state/writable/counter").read_text() == "1"
    assert sorted(os.listdir(host / "state/writable")) == ["counter"]


def test_a_link_of_the_source_is_not_followed(host):
    outside = host / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    os.symlink(outside, host / "build/src/uploads")
    writable(host, "uploads")
    assert os.readlink(host / "build/src/uploads") == str(host / "state/writable/uploads")
    assert (outside / "kept.txt").read_text() == "kept"


# --- the first data ---


def database(path, *rows):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE shop (name)")
    connection.executemany("INSERT INTO shop VALUES (?)", [(row,) for row in rows])
    connection.commit()
    connection.close()


def rows_of(path):
    connection = sqlite3.connect(path)
    try:
        return [row for (row,) in connection.execute("SELECT name FROM shop")]
    finally:
        connection.close()


def seed(host, **paths):
    targets = {"database": f"{host}/state/db.sqlite3", "media": f"{host}/state/media"}
    return run({"seed": {what: [f"{host}/build/src/{path}", targets[what]] for what, path in paths.items()}})


def test_a_database_is_copied_if_there_is_none(host):
    database(host / "build/src/db.sqlite3", "a", "b")
    assert seed(host, database="db.sqlite3")[0]["seeded"] == ["database"]
    assert rows_of(host / "state/db.sqlite3") == ["a", "b"]
    assert os.stat(host / "state/db.sqlite3").st_mode & 0o7777 == 0o640
    assert sorted(os.listdir(host / "state")) == ["db.sqlite3", "media"]


def test_an_existing_database_is_kept(host):
    database(host / "build/src/db.sqlite3", "a")
    database(host / "state/db.sqlite3", "of the site")
    assert seed(host, database="db.sqlite3")[0]["seeded"] == []
    assert rows_of(host / "state/db.sqlite3") == ["of the site"]


def test_an_invalid_database_file_is_refused(host):
    (host / "build/src/manage.py").write_text("print()")
    assert seed(host, database="manage.py")[1] == "error: seed.database: 'manage.py' is not an SQLite database"
    assert seed(host, database="no.db")[1] == "error: seed.database: the source has no file 'no.db'"
    assert seed(host, media="media")[1] == "error: seed.media: the source has no directory 'media'"
    assert os.listdir(host / "state") == ["media"]


def media(host):
    folder = host / "build/src/media/2026"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_text("a")
    os.symlink("/etc/passwd", folder / "link")
    os.symlink("/etc", folder / "linked")


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_media_without_links_are_copied_if_there_are_none(host):
    media(host)
    assert seed(host, media="media")[0]["seeded"] == ["media"]
    assert files_of(host / "state/media") == ["2026", "2026/a.jpg"]


def test_existing_media_are_kept(host):
    media(host)
    (host / "state/media/own.jpg").write_text("own")
    assert seed(host, media="media")[0]["seeded"] == []
    assert files_of(host / "state/media") == ["own.jpg"]


@pytest.mark.parametrize("left", [".seed.new/half.jpg", ".seed/2026/a.jpg"])
def test_a_copy_that_was_cut_short_is_finished(host, left):
    media(host)
    path = host / "state/media" / left
    path.parent.mkdir(parents=True)
    path.write_text("a")
    if left.startswith(".seed/"):
        (host / "state/media/moved.jpg").write_text("moved before the kill")
    assert seed(host, media="media")[0]["seeded"] == ["media"]
    found = files_of(host / "state/media")
    assert found == ["2026", "2026/a.jpg", *(["moved.jpg"] if left.startswith(".seed/") else [])]
