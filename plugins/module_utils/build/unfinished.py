# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The virtualenv that the inventory names, while a build makes it: a failed or killed build leaves no part of it.

The next build would take that part for a complete virtualenv of somebody else, and install nothing into it. The
directory may contain other files, for example the project. Therefore what was there before is noted, on the disk and
not among those files, which belong to another account. After a kill, the virtualenv is removed only if it is still the
same one.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
from collections.abc import Iterator

from ..host import files
from ..model.layout import Layout

# What makes a directory a virtualenv. Everything else in it is overwritten when it is made again.
PARTS = ("pyvenv.cfg", "lib64", "bin/python*", "lib/python3*")


@contextlib.contextmanager
def making(layout: Layout, home: str) -> Iterator[None]:
    """Remove the virtualenv `home` if the block makes it and then fails. If there is one already, do nothing."""
    if home in ("", "none") or (os.path.exists(f"{home}/bin/python") and not _is_left(layout, home)):
        yield
        return
    _discard_left(layout, home)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # report the first failure; the next build tries again
            _discard(layout)
        raise
    files.forget(layout.unfinished)


def made(layout: Layout, home: str) -> None:
    """Note which virtualenv the build has made, before anything is installed into it."""
    note = files.recorded(layout.unfinished)
    if note.get("home") == home:
        _write(layout, {**note, "made": _identity(home)})


def again(layout: Layout, home: str) -> None:
    """Remove the virtualenv that the build has made, because it makes another one in its place."""
    _discard(layout)
    _begin(layout, home)


def _is_left(layout: Layout, home: str) -> bool:
    """Return whether a killed build left the virtualenv `home`, and nobody has made another one there since."""
    note = files.recorded(layout.unfinished)
    return note.get("home") == home and note["made"] in (None, _identity(home))


def _discard_left(layout: Layout, home: str) -> None:
    """Remove what a killed build left, and note what is at `home` now."""
    note = files.recorded(layout.unfinished)
    if note and note["made"] and note["made"] == _identity(note["home"]):
        _discard(layout)
    elif note and note["home"] == home and note["made"] is None:
        # It was killed before it installed anything: what is there now may be somebody else's, and is only completed.
        _remove_new(glob.glob(f"{glob.escape(home)}/bin/python*"), note["parts"])
        return
    _begin(layout, home)


def _begin(layout: Layout, home: str) -> None:
    found = {"there": os.path.isdir(home), "empty": not files.names(home), "parts": _parts(home)}
    _write(layout, {"home": home, **found, "made": None})


def _discard(layout: Layout) -> None:
    """Remove the noted virtualenv, but nothing that was there before."""
    note = files.recorded(layout.unfinished)
    if note:
        home = note["home"]
        if not note["there"]:
            files.remove(home)
        elif note["empty"]:
            _remove_new([f"{home}/{name}" for name in files.names(home)], [])
        else:
            _remove_new(_parts(home), note["parts"])
    files.forget(layout.unfinished)


def _remove_new(paths: list[str], before: list[str]) -> None:
    for path in paths:
        if path not in before:
            files.remove(path)


def _write(layout: Layout, note: dict[str, object]) -> None:
    files.write(layout.unfinished, json.dumps(note) + "\n", 0o600)


def _parts(home: str) -> list[str]:
    return sorted(path for part in PARTS for path in glob.glob(f"{glob.escape(home)}/{part}"))


def _identity(home: str) -> list[int]:
    """Return what differs between two virtualenvs that were made at the same place; [] if there is none."""
    try:
        found = os.lstat(f"{home}/pyvenv.cfg")
    except OSError:
        return []
    return [found.st_ino, found.st_mtime_ns]
