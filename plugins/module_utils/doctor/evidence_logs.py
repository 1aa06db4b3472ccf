# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence from the logs of a site, and from the pages that were requested: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Visit:
    """One line of an access log. `path` has no query string; `own` means that the doctor sent the request."""

    when: float
    method: str
    path: str
    status: int
    own: bool = False


@dataclass(frozen=True)
class NginxLine:
    """One line of nginx's error log; `request` is 'METHOD /path' without a query string, '' for none."""

    when: float
    level: str
    text: str
    request: str = ""


@dataclass(frozen=True)
class Page:
    """The result of a request for a page or its file: `end` is the path after its redirects, `named_by` the page."""

    path: str
    status: int
    end: str = ""
    named_by: str = ""


@dataclass(frozen=True)
class Raised:
    """What the application raised when a page was requested again, without nginx and uWSGI."""

    path: str
    error: str
    where: str = ""
    status: int = 0


@dataclass
class Logs:
    """`visits` are the last lines of the access log, or those that uWSGI wrote since it started, oldest first.

    `source` is where they were read. `app_since` is when the application was loaded that answers now, `nginx_since`
    when nginx read its configuration. `kernel` are its lines about processes that it killed because memory was short.
    `absent`
    is what is not there of what the unit and the ini name: the directive, and its value.
    """

    source: str = ""
    visits: list[Visit] = field(default_factory=list)
    app_since: float = 0.0
    nginx_since: float = 0.0
    nginx_log: str = ""
    nginx_lines: list[NginxLine] = field(default_factory=list)
    app_log: str = ""
    app_source: str = ""
    kernel: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)
    again: list[Raised] = field(default_factory=list)
