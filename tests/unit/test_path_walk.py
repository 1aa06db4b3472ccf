"""The walk to a file ends where the kernel would stop the process, for the reason that it would have."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import path_walk, processes
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import ENTER, READ, WRITE, Identity

OWN = Identity(os.getuid(), os.getgid(), tuple(os.getgroups()))
# Ids that nobody has, so that neither the owner's nor the group's bits are theirs.
STRANGER = Identity(64123, 64123, (64123,))


@pytest.fixture
def tmp_path():
    """Not pytest's own: another run of pytest that begins meanwhile closes the directory of them all to strangers."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def file(tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/f").write_text("x")
    for one, mode in (("a", 0o755), ("a/b", 0o755), ("a/b/f", 0o644)):
        (tmp_path / one).chmod(mode)
    return tmp_path / "a/b/f"


def test_an_open_way_has_no_obstacle(file):
    assert path_walk.obstacle(str(file), STRANGER) is None


def test_a_directory_without_x_is_the_obstacle(file):
    file.parent.chmod(0o744)
    found = path_walk.obstacle(str(file), STRANGER)
    assert (found.path, found.kind, found.directory, found.mode) == (str(file.parent), "denied", True, 0o744)
    assert found.mend == f"chmod o+x {file.parent}"
    assert "drwxr--r--" in found.evidence
    assert "may not enter it" in found.evidence


@pytest.mark.parametrize(("mode", "wanted"), [(0o640, READ), (0o644, WRITE), (0o664, READ | WRITE)])
def test_the_bits_of_the_file_itself_count(file, mode, wanted):
    file.chmod(mode)
    found = path_walk.obstacle(str(file), STRANGER, wanted)
    assert (found.path, found.kind, found.directory) == (str(file), "denied", False)


@pytest.mark.parametrize(
    ("who", "mode", "may"),
    [
        (Identity(1, 9), 0o400, True),
        (Identity(1, 2), 0o040, False),  # the owner's bits decide for the owner, even when the group's would do
        (Identity(9, 2), 0o040, True),
        (Identity(9, 9, (7, 2)), 0o040, True),  # a group that the process has beside its own
        (Identity(9, 2), 0o004, False),
        (Identity(9, 9), 0o004, True),
        (Identity(0, 0), 0o000, True),
    ],
)
def test_the_first_class_that_fits_decides(who, mode, may):
    assert who.allowed(0o100000 | mode, 1, 2, READ) is may


def test_root_may_enter_every_directory_but_run_no_file_without_x():
    assert Identity(0, 0).allowed(0o040000, 1, 1, ENTER)
    assert not Identity(0, 0).allowed(0o100644, 1, 1, ENTER)


def test_symbolic_links_are_followed_and_their_target_is_walked(file, tmp_path):
    (tmp_path / "link").symlink_to("a/b")
    (tmp_path / "far").symlink_to(tmp_path / "link" / "f")
    assert path_walk.obstacle(str(tmp_path / "far"), STRANGER) is None
    file.parent.chmod(0o700)
    assert path_walk.obstacle(str(tmp_path / "far"), STRANGER).path == str(file.parent)


def test_links_in_a_circle_are_no_way(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert path_walk.obstacle(str(tmp_path / "one"), OWN).kind == "loop"


def test_what_is_not_there_is_missing(file):
    assert path_walk.obstacle(f"{file}.none", OWN).kind == "missing"
    assert path_walk.obstacle(f"{file}/deeper", OWN).kind in ("missing", "denied")


def test_a_root_is_put_before_every_path(file, tmp_path):
    (tmp_path / "a/b/abs").symlink_to("/b/f")
    assert path_walk.obstacle("/b/abs", STRANGER, root=str(tmp_path / "a")) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_the_kernel_agrees(file):
    """What the walk says is what really happens to a process with those ids."""
    for mode in (0o644, 0o600, 0o640):
        file.chmod(mode)
        opened = processes.run_as(STRANGER, file.read_text)
        assert (opened == "x") is (path_walk.obstacle(str(file), STRANGER) is None), opened
