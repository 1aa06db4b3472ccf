# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Request pages of a release over uWSGI's own protocol, before visitors do: its page, a file of it, the admin."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any

from ..model import prefixes, schemes
from ..uwsgi import protocol
from .assets import file_below, static_file
from .health import Names, Walk, Wanted, Where, header_name, walk
from .release import Release

# How our nginx redirects, keeping the method and the body of a request.
REDIRECT = 308


def visit(release: Release, socket: str, timeout: float, path: str = "", wanted: Wanted | None = None) -> Walk:
    """Request a path at a unix socket, by default `health.path`, with the site's own host, and follow redirects.

    For a site with TLS, the request is like nginx's for a client that uses https. `timeout` is in seconds, for all of
    them.
    """
    deadline = time.monotonic() + timeout
    tls = schemes.has_tls(release.site)

    def ask(where: Where, cookies: str) -> protocol.Answer:
        moved = _redirected(release.site, where)
        if moved:
            return protocol.Answer(REDIRECT, "", 0.0, {"location": moved.url})
        left = max(round(deadline - time.monotonic(), 1), 0.1)
        secure = {"https": True} if tls and where.scheme == "https" else {}
        headers = _headers(release, where, cookies)
        return protocol.request(f"unix:{socket}", where.host, where.path, left, headers, **secure)

    start = Where(
        schemes.scheme(release.site), release.host, path or release.health["path"] or prefixes.start(release.site)
    )
    return walk(ask, start, Names.of(release.site), wanted or Wanted.of(release.health))


def beside(release: Release, socket: str, page: Walk) -> str:
    """Request what belongs to the start page if the site sets no other; return what is wrong, or ''."""
    return "" if release.health["path"] else _static_fault(release, page) or _admin_fault(release, socket)


def _redirected(site: Mapping[str, Any], where: Where) -> Where | None:
    """Return where nginx redirects a client before it asks the site; None if it asks the site.

    A project that redirects to what nginx redirects back loops, and this is detected.
    """
    tls, nginx = schemes.has_tls(site), site["nginx"]
    wanted, canonical = where, site.get("canonical", "")
    if tls and where.scheme == "http" and nginx["redirect"]:
        wanted = where._replace(scheme="https", host=_at_port(where.host, nginx["listen_tls"]))
    name = re.sub(r":[0-9]+$", "", wanted.host)
    if canonical and name != canonical:
        wanted = wanted._replace(host=canonical + wanted.host[len(name) :])
    return wanted if wanted != where else None


def _at_port(host: str, listeners: list[dict[str, Any]]) -> str:
    """Return a Host with the port of the first listener, if it is not the default of https."""
    name, port = re.sub(r":[0-9]+$", "", host), listeners[0]["port"]
    return name if port == 443 else f"{name}:{port}"


def _headers(release: Release, where: Where, cookies: str) -> dict[str, str]:
    """Return the headers of a request; an https request looks as from a server that terminates TLS in front.

    uWSGI takes the scheme from X-Forwarded-Proto, which our nginx sends; the project may use another header.
    """
    headers = {"X-Forwarded-Proto": where.scheme, **({"Cookie": cookies} if cookies else {})}
    own = release.manifest.get("https_header")
    if own and where.scheme == "https":
        headers[header_name(own[0])] = own[1]
    return headers


def _static_fault(release: Release, page: Walk) -> str:
    """Check that a static file of the page is where nginx will look for it."""
    static, manifest = release.site["nginx"].get("static"), release.manifest
    # Files elsewhere are not ours; a release of 0.1 has not recorded where its own are.
    if not static or static["path"] != release.layout.live_static or not manifest["overlay"] or not page.answer:
        return ""
    path = static_file(page.answer, page.end, Names.of(release.site), static["url"])
    if not path or os.path.isfile(file_below(f"{manifest['path']}/static", static["url"], path)):
        return ""
    return f"{page.end.path} as {page.end.host} names {path}, which is not among the collected static files"


def _admin_fault(release: Release, socket: str) -> str:
    """Request the admin's login page, if the project has an admin."""
    path = release.manifest.get("admin", "")
    wanted = Wanted(also=tuple(release.health["status"]))
    wrong = path and visit(release, socket, release.health["timeout"], path, wanted).wrong
    return f"the admin's login page {wrong}" if wrong else ""
