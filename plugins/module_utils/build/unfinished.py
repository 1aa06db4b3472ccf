# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The virtualenv that the inventory names, while a run makes it: a failed or killed run must not leave a part of it.

The next run would take that part for a complete virtualenv of somebody else, and install nothing into it. The directory
may contain other files, for example the project. Therefore what was there before is noted, on the disk and not among
those files, which belong to another account.
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


def is_left(layout: Layout, home: str) -> bool:
    """Return whether a killed run left a part of the virtualenv `home`."""
    return files.recorded(layout.unfinished).get("home") == home


@contextlib.contextmanager
def making(layout: Layout, home: str) -> Iterator[None]:
    """Make the virtualenv `home`, which does not exist, in the block; if that fails, remove its parts."""
    begin(layout, home)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # report the first failure; the next run tries again
            discard(layout)
        raise
    files.forget(layout.unfinished)


def begin(layout: Layout, home: str) -> None:
    """Note what is at `home`, after removing what an earlier attempt left."""
    discard(layout)
    note = {"home": home, "there": os.path.isdir(home), "empty": not files.names(home), "parts": _parts(home)}
    files.write(layout.unfinished, json.dumps(note) + "\n", 0o600)


def discard(layout: Layout) -> None:
    """Remove the parts of the noted virtualenv, but nothing that was there before."""
    note = files.recorded(layout.unfinished)
    if note:
        home = note["home"]
        if not note["there"]:
            files.remove(home)
        elif note["empty"]:
            for name in files.names(home):
                files.remove(f"{home}/{name}")
        else:
            for path in _parts(home):
                if path not in note["parts"]:
                    files.remove(path)
    files.forget(layout.unfinished)


def _parts(home: str) -> list[str]:
    return sorted(path for part in PARTS for path in glob.glob(f"{glob.escape(home)}/{part}"))
