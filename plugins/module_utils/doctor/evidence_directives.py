# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nginx's directives decide about a site: plain data, which look_directives.py fills in."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..host.path_walk import Obstacle
from ..nginx.course import Course


@dataclass
class Conflict:
    """Two servers with one name at one address: nginx takes the one in `serving`, and ignores the name of `ignored`.

    `differs` says that they do different things, `ours` that the ignored one is the site's, `live` that something
    listens at the address that it passes to. `warning` is nginx's own line, '' if it was not run.
    """

    name: str
    listen: str
    serving: str
    ignored: str
    differs: bool = False
    ours: bool = False
    live: bool = False
    warning: str = ""


@dataclass
class Fallback:
    """The server that answers for a domain that no `server_name` has; `explicit`: it is meant for such names."""

    place: str
    explicit: bool


@dataclass
class Unread:
    """A file that contains the name of a site, and that nginx does not read; `fix` is the command that changes that."""

    path: str
    why: str
    fix: str


@dataclass
class Taken:
    """A static or media file that is handled by another location than the one for its prefix."""

    kind: str
    uri: str
    location: str
    place: str
    meant: str
    meant_place: str
    file: str = ""
    passed: str = ""


@dataclass
class Temporary:
    """A directory for temporary files that nginx's worker cannot use; `place` is '' where it is compiled in."""

    directive: str
    path: str
    place: str
    why: str
    fix: str


@dataclass
class Directives:
    """What nginx decides. `root` is where a request for the site's own path ends, `other` one for a page that no file
    is called after; None where they are not known, or where the application gets them.

    `application` is a URI that reaches the application where `root` does not. `unreached` are the places of `*_pass`
    that no request reaches. `regrouped` are paths and addresses that nginx's worker could use if it were started now.
    """

    conflicts: list[Conflict] = field(default_factory=list)
    fallbacks: dict[str, Fallback] = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)  # by domain
    root: Course | None = None
    other: Course | None = None
    application: str = ""
    unreached: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    temporaries: list[Temporary] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    regrouped: list[str] = field(default_factory=list)
    obstacle: Obstacle | None = None  # on the way to the file that `/` is
    large_header: int = 0  # the status of a request with a large cookie at an entrance
