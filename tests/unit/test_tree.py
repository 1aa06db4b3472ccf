"""The digest and the archive of a directory of code."""

from __future__ import annotations

import os
import subprocess
import tarfile

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import tree


@pytest.fixture
def code(tmp_path):
    """A project with files that count and files that do not."""
    root = tmp_path / "code"
    for name in (
        "manage.py",
        "mysite/settings.py",
        "mysite/static/a b;c\n.css",
        ".env.example",
        ".git/HEAD",
        "mysite/__pycache__/settings.pyc",
        "old.pyc",
        "db.sqlite3",
        "db.sqlite3-journal",
        "node_modules/x/index.js",
        "anything/pyvenv.cfg",
        "anything/lib/x.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "manage.py").chmod(0o755)
    (root / "empty").mkdir()
    (root / "link.py").symlink_to("manage.py")
    (root / "folder").symlink_to("mysite")
    (root / "broken").symlink_to("/nowhere")
    os.mkfifo(root / "pipe")
    return root


def unpacked(archive):
    """Return the directory where the archive was unpacked, as by a build."""
    folder = archive.parent / "unpacked"
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--no-same-owner", "--file", archive, "--directory", folder], check=True)
    return str(folder)


COUNTING = [
    ".env.example",
    "broken",
    "folder",
    "link.py",
    "manage.py",
    "mysite/settings.py",
    "mysite/static/a b;c\n.css",
]


def test_only_code_counts(code):
    assert sorted(tree.entries(str(code))) == COUNTING


def test_digest_is_the_same_for_the_same_code(code, tmp_path):
    before = tree.digest(str(code))
    for path in code.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1, 1))
    (code / "new.pyc").write_text("compiled")
    (code / "db.sqlite3").write_text("more data")
    (code / "new-empty").mkdir()
    os.rename(code, tmp_path / "elsewhere")
    assert tree.digest(str(tmp_path / "elsewhere")) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda code: (code / "manage.py").write_text("other"),
        lambda code: (code / "manage.py").chmod(0o644),
        lambda code: (code / "manage.py").rename(code / "manage2.py"),
        lambda code: (code / "manage.py").unlink(),
        lambda code: (code / "new.py").write_text(""),
        lambda code: ((code / "broken").unlink(), (code / "broken").symlink_to("/elsewhere")),
        lambda code: ((code / "broken").unlink(), (code / "broken").write_text("/nowhere")),
    ],
)
def test_digest_changes_with_the_code(code, change):
    before = tree.digest(str(code))
    change(code)
    assert tree.digest(str(code)) != before


def test_digest_depends_on_where_a_file_ends(tmp_path):
    """The same bytes, split differently into names and contents, are different code."""
    for root, files in (("a", {"x": "1", "y": "2"}), ("b", {"x": "1- 1 y 1\n2"})):
        (tmp_path / root).mkdir()
        for name, text in files.items():
            (tmp_path / root / name).write_text(text)
    assert tree.digest(str(tmp_path / "a")) != tree.digest(str(tmp_path / "b"))


def test_a_name_that_is_not_utf8(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.txt", "wb"):
        pass
    before = tree.digest(str(tmp_path))
    os.rename(os.fsencode(tmp_path) + b"/\xff.txt", os.fsencode(tmp_path) + b"/\xfe.txt")
    assert tree.digest(str(tmp_path)) != before
    tree.pack(str(tmp_path), str(tmp_path) + ".tgz")


def test_unpacking_an_archive_gives_the_same_code(code, tmp_path):
    tree.pack(str(code), str(tmp_path / "code.tgz"))
    with tarfile.open(tmp_path / "code.tgz") as tar:
        assert sorted(tar.getnames()) == COUNTING
        assert {(member.uid, member.gid, member.uname, member.gname) for member in tar} == {(0, 0, "", "")}
        modes = {member.name: member.mode for member in tar}
    assert (modes["manage.py"], modes["mysite/settings.py"]) == (0o755, 0o644)
    assert tree.digest(unpacked(tmp_path / "code.tgz")) == tree.digest(str(code))


def test_hard_links_are_packed(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a").write_text("same")
    os.link(tmp_path / "code/a", tmp_path / "code/b")
    tree.pack(str(tmp_path / "code"), str(tmp_path / "code.tgz"))
    assert tree.digest(unpacked(tmp_path / "code.tgz")) == tree.digest(str(tmp_path / "code"))


def test_a_file_that_does_not_count_is_packed_on_request(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/manage.py").touch()
    before = tree.digest(str(tmp_path / "code"))
    (tmp_path / "code/db.sqlite3").touch()
    assert tree.digest(str(tmp_path / "code")) == before
    tree.pack(str(tmp_path / "code"), str(tmp_path / "code.tgz"), ["db.sqlite3", "manage.py", "none.sqlite3"])
    with tarfile.open(tmp_path / "code.tgz") as archive:
        assert archive.getnames() == ["manage.py", "db.sqlite3"]


def test_databases_that_do_not_count(tmp_path):
    for name, text in {
        "db.sqlite3": "x",
        "a/b.sqlite3": "x",
        "empty.sqlite3": "",
        "node_modules/c.sqlite3": "x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "link.sqlite3").symlink_to("db.sqlite3")
    assert tree.databases(str(tmp_path)) == ["db.sqlite3", "a/b.sqlite3"]
