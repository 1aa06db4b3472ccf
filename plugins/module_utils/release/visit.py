# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask a release over uWSGI's own protocol, before any visitor does: its page, a file that it names, the admin."""

from __future__ import annotations

import os
import time

from ..model import prefixes
from ..uwsgi import protocol
from .assets import file_below, static_file
from .health import Names, Walk, Wanted, Where, header_name, walk
from .release import Release


def visit(release: Release, socket: str, timeout: float, path: str = "", wanted: Wanted | None = None) -> Walk:
    """Ask a unix socket for a path, `health.path` where it is '', under the site's own host, and follow redirects.

    `timeout` is in seconds, for all of them.
    """
    deadline = time.monotonic() + timeout

    def ask(where: Where, cookies: str) -> protocol.Answer:
        left = max(round(deadline - time.monotonic(), 1), 0.1)
        return protocol.request(f"unix:{socket}", where.host, where.path, left, _headers(release, where, cookies))

    start = Where("http", release.host, path or release.health["path"] or prefixes.start(release.site))
    return walk(ask, start, Names.of(release.site), wanted or Wanted.of(release.health))


def beside(release: Release, socket: str, page: Walk) -> str:
    """Ask for what belongs to the start page where the site names no other; return what is wrong, or ''."""
    return "" if release.health["path"] else _static_fault(release, page) or _admin_fault(release, socket)


def _headers(release: Release, where: Where, cookies: str) -> dict[str, str]:
    """Return the headers of a request: what is asked for by https comes as from a server that ends TLS in front.

    uWSGI takes the scheme from X-Forwarded-Proto, which our nginx sends; the project may look at another header.
    """
    headers = {"X-Forwarded-Proto": where.scheme, **({"Cookie": cookies} if cookies else {})}
    own = release.manifest.get("https_header")
    if own and where.scheme == "https":
        headers[header_name(own[0])] = own[1]
    return headers


def _static_fault(release: Release, page: Walk) -> str:
    """Look for a static file that the page names where nginx will look for it."""
    static, manifest = release.site["nginx"].get("static"), release.manifest
    # Files that lie elsewhere are somebody else's; a release of 0.1 has not recorded where its own are.
    if not static or static["path"] != release.layout.live_static or not manifest["overlay"] or not page.answer:
        return ""
    path = static_file(page.answer, page.end, Names.of(release.site), static["url"])
    if not path or os.path.isfile(file_below(f"{manifest['path']}/static", static["url"], path)):
        return ""
    return f"{page.end.path} as {page.end.host} names {path}, which is not among the collected static files"


def _admin_fault(release: Release, socket: str) -> str:
    """Ask for the admin's login page, where the project has an admin."""
    path = release.manifest.get("admin", "")
    wanted = Wanted(also=tuple(release.health["status"]))
    wrong = path and visit(release, socket, release.health["timeout"], path, wanted).wrong
    return f"the admin's login page {wrong}" if wrong else ""
