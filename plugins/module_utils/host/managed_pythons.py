# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Pythons that uv installed on a host: which builds use them, and the removal of unused ones."""

from __future__ import annotations

import glob
import os

from ..model.layout import Layout
from . import files

# In a build: a link to uv's Python that it uses. It is made before the virtualenv.
LINK = "python"
LOCK = ".pythons"


def installed(layout: Layout) -> list[str]:
    """Return the paths of the installed Pythons, without the links that uv makes to them."""
    found = [f"{layout.pythons}/{name}" for name in files.names(layout.pythons) if not name.startswith(".")]
    return [path for path in found if os.path.isdir(path) and not os.path.islink(path)]


def of_interpreter(layout: Layout, interpreter: str) -> str:
    """Return uv's Python that an interpreter, or that of a virtualenv, belongs to; '' for all others."""
    real = os.path.realpath(interpreter)
    top = os.path.realpath(layout.pythons)
    return f"{layout.pythons}/{real[len(top) + 1 :].split('/')[0]}" if real.startswith(f"{top}/") else ""


def used(layout: Layout) -> set[str]:
    """Return the real paths of the Pythons that the builds of all sites beside this one use, finished or not."""
    links = glob.glob(f"{glob.escape(os.path.dirname(layout.root))}/*/builds/*/{LINK}")
    return {os.path.realpath(link) for link in links if os.path.islink(link)}


def prune(layout: Layout) -> list[str]:
    """Remove the Pythons that no build uses, and return their paths."""
    if not os.path.isdir(layout.pythons):
        return []
    with files.locked(LOCK):
        needed = used(layout)
        gone = [path for path in installed(layout) if os.path.realpath(path) not in needed]
        for path in gone:
            files.remove(path)
        for name in files.names(layout.pythons):
            link = f"{layout.pythons}/{name}"
            if os.path.islink(link) and not os.path.exists(link):
                files.remove(link)
        if not installed(layout):
            files.remove(layout.pythons)
    return gone
