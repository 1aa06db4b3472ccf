"""The walk to a file ends where the kernel would stop the process, for the same reason."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import path_walk, processes
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import identity_of
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import ENTER, READ, WRITE, Identity

OWN = Identity(os.getuid(), os.getgid(), tuple(os.getgroups()))
# Ids without an account, so that neither the bits of the owner nor those of the group apply.
STRANGER = Identity(64123, 64123, (64123,))


@pytest.fixture
def tmp_path():
    """Not pytest's own directory: another run of pytest closes the common parent to other users when it begins."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def file(tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/f").write_text("x")
    for name, mode in (("a", 0o755), ("a/b", 0o755), ("a/b/f", 0o644)):
        (tmp_path / name).chmod(mode)
    return tmp_path / "a/b/f"


def test_an_open_path_has_no_obstacle(file):
    assert path_walk.obstacle(str(file), STRANGER) is None


def test_a_directory_without_x_is_the_obstacle(file):
    file.parent.chmod(0o744)
    found = path_walk.obstacle(str(file), STRANGER)
    assert (found.path, found.kind, found.directory, found.mode) == (str(file.parent), "denied", True, 0o744)
    assert found.fix == f"chmod o+x {file.parent}"
    assert "drwxr--r--" in found.evidence
    assert "cannot enter it" in found.evidence


@pytest.mark.parametrize(("mode", "wanted"), [(0o640, READ), (0o644, WRITE), (0o664, READ | WRITE)])
def test_the_mode_of_the_file_itself_counts(file, mode, wanted):
    file.chmod(mode)
    found = path_walk.obstacle(str(file), STRANGER, wanted)
    assert (found.path, found.kind, found.directory) == (str(file), "denied", False)


@pytest.mark.parametrize(
    ("who", "mode", "may"),
    [
        (Identity(1, 9), 0o400, True),
        (Identity(1, 2), 0o040, False),  # the owner's bits apply to the owner, even if the group's would be enough
        (Identity(9, 2), 0o040, True),
        (Identity(9, 9, (7, 2)), 0o040, True),  # a supplementary group of the process
        (Identity(9, 2), 0o004, False),
        (Identity(9, 9), 0o004, True),
        (Identity(0, 0), 0o000, True),
    ],
)
def test_the_first_matching_class_decides(who, mode, may):
    assert who.allowed(0o100000 | mode, 1, 2, READ) is may


def test_root_may_enter_every_directory_but_not_execute_a_file_without_x():
    assert Identity(0, 0).allowed(0o040000, 1, 1, ENTER)
    assert not Identity(0, 0).allowed(0o100644, 1, 1, ENTER)


def test_symbolic_links_are_followed_and_their_target_is_walked(file, tmp_path):
    (tmp_path / "link").symlink_to("a/b")
    (tmp_path / "far").symlink_to(tmp_path / "link" / "f")
    assert path_walk.obstacle(str(tmp_path / "far"), STRANGER) is None
    file.parent.chmod(0o700)
    assert path_walk.obstacle(str(tmp_path / "far"), STRANGER).path == str(file.parent)


