# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the file systems on which a site cannot write its data, or its server not be executed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .evidence import Site

# The host's own: the doctor's timer sees a file system that its unit has made read-only.
MOUNTS = "/proc/1/mountinfo"
_OCTAL = re.compile(r"\\([0-7]{3})")


def look_at_mounts(site: Site) -> None:
    """Note the file systems that keep a site from writing its data, or its server from being executed."""
    mounts = parsed(_text())
    database = site.inside.get("database", {}).get("file", "")
    media = site.inside.get("files", {}).get("media_root", "")
    places = [os.path.dirname(database) if database.startswith("/") else "", media if site.media_wanted else ""]
    for place in [*places, site.layout.state if site.managed else ""]:
        where = mount_of(place, mounts) if os.path.isdir(place) else ""
        if "ro" in mounts.get(where, ()):
            site.read_only.setdefault(where, place)
    program = re.search(r"path=(/\S+)", site.uwsgi.unit.get("ExecStart", ""))
    if program and os.path.exists(program[1]):
        # A script is executed by what its first line names, and lies somewhere else than that.
        where = mount_of(program[1], mounts)
        if "noexec" in mounts.get(where, ()):
            site.logs.absent["exec"] = where


def parsed(mountinfo: str) -> dict[str, set[str]]:
    """Return the options of each mount, by its directory; what was mounted over another one counts. See proc(5)."""
    found: dict[str, set[str]] = {}
    for line in mountinfo.splitlines():
        fields, _separator, rest = line.partition(" - ")
        words, last = fields.split(), rest.split()
        if len(words) > 5 and last:
            place = _OCTAL.sub(lambda match: chr(int(match[1], 8)), words[4])
            found[place] = {*words[5].split(","), *(last[2].split(",") if len(last) > 2 else ())}
    return found


def mount_of(path: str, mounts: Mapping[str, Sequence[str] | set[str]]) -> str:
    """Return the directory of the mount in which a path lies, '' where none is known."""
    here = Path(os.path.realpath(path))
    return next((str(folder) for folder in (here, *here.parents) if str(folder) in mounts), "")


def _text() -> str:
    try:
        with open(MOUNTS, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20)
    except OSError:
        return ""
