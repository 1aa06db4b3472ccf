"""What root does below directories of other users, who may replace anything at any time: nothing outside changes."""

from __future__ import annotations

import contextlib
import os
import stat
import threading

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import nofollow
from builds import AS_ROOT

SITE, OTHER = 12345, 12346

pytestmark = AS_ROOT


@pytest.fixture
def place(tmp_path):
    """A directory of a site below one of root, and a directory of root that the site must not get."""
    # pytest's own directories belong to root, with mode 0700: others cannot reach what is below them.
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/cron").mkdir()
    (tmp_path / "state").mkdir(mode=0o711)
    os.chown(tmp_path / "state", SITE, SITE)
    return tmp_path


def owner(path):
    return os.lstat(path).st_uid


def planted(place, name="media", target=None):
    """Create a link as the site's user would."""
    link = place / "state" / name
    link.symlink_to(target or place / "etc/cron")
    os.chown(link, SITE, SITE, follow_symlinks=False)
    return link


def test_a_directory_is_created_with_its_owner_and_mode(place):
    nofollow.ensure(f"{place}/state/media", 0o2750, SITE, OTHER)
    found = os.stat(place / "state/media")
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o2750, SITE, OTHER)


def test_an_existing_directory_gets_them_unless_keep_is_set(place):
    (place / "state/media").mkdir(mode=0o700)
    nofollow.ensure(f"{place}/state/media", 0o750, SITE, SITE, keep=True)
    assert owner(place / "state/media") == 0
    nofollow.ensure(f"{place}/state/media", 0o750, SITE, SITE)
    assert owner(place / "state/media") == SITE


def test_missing_parent_directories_belong_to_root(place):
    old = os.umask(0o077)
    try:
        nofollow.ensure(f"{place}/a/b/c", 0o750, SITE, SITE)
    finally:
        os.umask(old)
    assert (owner(place / "a/b"), stat.S_IMODE(os.stat(place / "a/b").st_mode)) == (0, 0o755)
    assert owner(place / "a/b/c") == SITE


@pytest.mark.parametrize("path", ["media", "media/below"])
def test_a_link_of_the_site_is_refused_and_named(place, path):
    link = planted(place)
    with pytest.raises(nofollow.Unsafe, match="is a link of the user 12345, and root follows links of root") as caught:
        nofollow.ensure(f"{place}/state/{path}", 0o750, SITE, SITE)
    assert caught.value.filename == str(link)
    assert owner(place / "etc/cron") == 0
    assert not (place / "etc/cron/below").exists()


def test_a_link_of_root_in_a_directory_of_the_site_is_followed(place):
    (place / "disk").mkdir()
    (place / "state/media").symlink_to(place / "disk")
    nofollow.ensure(f"{place}/state/media", 0o750, SITE, SITE)
    assert owner(place / "disk") == SITE


def test_an_administrators_link_to_another_disk_is_followed(place):
    (place / "disk").mkdir()
    (place / "sites").symlink_to("disk")
    (place / "again").symlink_to(place / "sites")
    nofollow.ensure(f"{place}/again/shop", 0o750, SITE, SITE)
    assert owner(place / "disk/shop") == SITE


def test_circular_links_are_an_error(place):
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        nofollow.ensure(f"{place}/a/c", 0o750, SITE, SITE)


def test_a_file_replaces_a_link_and_not_its_target(place):
    planted(place, "list", place / "etc/passwd")
    nofollow.create(f"{place}/state/list", b"new", 0o640, 0, SITE)
    found = os.lstat(place / "state/list")
    assert (stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (
        True,
        0o640,
        0,
        SITE,
    )
    assert not (place / "etc/passwd").exists()


def test_a_file_that_cannot_be_written_leaves_no_temporary_file(place):
    (place / "state/list").mkdir()
    with pytest.raises(IsADirectoryError):
        nofollow.create(f"{place}/state/list", b"new", 0o640, 0, 0)
    assert os.listdir(place / "state") == ["list"]


def test_the_owner_of_a_tree_is_changed_including_links_but_not_their_targets(place):
    (place / "build/src").mkdir(parents=True)
    (place / "build/src/a.py").write_text("")
    (place / "build/src/out").symlink_to(place / "etc/cron")
    nofollow.give(f"{place}/build", SITE, SITE)
    assert {owner(place / "build" / name) for name in ("", "src", "src/a.py", "src/out")} == {SITE}
    assert owner(place / "etc/cron") == 0


def test_a_tree_is_removed_but_not_the_targets_of_its_links(place):
    (place / "etc/cron/job").write_text("")
    (place / "state/media/deep").mkdir(parents=True)
    planted(place, "media/deep/out")
    assert nofollow.remove(f"{place}/state/media") is True
    assert nofollow.remove(f"{place}/state/media") is False
    assert (place / "etc/cron/job").exists()


@pytest.mark.parametrize("depth", [nofollow.DEEPEST - 1, nofollow.DEEPEST, 2500])
def test_a_tree_of_any_depth_is_removed(place, depth):
    """Deeper than Python's limit of recursion, and than the limit of open files."""
    (place / "state/media").mkdir()
    here = os.open(place / "state/media", os.O_RDONLY)
    for number in range(depth):
        os.close(os.open("file", os.O_CREAT, dir_fd=here))
        for name in ("deeper", f"beside{number}"):
            os.mkdir(name, dir_fd=here)
        os.symlink(place / "etc/cron", "link", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert nofollow.remove(f"{place}/state/media") is True
    assert os.listdir(place / "state") == []
    assert (place / "etc/cron").is_dir()


def test_a_link_itself_is_removed(place):
    planted(place)
    assert nofollow.remove(f"{place}/state/media")
    assert (place / "etc/cron").is_dir()


def test_replacing_a_directory_by_a_link_at_any_moment_gives_no_rights(place):
    """The attacker does so as fast as it can, while root gives the directory to the site and creates files in it."""
    target, swapped = place / "state/media", place / "state/aside"
    target.mkdir()
    # The link belongs to the site: one of root, as this test would create, is followed.
    link = planted(place, "link")
    done = threading.Event()

    def exchange():
        while not done.is_set():
            # Root may have created a directory in between.
            with contextlib.suppress(OSError):
                os.rename(target, swapped)
            with contextlib.suppress(OSError):
                os.rename(link, target)
                os.rename(target, link)
            with contextlib.suppress(OSError):
                os.rename(swapped, target)

    attacker = threading.Thread(target=exchange)
    attacker.start()
    try:
        for _try in range(200):
            for work in (
                lambda: nofollow.ensure(f"{target}", 0o750, SITE, SITE),
                lambda: nofollow.create(f"{target}/file", b"", 0o600, SITE, SITE),
            ):
                with contextlib.suppress(OSError):
                    work()
            assert owner(place / "etc/cron") == 0
            assert os.listdir(place / "etc/cron") == []
    finally:
        done.set()
        attacker.join(30)


def test_only_absolute_paths_are_allowed(place):
    with pytest.raises(ValueError, match="is not an absolute path"), nofollow.folder("state"):
        pass
