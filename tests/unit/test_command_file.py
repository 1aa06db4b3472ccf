"""The file of the command `pyweb` on a host: installed, kept, replaced, removed."""

from __future__ import annotations

import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import command_file
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts

SOURCES = "5" * 64
CONTENT = command_file.made(SOURCES, b"an archive")
COMPLETION = "# Written by pyweb.stack\n"


@pytest.fixture
def place(memory_folder):
    """Return the directory of the command."""
    folder = memory_folder / "usr/bin"
    folder.mkdir(parents=True)
    (memory_folder / "usr/local/share").mkdir(parents=True)
    return folder


def ensure(content=CONTENT, check_mode=False, sources=SOURCES):
    return command_file.ensure(sources, content, COMPLETION, check_mode)


def test_it_is_installed_once(place):
    assert ensure(check_mode=True) == (layouts.PYWEB_COMMAND, "")
    assert not os.path.exists(layouts.PYWEB_COMMAND)
    with pytest.raises(command_file.NotSent):
        ensure(b"")
    assert ensure() == (layouts.PYWEB_COMMAND, "")
    assert (place / "pyweb").read_bytes() == CONTENT
    assert (place / "pyweb").stat().st_mode & 0o7777 == 0o755
    assert os.path.exists(layouts.PYWEB_COMPLETION)
    assert ensure(b"") == ("", "")
    assert ensure(b"", check_mode=True) == ("", "")


@pytest.mark.parametrize("damage", ["other sources", "other archive", "longer", "mode", "another version"])
def test_a_file_that_differs_is_replaced(place, damage):
    ensure()
    path = place / "pyweb"
    changed = {
        "other sources": CONTENT.replace(b"5555", b"6666", 1),
        "other archive": CONTENT.replace(b"an archive", b"no archive"),
        "longer": CONTENT + b"\n",
        "another version": b"#!/bin/sh\n# Written by pyweb.stack, some day\n",
    }
    path.write_bytes(changed.get(damage, CONTENT))
    if damage == "mode":
        path.chmod(0o777)
    assert not command_file.is_current(SOURCES)
    assert ensure() == (layouts.PYWEB_COMMAND, "")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["file", "link", "directory", "link to ours"])
def test_a_foreign_file_is_kept(place, kind):
    path, other = place / "pyweb", place / "other"
    if kind == "file":
        path.write_text("#!/bin/sh\necho mine\n")
    elif kind == "directory":
        path.mkdir()
    else:
        other.write_bytes(CONTENT if kind == "link to ours" else b"mine")
        path.symlink_to(other)
    for content in (b"", CONTENT):
        changed, note = ensure(content)
        assert changed == ""
        assert note.startswith(f"{path} was not written by pyweb.stack")
    assert command_file.remove(False) == []
    assert os.path.lexists(path)


def test_a_foreign_completion_is_kept(place):
    os.makedirs(os.path.dirname(layouts.PYWEB_COMPLETION))
    with open(layouts.PYWEB_COMPLETION, "w", encoding="utf-8") as stream:
        stream.write("mine\n")
    assert ensure() == (layouts.PYWEB_COMMAND, "")
    assert command_file.remove(False) == [layouts.PYWEB_COMMAND]
    with open(layouts.PYWEB_COMPLETION, encoding="utf-8") as stream:
        assert stream.read() == "mine\n"


def test_both_files_are_removed_with_the_directories_that_were_created_for_them(place):
    ensure()
    assert command_file.remove(True) == [layouts.PYWEB_COMMAND, layouts.PYWEB_COMPLETION]
    assert os.path.exists(layouts.PYWEB_COMMAND)
    assert command_file.remove(False) == [layouts.PYWEB_COMMAND, layouts.PYWEB_COMPLETION]
    assert sorted(os.listdir(place)) == []
    share = os.path.dirname(os.path.dirname(os.path.dirname(layouts.PYWEB_COMPLETION)))
    assert os.listdir(share) == []
    assert command_file.remove(False) == []


def test_a_read_only_directory_is_only_a_note(place, monkeypatch):
    def refuse(path, *_rest):
        raise OSError(30, "Read-only file system", path)

    monkeypatch.setattr(command_file.nofollow, "create", refuse)
    assert ensure() == ("", f"{layouts.PYWEB_COMMAND}: Read-only file system; the command pyweb is not installed")
