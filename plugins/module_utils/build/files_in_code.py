# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put links into a build's code as the account that builds, or begin a site's data as its user.

The text of this file is sent to an interpreter of the host; it needs nothing but Python. It is these two who do it,
each in what is its own, because they may change the directories on the way.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from typing import Any


def main(given: str) -> None:
    """Do what `given` (JSON) asks for; print, as one line of JSON, what is to be told.

    `links` are path in the code -> target of a link, `writable` path in the code -> path among the data, of which
    `keep` begins the data, and `seed` is what -> [path in the code, path among the data].
    """
    wanted = json.loads(given)
    told: dict[str, Any] = {"replaced": [], "seeded": []}
    for path, target in wanted.get("links", {}).items():
        if os.path.isdir(path) and not os.path.islink(path):
            sys.exit(f"error: files has {name_of(path)!r}, which is a directory of the source")
        if os.path.lexists(path):
            told["replaced"].append(name_of(path))
            os.unlink(path)
        link(target, path)
    for path, target in wanted.get("writable", {}).items():
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        link(target, path)
    # Data are for the site and its group.
    os.umask(0o027)
    for path, target in wanted.get("keep", {}).items():
        if is_code(path):
            sys.exit(
                f"error: writable has {name_of(path)!r}, which is code of the project: each release would go on with "
                "that of the first one, and the site could change it; name what holds data"
            )
        keep(path, target)
    for what, (path, target) in wanted.get("seed", {}).items():
        if seed_database(path, target) if what == "database" else seed_media(path, target):
            told["seeded"].append(what)
    print(json.dumps(told))


def link(target: str, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def is_code(path: str) -> bool:
    """Say whether what the source has at a path is a package, a project or a module of Python."""
    inside = [os.path.join(path, name) for name in ("__init__.py", "manage.py")]
    return any(map(os.path.isfile, inside)) or (path.endswith(".py") and os.path.isfile(path))


def keep(path: str, target: str) -> None:
    """Make what is written among the data, once: what the source has there, or nothing.

    Where the source has nothing, a name with a dot in it is a file, which whoever writes it makes.
    """
    if os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    partial = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.new")
    discard(partial)
    if os.path.isdir(path):
        shutil.copytree(path, partial, symlinks=True)
    elif os.path.lexists(path):
        shutil.copyfile(path, partial, follow_symlinks=False)
    elif "." in os.path.basename(path)[1:]:
        return
    else:
        os.mkdir(partial)
    os.rename(partial, target)


def seed_database(path: str, target: str) -> bool:
    """Copy an SQLite file to where the site's database is to be, unless there is one."""
    if not os.path.isfile(path):
        sys.exit(f"error: seed.database: the source has no file {name_of(path)!r}")
    with open(path, "rb") as stream:
        if stream.read(16) != b"SQLite format 3\0":
            sys.exit(f"error: seed.database: {name_of(path)!r} is no SQLite database")
    if os.path.lexists(target) and os.path.getsize(target):
        return False
    partial = f"{target}.new"
    discard(partial)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as folder:
        own = os.path.join(folder, "source")
        for end in ("", "-wal", "-journal"):  # a journal beside it belongs to it, and SQLite has to write there
            if os.path.isfile(path + end):
                shutil.copyfile(path + end, own + end)
        source, copy = sqlite3.connect(own), sqlite3.connect(partial)
        try:
            source.backup(copy)
        finally:
            source.close()
            copy.close()
    os.rename(partial, target)
    return True


def seed_media(path: str, target: str) -> bool:
    """Copy the files of a directory into the media, unless there are any. Links are left out: nginx follows them."""
    if not os.path.isdir(path):
        sys.exit(f"error: seed.media: the source has no directory {name_of(path)!r}")
    # A copy that was cut short is begun anew; one that is whole is put into place to its end.
    partial, whole = os.path.join(target, ".seed.new"), os.path.join(target, ".seed")
    if not os.path.isdir(whole):
        if set(os.listdir(target)) - {".seed.new"}:
            return False
        discard(partial)
        copy_files(path, partial)
        os.rename(partial, whole)
    for name in os.listdir(whole):
        if not os.path.lexists(os.path.join(target, name)):
            os.rename(os.path.join(whole, name), os.path.join(target, name))
    discard(whole)
    return True


def copy_files(path: str, partial: str) -> None:
    for folder, folders, names in os.walk(path):
        inside = os.path.normpath(os.path.join(partial, os.path.relpath(folder, path)))
        os.makedirs(inside, exist_ok=True)
        folders[:] = [name for name in folders if not os.path.islink(os.path.join(folder, name))]
        for name in names:
            source = os.path.join(folder, name)
            if os.path.isfile(source) and not os.path.islink(source):
                shutil.copyfile(source, os.path.join(inside, name))


def name_of(path: str) -> str:
    """Return a path in the code as the inventory has it."""
    return path.partition("/src/")[2] or path


def discard(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
