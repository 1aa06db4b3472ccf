"""The copies of directories that a check reads: their contents, and the mounts."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import stage
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_change import Wanted, compare

UID, GID = str(os.getuid()), str(os.getgid())


def change(path, text="new\n"):
    return compare(Wanted(str(path), content=text.encode(), owner=UID, group=GID))


@pytest.fixture
def etc(tmp_path):
    folder = tmp_path / "etc"
    (folder / "other/deep").mkdir(parents=True)
    (folder / "other/deep/f").write_text("other\n")
    (folder / "a.conf").write_text("old\n")
    (folder / "same").write_text("same\n")
    (folder / "same").chmod(0o640)
    (folder / "link").symlink_to("other/deep/f")
    os.mkfifo(folder / "pipe")
    folder.chmod(0o750)
    return folder


def mounts(script):
    """Return (source, target) of every mount, without their common prefixes."""
    return [tuple(line.split()[2:]) for line in script.splitlines() if line.startswith("mount --rbind ")]


def test_a_copy_has_new_and_old_files_and_mounts_for_the_rest(etc, tmp_path):
    copies = tmp_path / "stage"
    gone = compare(Wanted(str(etc / "same"), "absent"))
    unchanged = compare(Wanted("/nowhere/at/all", "absent"))
    script = stage.script(str(copies), [change(etc / "a.conf"), change(etc / "new/b"), unchanged], [], ["true"])
    copy = copies / "0"
    assert sorted(os.listdir(copy)) == ["a.conf", "link", "new", "other", "same"]  # a pipe would never end
    assert (copy / "a.conf").read_text() == "new\n"
    assert (copy / "new/b").read_text() == "new\n"
    assert (copy / "same").read_text() == "same\n"
    assert stat.S_IMODE((copy / "same").stat().st_mode) == 0o640
    assert stat.S_IMODE(copy.stat().st_mode) == 0o750
    assert os.readlink(copy / "link") == "other/deep/f"
    assert os.listdir(copy / "other") == []
    assert stat.S_IMODE(copies.stat().st_mode) == 0o700
    assert mounts(script) == [(f"{etc}/other", f"{copy}/other"), (str(copy), str(etc))]
    assert (etc / "a.conf").read_text() == "old\n"
    stage.discard(str(copies))
    stage.script(str(copies), [gone], [], ["true"])
    assert sorted(os.listdir(copy)) == ["a.conf", "link", "other"]


def test_a_changed_directory_below_a_copied_one_is_part_of_its_copy(etc, tmp_path):
    copies = tmp_path / "stage"
    script = stage.script(str(copies), [change(etc / "a.conf"), change(etc / "other/deep/f")], [], ["true"])
    assert (copies / "0/other/deep/f").read_text() == "new\n"
    assert mounts(script) == [(f"{copies}/0", str(etc))]


def test_separate_directories_are_copied_separately(etc, tmp_path):
    (tmp_path / "etc-beside/x").mkdir(parents=True)
    copies = tmp_path / "stage"
    script = stage.script(str(copies), [change(etc / "a.conf"), change(tmp_path / "etc-beside/b")], [], ["true"])
    assert (copies / "0/a.conf").read_text() == (copies / "1/b").read_text() == "new\n"
    assert mounts(script)[-2:] == [(f"{copies}/0", str(etc)), (f"{copies}/1", f"{tmp_path}/etc-beside")]


def test_files_of_private_directories_are_empty(etc, tmp_path):
    logs = tmp_path / "log"
    (logs / "sub").mkdir(parents=True)
    (logs / "access.log").write_text("long\n")
    (logs / "access.log").chmod(0o604)
    copies = tmp_path / "stage"
    (tmp_path / "run").symlink_to("log")
    private = [str(tmp_path / "run"), str(tmp_path / "missing"), str(etc / "a.conf")]
    script = stage.script(str(copies), [change(etc / "a.conf")], private, ["true"])
    assert (copies / "1/access.log").read_text() == ""
    assert stat.S_IMODE((copies / "1/access.log").stat().st_mode) == 0o604
    assert mounts(script) == [
        (f"{etc}/other", f"{copies}/0/other"),
        (f"{logs}/sub", f"{copies}/1/sub"),
        (f"{copies}/0", str(etc)),
        (f"{copies}/1", str(logs)),
    ]


def test_the_target_of_a_link_is_mounted(etc, tmp_path):
    (tmp_path / "alias").symlink_to("etc")
    copies = tmp_path / "stage"
    script = stage.script(str(copies), [change(tmp_path / "alias/a.conf")], [], ["true"])
    assert (copies / "0/a.conf").read_text() == "new\n"
    assert mounts(script)[-1] == (f"{copies}/0", str(etc))


def test_the_script_confirms_all_mounts_and_executes_the_command(etc, tmp_path):
    copies = tmp_path / "with space"
    script = stage.script(str(copies), [change(etc / "a.conf")], [], ["printf", "%s|", "a b", "c"])
    without = "\n".join(line.replace("mount ", "echo ") for line in script.splitlines())
    done = subprocess.run(["sh", "-c", without], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "a b|c|"
    assert (copies / "entered").exists()
    (copies / "entered").unlink()
    failing = "\n".join(line.replace("mount ", "false ") for line in script.splitlines())
    assert subprocess.run(["sh", "-c", failing], capture_output=True, check=False).returncode == 1
    assert not (copies / "entered").exists()