def test_circular_links_are_an_obstacle(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert path_walk.obstacle(str(tmp_path / "one"), OWN).kind == "loop"


def test_a_missing_file_is_reported(file):
    assert path_walk.obstacle(f"{file}.none", OWN).kind == "missing"
    assert path_walk.obstacle(f"{file}/deeper", OWN).kind in ("missing", "denied")


def test_the_root_is_prepended_to_every_path(file, tmp_path):
    (tmp_path / "a/b/abs").symlink_to("/b/f")
    assert path_walk.obstacle("/b/abs", STRANGER, root=str(tmp_path / "a")) is None


def test_the_fix_of_a_file_is_the_group_of_the_process(file):
    file.chmod(0o600)
    found = path_walk.obstacle(str(file), Identity(64123, 0, (0, 64124)), READ | WRITE)
    assert found.fix == f"chmod g+rw {file} && chgrp root {file}"
    owner = f"{path_walk.user_name(os.getuid())}:{path_walk.group_name(file.stat().st_gid)}"
    assert found.evidence == (f"-rw------- {owner} {file}; 64123 (groups root, 64124) cannot read and write it")
    assert (found.owner, found.mode) == (os.getuid(), 0o600)


@pytest.mark.parametrize(
    ("wanted", "word", "letters"), [(READ, "read", "r"), (WRITE, "write", "w"), (READ | WRITE | ENTER, "use", "rwx")]
)
def test_the_missing_permission_is_reported(file, wanted, word, letters):
    file.chmod(0o600)
    found = path_walk.obstacle(str(file), STRANGER, wanted)
    assert found.evidence.endswith(f"cannot {word} it")
    assert found.fix.startswith(f"chmod g+{letters} {file} && ")


def test_a_directory_that_must_be_listed(file):
    file.parent.chmod(0o711)
    found = path_walk.obstacle(str(file.parent), STRANGER, READ | ENTER)
    assert found.evidence.endswith("cannot list it")
    assert (found.directory, found.fix) == (True, f"chmod g+rx {file.parent} && chgrp 64123 {file.parent}")


def test_the_fix_of_a_directory_uses_the_processs_own_group(file):
    file.parent.chmod(0o700)
    gid = file.parent.stat().st_gid
    for who in (Identity(64123, gid), Identity(64123, 64123, (gid,))):
        assert path_walk.obstacle(str(file), who).fix == f"chmod g+x {file.parent}"


def test_entries_that_cannot_be_read(file, monkeypatch):
    missing = path_walk.obstacle(f"{file.parent}/none/deeper", OWN)
    assert (missing.path, missing.kind, missing.directory) == (f"{file.parent}/none", "missing", True)
    assert missing.evidence == f"{file.parent}/none: No such file or directory"
    assert missing.fix == f"ls -ld {file.parent}/none"
    assert path_walk.obstacle(f"{file.parent}/none", OWN).directory is False
    real = os.lstat

    def denied(path):
        if path.endswith("/f"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(path_walk.os, "lstat", denied)
    assert path_walk.obstacle(str(file), OWN).kind == "denied"


def test_dots_and_slashes_in_a_path(file):
    assert path_walk.obstacle(f"{file.parent}/.//../b/./f", STRANGER) is None
    assert path_walk.obstacle("/", STRANGER, ENTER) is None
    assert path_walk.obstacle("/../..", STRANGER, ENTER) is None
    assert path_walk.obstacle(f"{file.parent}/../../a/none", OWN).path == f"{file.parent.parent}/none"


@pytest.mark.parametrize(("links", "kind"), [(40, None), (41, "loop")])
def test_forty_links_are_followed(file, tmp_path, links, kind):
    (tmp_path / "0").symlink_to(file)
    for number in range(1, links):
        (tmp_path / str(number)).symlink_to(str(number - 1))
    found = path_walk.obstacle(str(tmp_path / str(links - 1)), STRANGER)
    assert (found.kind if found else None) == kind
    if found:
        path = str(tmp_path / str(links - 1))
        assert (found.path, found.evidence, found.fix) == (
            path,
            f"{path}: too many symbolic links",
            f"namei -l {path}",
        )


def test_described(file):
    owner = f"{path_walk.user_name(os.getuid())}:{path_walk.group_name(file.stat().st_gid)}"
    assert path_walk.described(str(file)) == f"-rw-r--r-- {owner} {file}"
    assert path_walk.described("/f", str(file.parent)) == f"-rw-r--r-- {owner} /f"
    assert path_walk.described(f"{file}.none") == f"{file}.none: No such file or directory"


def test_an_identity_has_a_name_and_current_groups():
    assert identity_of("root").name == "root"
    assert (identity_of("root").uid, identity_of("root").gid) == (0, 0)
    assert 0 in identity_of("root").groups
    assert Identity(64123, 1).name == "64123"
    with pytest.raises(KeyError):
        identity_of("no-user-of-that-name")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_the_kernel_agrees(file):
    """The result of the walk is the same as what happens to a process with these ids."""
    for mode in (0o644, 0o600, 0o640):
        file.chmod(mode)
        opened = processes.run_as(STRANGER, file.read_text)
        assert (opened == "x") is (path_walk.obstacle(str(file), STRANGER) is None), opened
