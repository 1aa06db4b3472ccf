# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A program of its own, not part of a module: it prints its result, and exits with an error.
# pylint: disable=ansible-bad-function
"""Put links into a build's code as the account that builds, or copy a site's initial data as its user.

The text of this file is sent to an interpreter of the host, so it needs only Python. Each of the two accounts works
only on its own files, because it may change the directories on the way.
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
    """Do what `given` (JSON) contains; print the messages for the user as one line of JSON.

    `links` maps a path in the code to the target of a link, `writable` a path in the code to a path among the data.
    `keep` contains the entries of `writable` to copy the initial data of. `seed` maps what is copied to [path in the
    code, path among the data].
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
    # The data are for the site and its group.
    os.umask(0o027)
    for path, target in wanted.get("keep", {}).items():
        if is_code(path):
            sys.exit(
                f"error: writable has {name_of(path)!r}, which is code of the project: each release would use the code "
                "of the first release, and the site could change it; name a path that contains only data"
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
    """Return whether the source has a package, project or module of Python at a path."""
    inside = [os.path.join(path, name) for name in ("__init__.py", "manage.py")]
    return any(map(os.path.isfile, inside)) or (path.endswith(".py") and os.path.isfile(path))


def keep(path: str, target: str) -> None:
    """Create what is writable among the data, once: a copy of what the source has there, or nothing.

    If the source has nothing there, a name with a dot means a file, which the process that writes it creates.
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
    """Copy an SQLite file to the path of the site's database, unless the database exists."""
    if not os.path.isfile(path):
        sys.exit(f"error: seed.database: the source has no file {name_of(path)!r}")
    with open(path, "rb") as stream:
        if stream.read(16) != b"SQLite format 3\0":
            sys.exit(f"error: seed.database: {name_of(path)!r} is not an SQLite database")
    if os.path.lexists(target) and os.path.getsize(target):
        return False
    partial = f"{target}.new"
    discard(partial)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as folder:
        own = os.path.join(folder, "source")
        for end in ("", "-wal", "-journal"):  # a journal beside it belongs to it, and SQLite needs to write there
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
    """Copy the files of a directory into empty media. Links are left out, because nginx follows them."""
    if not os.path.isdir(path):
        sys.exit(f"error: seed.media: the source has no directory {name_of(path)!r}")
    # An interrupted copy is started again; a complete one is moved into place.
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
    """Return a path in the code as the inventory writes it."""
    return path.partition("/src/")[2] or path


def discard(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
