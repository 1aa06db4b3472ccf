"""Files that root reads although others may have put them there: regular ones only, up to a limit."""

from __future__ import annotations

import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import tree
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import ask
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.model import regular, texts
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import options
from builds import AS_ROOT


@pytest.fixture(params=["fifo", "zero"])
def trap(request, tmp_path):
    """An endless file, or one without a writer: opening it as usual would block until the test is killed."""
    path = tmp_path / "trap"
    if request.param == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    return str(path)


def test_no_reader_waits_for_a_fifo_or_reads_a_device(trap):
    with pytest.raises(OSError, match="is not a regular file"):
        regular.content(trap)
    with pytest.raises(OSError, match="is not a regular file"):
        files.read(trap)
    assert files.read_or_empty(trap) == files.head(trap) == ask.tail(trap) == ""
    with pytest.raises(texts.Unreadable, match="cannot be read: is not a regular file"):
        texts.text_of(os.path.dirname(trap), "trap")
    assert options.read(["uwsgi", "--ini", trap], "/", {}).missing == [trap]
    with pytest.raises(dump.DumpError):
        dump.read_files(trap)


def test_a_digest_of_a_tree_ignores_a_fifo(tmp_path):
    before = tree.digest(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    assert tree.digest(str(tmp_path)) == before


def test_a_file_above_the_limit_is_refused(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as stream:
        stream.truncate(regular.MOST + 1)
    with pytest.raises(OSError, match="is larger than 64 MiB"):
        regular.content(str(path))
    assert files.read_or_empty(str(path)) == ""


@AS_ROOT
def test_a_source_cannot_make_root_read_private_files(public_path):
    (public_path / "src").mkdir()
    private, public = public_path / "shadow", public_path / "common.txt"
    private.write_text("root:$y$hash\n")
    private.chmod(0o640)
    public.write_text("django\n")
    (public_path / "src/requirements.txt").symlink_to(private)
    (public_path / "src/common.txt").symlink_to(public)
    (public_path / "src/own.txt").symlink_to("inside.txt")
    (public_path / "src/inside.txt").write_text("own\n")
    (public_path / "src/inside.txt").chmod(0o600)
    with pytest.raises(texts.Unreadable, match=r"^requirements\.txt: leads out of the source, to a file that not"):
        texts.text_of(str(public_path / "src"), "requirements.txt")
    assert texts.text_of(str(public_path / "src"), "common.txt") == "django\n"
    assert texts.text_of(str(public_path / "src"), "own.txt") == "own\n"


@AS_ROOT
@pytest.mark.parametrize("open_to_all", [False, True])
def test_a_file_in_a_private_directory_is_private(public_path, open_to_all):
    """Its own mode does not matter then, as for files in /root and the code of other sites."""
    private, src = public_path / "private", public_path / "src"
    private.mkdir()
    (private / "settings.toml").write_text("secret = 'abcdef'\n")
    os.chmod(private / "settings.toml", 0o644)
    os.chmod(private, 0o755 if open_to_all else 0o750)
    src.mkdir()
    (src / "pyproject.toml").symlink_to(private / "settings.toml")
    if open_to_all:
        assert texts.toml(str(src), "pyproject.toml") == {"secret": "abcdef"}
        return
    with pytest.raises(texts.Unreadable, match="that not every user can read"):
        texts.toml(str(src), "pyproject.toml")


@AS_ROOT
def test_the_open_file_is_checked_and_not_the_path(public_path, monkeypatch):
    (public_path / "src").mkdir()
    own, secret = public_path / "src/requirements.txt", public_path / "shadow"
    own.symlink_to(secret)
    secret.write_text("root:$y$hash\n")
    secret.chmod(0o600)
    opened = regular.opened

    def exchanged(path):
        stream = opened(path)
        own.unlink()
        own.write_text("django\n")
        return stream

    monkeypatch.setattr(regular, "opened", exchanged)
    with pytest.raises(texts.Unreadable, match="that not every user can read"):
        texts.text_of(str(public_path / "src"), "requirements.txt")


def test_the_digest_of_a_tree_is_the_same_as_in_earlier_versions(tmp_path):
    (tmp_path / "a.txt").write_text("a\n" * 700_000)
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("a.txt")
    assert tree.digest(str(tmp_path)) == "11b2b5a026f3d9f6ef0e580322d6eeaad4d7982a7276eaae586c9aa4bac2e86a"
