"""File systems that prevent a site from writing its data or its server from being executed, from mountinfo."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_mounts
from doctor_evidence import evidence, put

# proc(5): id, parent, device, root, mount point, options, optional fields, -, type, source, options of the file system.
MOUNTINFO = """\
22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:21 / {0}/data rw,relatime shared:2 - ext4 /dev/sdb1 ro
24 22 0:22 / {0}/with\\040space rw,noexec - tmpfs none rw
25 22 0:23 / {0}/data rw master:3 - ext4 /dev/sdb1 {1}
no line of mountinfo
"""


def look(monkeypatch, tmp_path, options):
    monkeypatch.setattr(look_mounts, "_text", lambda: MOUNTINFO.format(tmp_path, options))
    site, _host = evidence()
    for name in ("data", "with space"):
        (tmp_path / name).mkdir()
    put(site, managed=False, media_wanted=False)
    put(site.inside["database"], file=f"{tmp_path}/data/db.sqlite3")
    look_mounts.look_at_mounts(site)
    return site


def test_a_directory_that_must_be_writable_on_a_read_only_file_system_is_found(monkeypatch, tmp_path):
    site = look(monkeypatch, tmp_path, "ro")
    assert site.read_only == {f"{tmp_path}/data": f"{tmp_path}/data"}


def test_the_last_mount_counts(monkeypatch, tmp_path):
    assert look(monkeypatch, tmp_path, "rw").read_only == {}


def test_a_program_on_a_file_system_with_noexec_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(look_mounts, "_text", lambda: MOUNTINFO.format(tmp_path, "rw"))
    folder = tmp_path / "with space"
    folder.mkdir()
    mounts = look_mounts.parsed(look_mounts._text())
    assert look_mounts.mount_of(f"{folder}/uwsgi", mounts) == str(folder)
    assert "noexec" in mounts[str(folder)]
    assert look_mounts.mount_of("/srv/uwsgi", mounts) == "/"


@pytest.mark.parametrize("text", ["", "1 2 3", "a b c d e f"])
def test_nothing_is_reported_without_mountinfo(text):
    assert look_mounts.parsed(text) == {}
    assert look_mounts.mount_of("/srv", {}) == ""
