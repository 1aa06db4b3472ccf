# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask the application again for pages that failed, without nginx and uWSGI, for the traceback that nobody logged.

The page that the doctor asks for anyway is asked for at any time, others only where somebody asks for a deep look.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from ..build.program import program_text
from ..host import answers
from . import ask, django_again, django_load
from .application import application_of
from .evidence import Site
from .evidence_logs import Raised
from .judge_pages import failing_pages
from .logs import traceback
from .look_uwsgi import loads_as, project_environment

# So many pages, the ones that failed most often.
PAGES_MAX = 5
_SHAPE = {"path": str, "status": int, "error": str, "where": str}


def look_again_at_first(site: Site) -> None:
    """Ask for the site's own page, where it is answered with 500 and the log does not say why."""
    if any(answer.status == 500 for answer in site.answers) and not traceback(site.uwsgi.log):
        look_again(site, [site.path], site.patience.answer)


def look_again_at_others(site: Site) -> None:
    """Ask for the other pages whose last GET failed."""
    pages = [page.path for page in failing_pages(site) if page.method == "GET"]
    if pages:
        look_again(site, pages[:PAGES_MAX], site.patience.look)


def look_again(site: Site, paths: list[str], timeout: float) -> None:
    """Fill in what the application raises for these paths."""
    found = site.uwsgi
    module, name = application_of(found.options)
    folder = found.options.last("chdir") or "/"
    who, _why_not = loads_as(found)
    if not module or who is None or not os.path.isdir(folder):
        return
    wanted = {"host": site.domains[0], "secure": bool(site.told), "paths": paths}
    said = ask.run(
        [found.python, "-", module, name, json.dumps(wanted)],
        timeout=timeout,
        cwd=folder,
        environment=project_environment(found),
        stdin=program_text(django_load, django_again),
        who=who,
    )
    site.logs.again += read_raised(said.out)


def read_raised(said: str) -> list[Raised]:
    """Return what `django_again.py` printed; the project runs in the same process, and may print as well."""
    found: list[Raised] = []
    for line in said.splitlines():
        if line.startswith(django_again.PREFIX) and len(found) < PAGES_MAX:
            with contextlib.suppress(ValueError):
                given: dict[str, Any] = answers.parsed(line[len(django_again.PREFIX) :], _SHAPE)
                if set(_SHAPE) <= set(given):
                    found.append(Raised(given["path"], given["error"][:400], given["where"][:200], given["status"]))
    return found
