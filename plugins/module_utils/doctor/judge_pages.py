# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pages that fail: 500 of the application on others than the first page, and what it raised there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..host.causes import reason
from ..uwsgi import tracebacks
from . import app_fixes, visited
from .evidence import Site
from .fault import DEGRADED, Fault, Faults
from .logs import traceback
from .visited import Failing

NAME = "django.pages"
# Django's own line above the traceback of a request, and that of a build of ours.
_REQUEST = re.compile(r"(?m)^(?:.{0,80}?Internal Server Error: |pyweb\.stack: unhandled exception: [A-Z]+ )(/\S*)")
_NO_TABLE = re.compile(r"no such table: (\S+)|relation \"([^\"]+)\" does not exist|Table '([^']+)' doesn't exist")
_CAUSES = 3
_UNLOGGED = (
    "the exception is not logged: run the doctor with doctor_deep=true, or add a handler to LOGGING in the settings "
    "that writes to stderr for 'django.request'"
)


# What nginx answers with 500 by itself, before anybody behind it was asked.
_OF_NGINX = re.compile(
    r"internal redirection cycle|worker_connections are not enough"
    r"|\[(?:crit|alert)\] [^\n]{0,60}(?:open|mkdir|pwrite|write)\(\) \"/[^\n,]{1,300} failed \("
)


def judge(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge the 500s of the access log and of the requested pages, one fault for each exception."""
    pages = failing_pages(site)
    if not pages:
        return
    by_reason: dict[str, list[Failing]] = {}
    reasons = raised(site)
    for page in pages:
        by_reason.setdefault(reasons.get(page.path) or reasons.get("", ""), []).append(page)
    for error, failed in list(by_reason.items())[:_CAUSES]:
        words = f": {error}" if error else ""
        cause = f"Django answers 500 on {visited.names_of(failed)}{words}"
        evidence = [
            f"{page} in {site.logs.source}" if page.last else str(page.path) for page in failed[: visited.NAMED]
        ]
        yield faults.fault(NAME, DEGRADED, cause, _fix(site, error), [*evidence, error, *_uncaught(site)])


# The page that the doctor requests and that does not exist.
_OWN = "/pyweb-doctor-"


def failing_pages(site: Site) -> list[Failing]:
    """Return the pages that are answered with 500; not the one that the doctor asks for, which is judged elsewhere."""
    logs = site.logs
    # What nginx says by itself with 500 may be over since it was reloaded; what Django raised is not.
    text = f"{site.uwsgi.log}\n{logs.app_log}"
    since = logs.app_since if traceback(text) else visited.since_nginx(logs)
    found = [page for page in visited.failing(site, (500,), since) if page.path != site.path or not site.answers]
    asked = {page.path for page in found}
    for page in logs.pages:
        if page.status == 500 and not page.named_by and page.path not in asked and page.path != site.path:
            found.append(Failing("GET", page.path, 500, 1, 0.0))
    by_nginx = of_nginx(site)
    found = [page for page in found if _OWN not in page.path]
    return [page for page in found if f"{page.method} {page.path}" not in by_nginx]


def of_nginx(site: Site) -> set[str]:
    """Return the requests, as 'GET /', that nginx answered with 500 by itself since it was started or reloaded."""
    return {line.request for line in site.logs.nginx_lines if _OF_NGINX.search(line.text)}


def raised(site: Site) -> dict[str, str]:
    """Return what was raised, by path; under '' what the last traceback says, whosoever it was."""
    found: dict[str, str] = {}
    for text in (site.logs.app_log, site.uwsgi.log):
        if last := tracebacks.root(tracebacks.last(text)):
            found[""] = reason(last)
        starts = list(_REQUEST.finditer(text))[-50:]
        for number, start in enumerate(starts):
            end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
            report = tracebacks.root(tracebacks.last(text[start.start() : min(end, start.start() + 20000)]))
            if report:
                found[start[1].partition("?")[0]] = reason(report)
    for again in site.logs.again:
        if again.error:
            found[again.path] = f"{again.error} ({again.where})" if again.where else again.error
    if len(found) > 1:  # whose traceback it is is known
        known = set(found.values())
        found = {path: error for path, error in found.items() if path or len(known) == 1}
    return found


def asked_again(site: Site) -> str:
    """Return what the first page raised when it was requested without a server; '' for nothing."""
    found = next((again for again in site.logs.again if again.path == site.path and again.error), None)
    return (f"{found.error} ({found.where})" if found.where else found.error) if found else ""


def where_to_look(site: Site, error: str) -> str:
    """Return what to do about a first page that is answered with 500."""
    place = re.search(r"\((/[^()\s]+:\d+)\)", error)
    if not site.managed and (known := app_fixes.fix(site, error)):
        return known
    if place:
        return f"fix {place[1]}, then {_restart(site)}"
    return "read the traceback in uWSGI's log" if error else _UNLOGGED


def _fix(site: Site, error: str) -> str:
    options = site.uwsgi.options
    table = _NO_TABLE.search(error)
    place = re.search(r"\((/?[^()\s]+:\d+)\)", error)
    if table:
        name = next(text for text in table.groups() if text)
        migrate = f"cd {options.last('chdir') or '/'} && {site.uwsgi.python or 'python3'} manage.py"
        return (
            f"the table {name} is missing. {migrate} migrate creates it; if showmigrations says that this was done, "
            "restore the table from a backup, or migrate APP zero --fake and migrate APP"
        )
    if not site.managed and (known := app_fixes.fix(site, error)):
        return known
    if place:
        return f"fix {place[1]}, then {_restart(site)}"
    if error:
        return f"fix that, then {_restart(site)}"
    return _UNLOGGED


def _restart(site: Site) -> str:
    unit = site.uwsgi.unit.get("Id", "")
    return "deploy it with pyweb.stack.deploy" if site.managed else f"systemctl restart {unit}" if unit else "restart"


def _uncaught(site: Site) -> list[str]:
    """Return what uWSGI counts of unhandled exceptions of the application."""
    workers = site.uwsgi.stats.get("workers", [])
    counted = [worker.get("exceptions") for worker in workers if isinstance(worker, dict)]
    total = sum(count for count in counted if isinstance(count, int))
    return [f"uWSGI counts {total} unhandled exceptions of the application"] if total else []
