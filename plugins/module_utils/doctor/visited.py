# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What visitors got recently, from the access log, by path and status, unless it is over.

Answers from before the application was loaded, or before nginx read its configuration, are ignored. So is a failure
after which the same page was answered without an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .evidence import Site
from .evidence_logs import Logs, Visit

# How many pages are named; the others are counted.
NAMED = 3
# Failures older than this, in seconds, are not shown: a day.
OLD = 86400


@dataclass(frozen=True)
class Failing:
    """A page that was last answered with a failure; `count` is how often since it mattered."""

    method: str
    path: str
    status: int
    count: int
    last: float

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(self.last))
        return f"{self.count} x {self.status} on {self.method} {self.path}, the last at {when}"


def failing(site: Site, statuses: Iterable[int], since: float) -> list[Failing]:
    """Return the pages whose last answer has one of these statuses, those first that failed most often.

    While nothing behind nginx answers at all, it is not known what would fail otherwise.
    """
    if not _answered(site):
        return []
    wanted, newest = set(statuses), max((visit.when for visit in site.logs.visits), default=0.0)
    pages: dict[tuple[str, str], list[Visit]] = {}
    for visit in site.logs.visits:
        # The log has whole seconds.
        if visit.when + 1 > max(since, newest - OLD):
            pages.setdefault((_kind(visit.method), visit.path), []).append(visit)
    found = []
    for (method, path), visits in pages.items():
        failed = [visit for visit in visits if visit.status in wanted and not visit.own]
        if failed and visits[-1].status in wanted | {444, 499}:
            last = failed[-1]
            count = sum(visit.status == last.status for visit in failed)
            found.append(Failing(method, path, last.status, count, last.when))
    return sorted(found, key=lambda page: -page.count)


def since_nginx(logs: Logs) -> float:
    """Return when what answers now, nginx and the application, was as it is."""
    return max(logs.app_since, logs.nginx_since)


def gone(site: Site) -> tuple[list[Failing], bool]:
    """Return (pages that were there before the last start and are answered with 404 since, whether other pages are)."""
    since, logs = since_nginx(site.logs), site.logs
    before = {
        visit.path for visit in logs.visits if visit.when + 1 <= since and visit.status == 200 and _counts(site, visit)
    }
    lost = [
        page for page in failing(site, (404,), since) if page.path in before and page.method == "GET" and page.count
    ]
    others = {
        visit.path
        for visit in logs.visits
        if visit.when + 1 > since
        and visit.status == 200
        and not visit.own
        and _counts(site, visit)
        and visit.path != site.path
    }
    return lost, bool(others)


def given_up(site: Site) -> list[Failing]:
    """Return the pages for which visitors did not want to wait: three times or more, and every other time or more."""
    since = since_nginx(site.logs)
    found = []
    for page in failing(site, (499,), since):
        all_of_it = [
            visit
            for visit in site.logs.visits
            if visit.path == page.path
            and not visit.own
            and visit.when + 1 > since
            and _kind(visit.method) == page.method
        ]
        if page.count >= 3 and 2 * page.count >= len(all_of_it):
            found.append(page)
    return found


def names_of(pages: Sequence[Failing]) -> str:
    """Return the pages as text, the first ones by name."""
    named = ", ".join(f"{page.path} ({page.count} x {page.status})" for page in pages[:NAMED])
    return named + (f" and {len(pages) - NAMED} more" if len(pages) > NAMED else "")


def is_file(site: Site, path: str) -> bool:
    """Return whether a path is one of static files or of uploads, which come and go."""
    files = site.inside.get("files", {})
    prefixes = {files.get("static_url") or "/static/", files.get("media_url") or "/media/"}
    below = any(len(prefix) > 1 and path.startswith(f"/{prefix.strip('/')}/") for prefix in prefixes)
    return below or "." in path.rpartition("/")[2]


def _answered(site: Site) -> bool:
    if site.probes:
        return any(probe.answer for probe in site.probes)
    return any(answer.status not in (502, 503, 504) for answer in site.answers)


def _counts(site: Site, visit: Visit) -> bool:
    return visit.method == "GET" and not is_file(site, visit.path)


def _kind(method: str) -> str:
    return "GET" if method == "HEAD" else method
