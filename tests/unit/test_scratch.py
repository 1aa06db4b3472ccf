"""Temporary directories of a step."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import scratch
from builds import AS_ROOT


@AS_ROOT
def test_a_directory_of_an_account_is_removed_after_use(tmp_path):
    parent = tmp_path / "run"

    def fill(path):
        assert os.stat(path).st_uid == 0, "others must not be able to write while root does"
        Path(path, "key").write_text("k")

    with scratch.directory(str(parent), 65534, 65534, fill) as path:
        found = os.stat(path)
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o700, 65534, 65534)
        assert os.listdir(path) == ["key"]
        assert stat.S_IMODE(os.stat(parent).st_mode) == 0o755
        os.symlink("/etc", f"{path}/link")
    assert os.listdir(parent) == []
    assert os.path.isdir("/etc")


def test_it_is_removed_if_the_step_fails(tmp_path):
    with pytest.raises(KeyError), scratch.directory(str(tmp_path), os.getuid(), os.getgid()):
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_directories_of_killed_runs_are_removed_and_those_of_running_ones_kept(tmp_path):
    for name in (".step-4194999-0123abcd", f".step-{os.getppid()}-0123abcd", ".step-x", "before.json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text("k")
    with scratch.directory(str(tmp_path), os.getuid(), os.getgid()):
        pass
    assert sorted(os.listdir(tmp_path)) == [f".step-{os.getppid()}-0123abcd", ".step-x", "before.json"]
