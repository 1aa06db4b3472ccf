"""The message about an obstacle on the way to a file: the place, the evidence, and the command that fixes it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import path_walk
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import ENTER, READ, WRITE, Identity

OWN = Identity(os.getuid(), os.getgid(), tuple(os.getgroups()))
# Ids without an account.
STRANGER = Identity(64123, 64123, (64123, 64124))


@pytest.fixture
def top(tmp_path, monkeypatch):
    """A directory that all paths are below; obstacles above it belong to the machine."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/f").write_text("x")
    for name, mode in ((".", 0o755), ("a", 0o755), ("a/b", 0o755), ("a/b/f", 0o644)):
        (tmp_path / name).chmod(mode)
    return tmp_path


def obstacle(top, path, who=STRANGER, wanted=READ):
    return path_walk.obstacle(path, who, wanted, root=str(top))


@pytest.mark.parametrize("path", ["/a/b/f", "//a//b/f", "/a/./b/f", "/a/b/../b/f", "/../a/b/f", "/a/b/../../a/b/f"])
def test_an_open_path_has_no_obstacle(top, path):
    assert obstacle(top, path) is None


@pytest.mark.parametrize(
    ("mode", "wanted", "words", "fix"),
    [
        (0o640, READ, "read", "chmod g+r /a/b/f && chgrp 64123 /a/b/f"),
        (0o644, WRITE, "write", "chmod g+w /a/b/f && chgrp 64123 /a/b/f"),
        (0o644, READ | WRITE, "read and write", "chmod g+rw /a/b/f && chgrp 64123 /a/b/f"),
        (0o644, ENTER, "enter", "chmod g+x /a/b/f && chgrp 64123 /a/b/f"),
        (0o640, READ | ENTER, "list", "chmod g+rx /a/b/f && chgrp 64123 /a/b/f"),
        (0o640, WRITE | ENTER, "use", "chmod g+wx /a/b/f && chgrp 64123 /a/b/f"),
    ],
)
def test_message_of_a_file(top, mode, wanted, words, fix):
    (top / "a/b/f").chmod(mode)
    found = obstacle(top, "/a/b/f", wanted=wanted)
    assert (found.path, found.kind, found.directory, found.mode, found.owner) == (
        *("/a/b/f", "denied", False, mode),
        os.getuid(),
    )
    assert found.evidence.endswith(f" /a/b/f; 64123 (groups 64123, 64124) cannot {words} it")
    assert found.fix == fix


def test_a_directory_is_opened_for_the_group_only_if_the_process_is_in_it(top):
    (top / "a/b").chmod(0o700)
    assert obstacle(top, "/a/b/f").fix == "chmod o+x /a/b"
    member = Identity(64123, 64123, (64123, os.getgid()))
    assert obstacle(top, "/a/b/f", member).fix == "chmod g+x /a/b"
    assert obstacle(top, "/a/b/f", Identity(64123, os.getgid())).fix == "chmod g+x /a/b"


def test_listing_a_directory_needs_read_permission_too(top):
    (top / "a/b").chmod(0o711)
    found = obstacle(top, "/a/b", wanted=READ | ENTER)
    assert (found.directory, found.fix) == (True, "chmod g+rx /a/b && chgrp 64123 /a/b")
    assert obstacle(top, "/a/b/f") is None


def test_the_top_itself_may_be_the_obstacle(top):
    top.chmod(0o700)
    assert obstacle(top, "/a/b/f").path == "/"
    assert obstacle(top, "/", wanted=READ).path == "/"


@pytest.mark.parametrize(
    ("path", "missing", "directory"),
    [("/a/none", "/a/none", False), ("/a/none/f", "/a/none", True), ("/none", "/none", False)],
)
def test_a_missing_file(top, path, missing, directory):
    found = obstacle(top, path)
    assert (found.path, found.kind, found.directory) == (missing, "missing", directory)
    assert found.evidence == f"{missing}: No such file or directory"
    assert found.fix == f"ls -ld {missing}"


def test_a_file_in_place_of_a_directory(top):
    (top / "a/b/f").chmod(0o755)
    found = obstacle(top, "/a/b/f/g")
    assert (found.path, found.kind, found.evidence) == ("/a/b/f/g", "missing", "/a/b/f/g: Not a directory")


def test_as_many_links_as_the_kernel_follows(top):
    (top / "0").symlink_to("a/b/f")
    for number in range(1, 41):
        (top / str(number)).symlink_to(str(number - 1))
    assert obstacle(top, "/39") is None
    found = obstacle(top, "/40")
    assert (found.path, found.kind) == ("/40", "loop")
    assert (found.evidence, found.fix) == ("/40: too many symbolic links", "namei -l /40")
    assert (top / "39").exists()
    with pytest.raises(OSError, match="Too many levels"):
        (top / "40").read_text()


def test_relative_links_start_in_their_directory(top):
    (top / "a/up").symlink_to("../a/b")
    (top / "a/far").symlink_to("/a/b")
    assert obstacle(top, "/a/up/f") is None
    assert obstacle(top, "/a/far/f") is None
    (top / "a/b").chmod(0o700)
    assert {obstacle(top, f"/a/{link}/f").path for link in ("up", "far")} == {"/a/b"}
    (top / "a/dead").symlink_to("gone")
    assert obstacle(top, "/a/dead").path == "/a/gone"


@pytest.mark.parametrize("wanted", [READ, WRITE, READ | WRITE])
def test_every_requested_permission_must_be_granted(wanted):
    who = Identity(1, 1)
    assert [mode for mode in range(8) if who.allowed(mode << 6, 1, 2, wanted)] == [
        mode for mode in range(8) if mode & wanted == wanted
    ]


@pytest.mark.parametrize(("mode", "may"), [(0o100644, False), (0o100100, True), (0o100010, True), (0o100001, True)])
def test_root_can_execute_what_anybody_can_execute(mode, may):
    assert Identity(0, 0).allowed(mode, 5, 5, ENTER) is may


def test_an_entry_is_described_with_its_names(top):
    (top / "a/b/f").chmod(0o640)
    own = f"{path_walk.user_name(os.getuid())}:{path_walk.group_name(os.getgid())}"
    assert path_walk.described("/a/b/f", str(top)) == f"-rw-r----- {own} /a/b/f"
    assert path_walk.described("/none", str(top)) == "/none: No such file or directory"
    assert (path_walk.user_name(0), path_walk.group_name(0)) == ("root", "root")
    assert (path_walk.user_name(64123), path_walk.group_name(64124)) == ("64123", "64124")
    assert STRANGER.name == "64123"
