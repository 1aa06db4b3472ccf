# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What visitors got other than a 500 of the application: missing pages, timeouts, files of a page, dead ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import visited
from .evidence import Site
from .fault import ADVICE, DEGRADED, Fault, Faults

# What nginx says where an application was there, and its answer to this one request was of no use.
_OF_ONE_REQUEST = re.compile(
    r"upstream (?:sent|prematurely closed connection)|recv\(\) failed .*reading response header"
)


def judge(faults: Faults, site: Site) -> Iterator[Fault]:
    yield from _gateway(faults, site)
    yield from _gone(faults, site)
    yield from _given_up(faults, site)
    yield from _dead_ends(faults, site)


def files(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge the style sheets and scripts that a page names."""
    lost = [page for page in site.logs.pages if page.named_by and page.status >= 400]
    if not lost:
        return
    named = ", ".join(f"{page.path} ({page.status})" for page in lost[: visited.NAMED])
    more = f" and {len(lost) - visited.NAMED} more" if len(lost) > visited.NAMED else ""
    command = (
        f"cd {site.uwsgi.options.last('chdir') or '/'} && {site.uwsgi.python or 'python3'} manage.py collectstatic"
    )
    yield faults.fault(
        "static.page-file",
        DEGRADED,
        f"the page {lost[0].named_by} names files that are not served: {named}{more}",
        "pyweb.stack.deploy" if site.managed else f"{command}; then compare the location of these files in nginx",
        [f"GET {page.path} -> {page.status}, named by {page.named_by}" for page in lost[: visited.NAMED]],
    )


def _gateway(faults: Faults, site: Site) -> Iterator[Fault]:
    since, lines = visited.since_nginx(site.logs), site.logs.nginx_lines
    pages = []
    for page in visited.failing(site, (502, 503, 504), since):
        words = [line.text for line in lines if line.request.split(" ")[-1] == page.path]
        if any(_OF_ONE_REQUEST.search(text) for text in words) and page.path != site.path:
            pages.append((page, words[-1]))
    if pages:
        names = visited.names_of([page for page, _words in pages])
        yield faults.fault(
            "client.pages",
            DEGRADED,
            f"visitors get {pages[0][0].status} instead of a page: {names}",
            "check what uWSGI logged about the worker that answered it",
            [f"{page} in {site.logs.source}: {words}" for page, words in pages[: visited.NAMED]],
        )


def _gone(faults: Faults, site: Site) -> Iterator[Fault]:
    lost, others = visited.gone(site)
    if lost:
        yield faults.fault(
            "client.page-gone",
            ADVICE if others else DEGRADED,
            f"pages that were answered with 200 before the last start are answered with 404 now: "
            f"{visited.names_of(lost)}",
            "compare the locations of nginx (try_files, root) and the project's urls.py with their earlier state",
            [f"{page} in {site.logs.source}" for page in lost[: visited.NAMED]],
        )


def _given_up(faults: Faults, site: Site) -> Iterator[Fault]:
    pages = visited.given_up(site)
    if pages:
        yield faults.fault(
            "client.gave-up",
            DEGRADED,
            f"visitors do not wait for the answer: {visited.names_of(pages)} (499: the client closed the connection)",
            "find out what takes so long there",
            [f"{page} in {site.logs.source}" for page in pages[: visited.NAMED]],
        )


def _dead_ends(faults: Faults, site: Site) -> Iterator[Fault]:
    for page in site.logs.pages:
        if not page.named_by and page.end and page.end != page.path and page.status in (404, 410):
            yield faults.fault(
                "client.dead-end",
                DEGRADED,
                f"{page.path} redirects to {page.end}, which is answered with {page.status}",
                "LOGIN_URL in the settings, or the URL that the view redirects to",
                [f"GET {page.path} -> {page.end} -> {page.status}"],
            )
