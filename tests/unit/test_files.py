"""Files and locks, with real files and real processes."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import stat

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout
from builds import AS_ROOT

# --- the lock ---


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "LOCKS", str(tmp_path))


def hold(folder, held, ended):
    layout.LOCKS = folder
    with files.locked("shop"):
        held.set()
        ended.wait(60)


def test_a_lock_is_held_by_one_process_and_names_it(tmp_path):
    fork = multiprocessing.get_context("fork")
    held, ended = fork.Event(), fork.Event()
    process = fork.Process(target=hold, args=(str(tmp_path), held, ended))
    process.start()
    try:
        assert held.wait(30)
        wanted = rf"site 'shop': lock failed: another run \(process {process.pid}\) has held .* for 0\.2 s"
        with pytest.raises(StepError, match=wanted), files.locked("shop", 0.2):
            pass
        with files.locked("blog", 0.2):  # The lock of another site is free.
            pass
    finally:
        ended.set()
        process.join()
    with files.locked("shop", 5):
        assert (tmp_path / "site-shop.lock").read_text() == str(os.getpid())


def test_a_lock_of_a_killed_process_is_free(tmp_path):
    fork = multiprocessing.get_context("fork")
    held = fork.Event()
    process = fork.Process(target=hold, args=(str(tmp_path), held, fork.Event()))
    process.start()
    assert held.wait(30)
    process.kill()
    process.join()
    with files.locked("shop", 5):
        pass


# --- files ---


def test_write_sets_text_mode_and_owner(tmp_path):
    path = tmp_path / "a"
    files.write(str(path), "é\n", 0o640, os.getuid(), os.getgid())
    found = path.stat()
    assert path.read_text(encoding="utf-8") == "é\n"
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o640, os.getuid(), os.getgid())


def test_write_replaces_a_file_in_one_step(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with path.open() as reader:
        files.write(str(path), "new", 0o644, os.getuid(), os.getgid())
        assert reader.read() == "old"  # A process with the open old file still reads all of it.
    assert path.read_text() == "new"


def test_write_that_fails_leaves_no_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        files.write(str(path), "half \ud800", 0o644, os.getuid(), os.getgid())
    assert os.listdir(tmp_path) == ["a"]
    assert path.read_text() == "old"


def test_an_error_of_the_system_names_the_site(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "LOCKS", str(tmp_path))

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    wanted = f"^site 'shop': files failed: {tmp_path}/unit: No space left on device$"
    with pytest.raises(StepError, match=wanted), files.locked("shop"):
        files.write(f"{tmp_path}/unit", "text")
    assert os.listdir(tmp_path) == ["site-shop.lock"]


def test_link_replaces_a_link_in_one_step(tmp_path):
    (tmp_path / ".current.new").symlink_to("left by a killed run")
    for target in ("releases/a", "releases/b"):
        files.link(target, str(tmp_path / "current"))
        assert os.readlink(tmp_path / "current") == target
    assert os.listdir(tmp_path) == ["current"]


def test_link_never_replaces_a_directory(tmp_path):
    (tmp_path / "current").mkdir()
    with pytest.raises(OSError, match="current"):
        files.link("releases/a", str(tmp_path / "current"))
    assert os.listdir(tmp_path) == ["current"]


@pytest.mark.parametrize(
    ("text", "wanted"), [('{"a": 1}', {"a": 1}), ('{"a": 1', {}), ("", {}), ("[1]", {}), ("null", {})]
)
def test_read_json_of_files_that_a_crash_left(tmp_path, text, wanted):
    (tmp_path / "a").write_text(text)
    assert files.read_json(str(tmp_path / "a")) == wanted
    assert files.read_json(str(tmp_path / "none")) == {}


@AS_ROOT
def test_a_record_is_only_trusted_if_root_owns_it_and_all_links_to_it(tmp_path):
    path = tmp_path / "home/shop/releases/1/release.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"units": {}}')
    assert files.recorded(str(path)) == {"units": {}}
    assert files.recorded(str(path.parent / "none")) == {}
    os.chown(path, 12345, 12345)
    assert files.recorded(str(path)) == {}
    os.chown(path, 0, 0)
    (tmp_path / "home/shop").rename(tmp_path / "home/old")
    (tmp_path / "home/shop").symlink_to("old")
    assert files.recorded(str(path)) == {"units": {}}  # a link of the administrator
    os.chown(tmp_path / "home/shop", 12345, 12345, follow_symlinks=False)
    assert files.recorded(str(path)) == {}


def test_remove_deletes_files_links_and_trees_but_no_targets_of_links(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "file").write_text("")
    for name in ("tree", "link", "broken", "file"):
        assert files.remove(str(tmp_path / name))
        assert not files.remove(str(tmp_path / name))
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(kept) == ["file"]


@AS_ROOT
def test_nothing_is_removed_behind_a_link_of_another_user(tmp_path):
    (tmp_path / "etc/shop").mkdir(parents=True)
    (tmp_path / "works").symlink_to(tmp_path / "etc")
    os.chown(tmp_path / "works", 12345, 12345, follow_symlinks=False)
    for path in ("works/shop", "works/shop/file"):
        with pytest.raises(OSError, match="and root follows links of root only"):
            files.remove(str(tmp_path / path))
    assert (tmp_path / "etc/shop").is_dir()
    os.chown(tmp_path / "works", 0, 0, follow_symlinks=False)
    assert files.remove(str(tmp_path / "works/shop"))
    assert os.listdir(tmp_path / "etc") == []


# --- the lock file ---


def busy(process):
    return LookupError(f"held by {process}")


def test_locks_are_in_a_directory_that_only_root_can_write(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "LOCKS", str(tmp_path / "run/pyweb.stack"))
    old = os.umask(0o077)
    try:
        with files.locked("shop"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "run/pyweb.stack").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "run/pyweb.stack/site-shop.lock").stat().st_mode) == 0o600


def test_locks_of_sites_are_in_run(monkeypatch):
    held = []
    monkeypatch.undo()
    monkeypatch.setattr(files, "_make_public", held.append)
    monkeypatch.setattr(os, "open", lambda path, _flags, _mode: held.append(path) or os.dup(1))
    monkeypatch.setattr(files.fcntl, "flock", lambda _stream, _how: (nothing for nothing in ()).throw(BlockingIOError))
    wanted = r"^site 'shop': lock failed: another run \(process unknown\) has held /run/pyweb\.stack/site-shop\.lock"
    wanted += " for 0 s$"
    with pytest.raises(StepError, match=wanted), files.locked("shop", 0):
        pass
    assert held == ["/run/pyweb.stack", "/run/pyweb.stack/site-shop.lock"]


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / "site-shop.lock").symlink_to(tmp_path / "target")
    wanted = f"site 'shop': files failed: {tmp_path}/site-shop.lock: Too many levels of symbolic links"
    with pytest.raises(StepError, match=wanted), files.locked("shop"):
        pass
    assert not (tmp_path / "target").exists()


def test_a_held_lock_times_out_and_a_free_one_names_its_new_holder(tmp_path):
    path = str(tmp_path / "deep/er/a.lock")
    mine = pytest.raises(LookupError, match=f"held by {os.getpid()}$")
    with files.hold(path, 1, busy), mine, files.hold(path, 0.3, busy):
        pass
    with open(path, "w") as stream:
        stream.write("123456789 and what was longer before")
    with files.hold(path, 0, busy), open(path) as stream:
        assert stream.read() == str(os.getpid())


def test_the_holder_of_an_empty_lock_is_unknown(tmp_path):
    path = str(tmp_path / "a.lock")
    with open(path, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(LookupError, match="held by unknown"), files.hold(path, 0, busy):
            pass


def test_a_lock_is_released_after_an_exception(tmp_path):
    path = str(tmp_path / "a.lock")
    with pytest.raises(KeyError), files.hold(path, 0, busy):
        raise KeyError
    with files.hold(path, 0, busy):
        pass


# --- mounts ---

MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:25 / /run rw,nosuid - tmpfs tmpfs rw
31 22 8:2 / {folder}/tree/data rw - ext4 /dev/sdb1 rw
32 22 8:3 / {folder}/with\\040space rw - ext4 /dev/sdc1 rw
33 22 8:4 / {folder}/tree-beside rw - ext4 /dev/sdd1 rw
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("tree", ["tree/data"]),
        ("tree/data", ["tree/data"]),
        ("tree/other", []),
        ("link", ["tree/data"]),
        ("with space", ["with space"]),
        ("tre", []),
    ],
)
def test_mounts_at_and_below_a_path(tmp_path, path, found):
    (tmp_path / "tree").mkdir()
    (tmp_path / "link").symlink_to("tree")
    (tmp_path / "mountinfo").write_text(MOUNTS.format(folder=tmp_path))
    mounts = files.mounts(str(tmp_path / path), str(tmp_path / "mountinfo"))
    assert mounts == [str(tmp_path / name) for name in found]


def test_this_host_has_a_mount():
    assert "/proc" in files.mounts("/proc")


def test_a_tree_is_never_removed_through_a_mount(tmp_path, monkeypatch):
    (tmp_path / "tree/data").mkdir(parents=True)
    (tmp_path / "tree/data/precious").write_text("x")
    (tmp_path / "tree/file").write_text("x")
    asked = []
    monkeypatch.setattr(files, "mounts", lambda path: asked.append(path) or [f"{path}/data"])
    wanted = f"{tmp_path}/tree/data is a mount; unmount it first"
    with pytest.raises(OSError, match=wanted) as caught:
        files.remove(str(tmp_path / "tree"))
    assert (caught.value.errno, caught.value.filename, asked) == (
        errno.EBUSY,
        str(tmp_path / "tree"),
        [str(tmp_path / "tree")],
    )
    assert (tmp_path / "tree/data/precious").exists()
    assert (tmp_path / "tree/file").exists()


# --- reading ---


def test_reading_existing_and_missing_files(tmp_path):
    (tmp_path / "text").write_bytes("é\n".encode())
    (tmp_path / "binary").write_bytes(b"a\xffb")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/b").touch()
    (tmp_path / "folder/a").touch()
    (tmp_path / "link").symlink_to("nowhere/at all")
    assert files.read(str(tmp_path / "text")) == files.read_or_empty(str(tmp_path / "text")) == "é\n"
    assert files.read(str(tmp_path / "none")) == files.read_or_empty(str(tmp_path / "none")) == ""
    with pytest.raises(IsADirectoryError):
        files.read(str(tmp_path / "folder"))
    assert files.read_or_empty(str(tmp_path / "folder")) == ""
    assert files.read_or_empty(str(tmp_path / "binary")) == "a\ufffdb"
    assert files.read_link(str(tmp_path / "link")) == "nowhere/at all"
    assert files.read_link(str(tmp_path / "text")) == files.read_link(str(tmp_path / "none")) == ""
    assert files.names(str(tmp_path / "folder")) == ["a", "b"]
    assert files.names(str(tmp_path / "text")) == files.names(str(tmp_path / "none")) == []


def test_relink_creates_changes_and_removes_links(tmp_path):
    path = tmp_path / "previous"
    files.relink(str(path), "")
    assert not path.is_symlink()
    files.relink(str(path), "releases/a")
    inode = os.lstat(path).st_ino
    files.relink(str(path), "releases/a")
    assert (os.readlink(path), os.lstat(path).st_ino) == ("releases/a", inode)  # A correct link is unchanged.
    files.relink(str(path), "releases/b")
    assert os.readlink(path) == "releases/b"
    files.relink(str(path), "")
    assert os.listdir(tmp_path) == []


# --- writing ---


def test_put_replaces_a_file_of_a_killed_run_and_follows_no_link(tmp_path):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "a").symlink_to("target")
    files.put(str(tmp_path / "a"), b"new", 0o600, os.getuid(), os.getgid())
    assert (tmp_path / "target").read_text() == "kept"
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_write_survives_a_power_failure(tmp_path, monkeypatch):
    """The file is synced to the disk before the rename, and the directory afterwards (fsync(2))."""
    order = []

    def sync(descriptor):
        order.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    real = os.rename
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", lambda old, new: order.append((old, new)) or real(old, new))
    files.write(str(tmp_path / "a"), "x", 0o644, os.getuid(), os.getgid())
    temporary = f"{tmp_path}/.pyweb-{os.getpid()}"
    assert order == [temporary, (temporary, f"{tmp_path}/a"), str(tmp_path)]


def test_write_creates_a_file_of_root_that_all_can_read(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(files, "put", lambda *words: given.append(words))
    monkeypatch.setattr(files, "move", lambda *words: given.append(words))
    files.write(f"{tmp_path}/a", "é")
    temporary = f"{tmp_path}/.pyweb-{os.getpid()}"
    assert given == [(temporary, "é".encode(), 0o644, 0, 0), (temporary, f"{tmp_path}/a")]


def test_forget_only_removes_files_and_links(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "l").symlink_to("a")
    files.forget(str(tmp_path / "l"))
    assert os.listdir(tmp_path) == ["a"]
    files.forget(str(tmp_path / "a"))
    files.forget(str(tmp_path / "a"))
    files.forget(str(tmp_path / "a/b"))
    with pytest.raises(OSError, match=r"directory|permitted"):
        files.forget(str(tmp_path))
