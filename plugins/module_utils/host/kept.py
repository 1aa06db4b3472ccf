# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of files that were replaced, edited or removed, and what the collection made of each file.

The copy of /etc/x is kept/etc/x in the collection's memory. changed.json records what the collection made of each file.
A file that differs from this was changed by someone else and is not restored.
"""

from __future__ import annotations

import hashlib
import json
import os

from ..model.layout import MEMORY
from . import file_change, files
from .file_change import Change, Found, Wanted


def copy_of(path: str, memory: str = MEMORY) -> str:
    """Return the path of the copy of a file, whether it exists or not."""
    return f"{memory}/kept{path}"


def keep(change: Change, memory: str = MEMORY) -> bool:
    """Copy the current file at a path if its change requires it; return whether it was copied. Copies are kept."""
    wanted, before = change.wanted, change.before
    copy = copy_of(wanted.path, memory)
    if not wanted.keep or before.kind == "absent" or wanted.is_marked(before) or os.path.lexists(copy):
        return False
    os.makedirs(f"{memory}/kept", mode=0o700, exist_ok=True)
    os.makedirs(os.path.dirname(copy), mode=0o755, exist_ok=True)
    file_change.write(copy, before)
    files.sync(os.path.dirname(copy))
    return True


def forget(path: str, memory: str = MEMORY) -> None:
    """Remove a copy, and the directories that are then empty."""
    copy = copy_of(path, memory)
    files.forget(copy)
    folder = os.path.dirname(copy)
    while folder.startswith(f"{memory}/") and os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
        folder = os.path.dirname(folder)


def compare(wanted: Wanted, memory: str = MEMORY) -> Change:
    """Compare a file with its copy; only a file that has not changed since can be restored."""
    before = file_change.look(wanted.path)
    copy = file_change.look(copy_of(wanted.path, memory))
    if copy.kind == "absent" or not (wanted.is_marked(before) or is_as_left(wanted.path, before, memory)):
        return Change(wanted, before, before, "unchanged")
    state = "unchanged" if before == copy else "created" if before.kind == "absent" else "changed"
    return Change(wanted, before, copy, state)


def is_as_left(path: str, found: Found, memory: str = MEMORY) -> bool:
    """Return whether a file is still what the collection made of it."""
    return _record(memory).get(path) == fingerprint(found)


def note(changes: list[Change], made: list[str], memory: str = MEMORY) -> list[str]:
    """Record what became of the files with a copy, and remove the copies of those that were restored.

    `made` are the paths whose copies are new. Return sentences about files that could not be restored.
    """
    record = _record(memory)
    before, stuck = dict(record), []
    for change in changes:
        wanted, path = change.wanted, change.wanted.path
        copy = file_change.look(copy_of(path, memory))
        if copy.kind == "absent":
            record.pop(path, None)
        elif wanted.kind == "kept" and change.after == copy:
            forget(path, memory)
            record.pop(path, None)
        elif wanted.kind == "kept":
            where = copy_of(path, memory)
            stuck.append(f"{path} was not restored, because it was changed since; its original: {where}")
        elif wanted.keep and change.state != "unchanged":
            # Later changes by others are in neither the copy nor our version: the file is never restored automatically.
            known = path in made or wanted.is_marked(change.before) or record.get(path) == fingerprint(change.before)
            record[path] = fingerprint(change.after) if known else ""
    if record != before:
        os.makedirs(memory, mode=0o755, exist_ok=True)
        files.write(f"{memory}/changed.json", json.dumps(record, indent=1, sort_keys=True) + "\n", 0o600)
    return stuck


def fingerprint(found: Found) -> str:
    """Return a value that identifies the content of a path."""
    if found.kind == "file":
        return hashlib.sha256(found.content).hexdigest()
    return f"link {found.target}" if found.kind == "link" else found.kind


def _record(memory: str) -> dict[str, str]:
    return files.read_json(f"{memory}/changed.json")
