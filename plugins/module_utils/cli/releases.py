# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`pyweb releases` and `pyweb rollback`: list the releases, and roll back to one."""

from __future__ import annotations

import getpass
import os
import re
import socket
import time
from collections.abc import Sequence
from typing import Any

from ..host import files
from ..host.live import release_of, shown_source
from ..host.shell import StepError
from ..release.rollback import roll_back, wrong_id
from .output import complain, say, say_line, until_closed
from .sites import SiteHere, record_of


def run(sites: Sequence[SiteHere]) -> int:
    """Print the releases of each site, the newest first."""
    for number, site in enumerate(sites):
        if len(sites) > 1:
            say(f"{chr(10) if number else ''}{site.name}")
        for line in lines(site):
            say_line(line)
    return 0


def lines(site: SiteHere) -> list[str]:
    """Return a line a release: its id, when it was made, whether it is live or was before, and its source."""
    before, found = release_of(site.layout.previous), records(site)
    shown = []
    for record in found:
        mark = "live" if record["id"] == site.live else "previous" if record["id"] == before else ""
        made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["made"]))
        shown.append(f"{record['id']}  {made}  {mark:<8}  {_source(record)}".rstrip())
    return shown or [f"there is no release of {site.name} on this host"]


def records(site: SiteHere) -> list[dict[str, Any]]:
    """Return the records of a site's releases that root wrote, the newest first."""
    try:
        names = files.names(site.layout.releases)
    except OSError:
        return []
    found = [record_of(site.layout, name) for name in names if re.fullmatch(r"[0-9a-f]+", name)]
    told = [one for one in found if isinstance(one.get("id"), str) and isinstance(one.get("made"), (int, float))]
    return sorted(told, key=lambda record: record["made"], reverse=True)


def go_back(site: SiteHere, to: str, ignore_migrations: bool, check_mode: bool) -> int:
    """Make an earlier release the live one, as pyweb.stack.rollback does; return the exit status."""
    if wrong := wrong_id(to):
        complain(f"the id is {wrong}; `pyweb releases {site.name}` lists them")
        return 1
    try:
        change, unanswered = roll_back(site.layout, to, who(), ignore_migrations, check_mode)
    except StepError as error:
        complain(str(error).replace("rollback_ignore_migrations: true", "--ignore-migrations"))
        return 1
    except OSError as error:
        complain(f"{error.filename or site.name}: {error.strerror or error}")
        return 1
    if unanswered:
        complain(str(unanswered))
        return 1
    with until_closed():
        if not change.what:
            say_line(f"{site.name}: release {change.release} is already live")
        elif check_mode:
            say_line(f"{site.name}: release {change.release} would become live; {change.previous} is live now")
        else:
            say_line(f"{site.name}: release {change.release} is live; the previous release was {change.previous}")
    return 0


def who() -> str:
    """Return who runs the command, for the site's history: the user who called sudo, and the host."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _source(record: dict[str, Any]) -> str:
    source = record.get("source") or ""
    return source if isinstance(source, str) else shown_source(source)
