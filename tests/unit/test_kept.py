"""Foreign files that a set replaces, edits or removes are saved, and restored if they are unchanged."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import file_set, kept
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_change import Edit, FileSetError, Wanted
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_set import Request, install

UID, GID = str(os.getuid()), str(os.getgid())
MARK = "# ours\n"


class Host:
    """A directory of files, a record, and a reload that may fail."""

    def __init__(self, root, monkeypatch):
        self.etc, self.memory, self.locks, self.status = root / "etc", root / "memory", root / "run", 0
        self.etc.mkdir()
        monkeypatch.setattr(file_set, "which", lambda name: f"/sbin/{name}")
        monkeypatch.setattr(os, "geteuid", lambda: 0)

    def path(self, name):
        return str(self.etc / name)

    def write(self, name, text="theirs\n"):
        (self.etc / name).write_text(text)

    def read(self, name):
        path = self.etc / name
        return path.read_text() if path.exists() else None

    def install(self, *files, dry=False):
        request = Request("set", files, apply=[["reload"]])
        return install(request, lambda _argv: (self.status, "", "no\n"), dry, str(self.locks), str(self.memory))

    def ours(self, text=MARK, name="a.conf"):
        content = {"content": text.encode(), "owner": UID, "group": GID}
        return Wanted(self.path(name), keep=True, marked=MARK, note=f"{name} is ours", **content)

    def back(self, name="a.conf", marked=MARK):
        return Wanted(self.path(name), "kept", marked=marked, note=f"{name} is back")

    def copy(self, name="a.conf"):
        return kept.copy_of(self.path(name), str(self.memory))

    @property
    def record(self):
        path = self.memory / "changed.json"
        return json.loads(path.read_text()) if path.exists() else {}


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def states(outcome):
    return [change.state for change in outcome.changes]


def test_a_replaced_file_is_saved_and_restored(host):
    host.write("a.conf")
    os.chmod(host.path("a.conf"), 0o640)
    outcome = host.install(host.ours())
    assert outcome.notes == ["a.conf is ours"]
    with open(host.copy(), encoding="ascii") as stream:
        assert stream.read() == "theirs\n"
    assert os.stat(f"{host.memory}/kept").st_mode & 0o777 == 0o700
    assert host.install(host.ours()).notes == []
    # Other options, even a manual edit of the managed file, do not change the saved copy.
    host.install(host.ours(MARK + "more\n"))
    host.write("a.conf", MARK + "by hand\n")
    outcome = host.install(host.back())
    assert (states(outcome), outcome.notes) == (["changed"], ["a.conf is back"])
    assert host.read("a.conf") == "theirs\n"
    assert os.stat(host.path("a.conf")).st_mode & 0o777 == 0o640
    assert (os.path.exists(f"{host.memory}/kept"), host.record) == (False, {})
    assert not host.install(host.back()).changed


def test_a_managed_file_is_not_saved(host):
    host.write("a.conf", MARK + "of version 0.1\n")
    host.install(host.ours())
    assert not os.path.exists(host.copy())
    assert not host.install(host.back()).changed
    assert host.read("a.conf") == MARK


def test_a_removed_link_is_restored(host):
    host.write("available")
    os.symlink("available", host.path("default"))
    host.install(Wanted(host.path("default"), "absent", keep=True))
    assert (host.read("default"), os.readlink(host.copy("default"))) == (None, "available")
    assert states(host.install(host.back("default", ""))) == ["created"]
    assert os.readlink(host.path("default")) == "available"


def test_a_file_that_somebody_put_there_since_is_kept(host):
    host.write("a.conf")
    host.install(Wanted(host.path("a.conf"), "absent", keep=True))
    host.write("a.conf", "another\n")
    host.write("b.conf", MARK)
    outcome = host.install(host.back("a.conf", ""), Wanted(host.path("b.conf"), "absent"))
    assert host.read("a.conf") == "another\n"
    assert outcome.notes == [
        f"{host.path('a.conf')} was not restored, because it was changed since; its original: {host.copy()}"
    ]
    assert os.path.exists(host.copy())


def edited(host, *edits, name="a.conf"):
    return Wanted(host.path(name), "edited", edits=tuple(Edit(*edit) for edit in edits), keep=True)


def test_an_edit_changes_only_its_text(host):
    host.write("a.conf", "one two\r\n  three\xe4 four; }\n")
    os.chmod(host.path("a.conf"), 0o600)
    edits = [(2, 9, "four;", "# four;\n"), (1, 4, "two", "2"), (2, 15, "}", "x\n}")]
    assert states(host.install(edited(host, *edits))) == ["changed"]
    assert (host.etc / "a.conf").read_bytes() == "one 2\r\n  three\xe4 # four;\n x\n}\n".encode()
    assert os.stat(host.path("a.conf")).st_mode & 0o777 == 0o600
    host.install(host.back("a.conf", ""))
    assert (host.etc / "a.conf").read_bytes() == "one two\r\n  three\xe4 four; }\n".encode()


def test_binary_content_is_preserved(host):
    (host.etc / "a.conf").write_bytes(b"a\xff\xfe b\nc\n")
    host.install(edited(host, (2, 0, "c", "d")))
    assert (host.etc / "a.conf").read_bytes() == b"a\xff\xfe b\nd\n"


def test_a_repeated_edit_changes_nothing(host):
    host.write("a.conf", "listen 80;\n")
    edit = (1, 0, "listen 80;", "listen 80 default_server;")
    host.install(edited(host, edit))
    assert not host.install(edited(host, edit)).changed
    assert host.read("a.conf") == "listen 80 default_server;\n"


def test_an_edit_of_an_unexpected_text_is_refused(host):
    host.write("a.conf", "x\n")
    with pytest.raises(
        FileSetError, match=r"a\.conf:1 is no longer 'y'; the file was changed during the run; run again"
    ):
        host.install(edited(host, (1, 0, "y", "z")))
    with pytest.raises(FileSetError, match=r"a\.conf:9 is no longer"):
        host.install(edited(host, (9, 0, "y", "z")))
    with pytest.raises(FileSetError, match="is absent; expected a file to edit"):
        host.install(edited(host, (1, 0, "y", "z"), name="none"))


def test_a_file_that_was_changed_between_two_edits_is_never_restored(host):
    host.write("a.conf", "a b\n")
    host.install(edited(host, (1, 0, "a", "A")))
    host.install(edited(host, (1, 2, "b", "B")))
    assert states(host.install(host.back("a.conf", ""), dry=True)) == ["changed"]
    host.write("a.conf", "A B c\n")
    host.install(edited(host, (1, 4, "c", "C")))
    assert states(host.install(host.back("a.conf", ""))) == ["unchanged"]
    assert host.read("a.conf") == "A B C\n"


def test_a_failing_set_leaves_no_saved_copy(host):
    host.write("a.conf")
    host.status = 1
    with pytest.raises(FileSetError):
        host.install(host.ours())
    assert host.read("a.conf") == "theirs\n"
    assert not os.path.exists(f"{host.memory}/kept")
    assert host.record == {}


def test_a_failing_restoration_keeps_the_saved_copy(host):
    host.write("a.conf")
    host.install(host.ours())
    host.status = 1
    with pytest.raises(FileSetError):
        host.install(host.back())
    assert host.read("a.conf") == MARK
    host.status = 0
    host.install(host.back())
    assert host.read("a.conf") == "theirs\n"


def test_check_mode_predicts_and_saves_nothing(host):
    host.write("a.conf")
    outcome = host.install(host.ours(), dry=True)
    assert (states(outcome), outcome.notes) == (["changed"], ["a.conf is ours"])
    assert not host.memory.exists()


def test_a_directory_is_removed_with_its_last_file(host):
    for folder in ("empty", "shared"):
        (host.etc / folder).mkdir()
        host.write(f"{folder}/a.conf", MARK)
    host.write("shared/b.conf")
    doomed = [
        Wanted(host.path(f"{folder}/a.conf"), "absent", marked=MARK, prune=True) for folder in ("empty", "shared")
    ]
    host.status = 1
    with pytest.raises(FileSetError):
        host.install(*doomed)
    assert host.read("empty/a.conf") == MARK
    host.status = 0
    host.install(*doomed)
    assert sorted(os.listdir(host.etc)) == ["shared"]
