# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask for the first page and the login page of the admin, and for the style sheets and scripts that they name.

Redirects are followed to their end, all on the site itself, with GET alone, in bounded time.
"""

from __future__ import annotations

import html
import re
import time
from urllib.parse import urljoin, urlsplit

from ..model import prefixes
from ..uwsgi import protocol
from .client import get
from .evidence import Entrance, Host, Site
from .evidence_logs import Page

ADMIN = "/admin/login/"
# So many redirects, and files of a page.
REDIRECTS_MAX, FILES_MAX = 5, 6
_URL_MAX = 500
_TAG = re.compile(r"<(?:link|script)\b[^<>]{0,1000}>", re.IGNORECASE)
_NAMED = re.compile(r"""\b(?:href|src)\s*=\s*["']?([^"'\s<>]{1,500})""", re.IGNORECASE)
_STYLE = re.compile(r"""\brel\s*=\s*["']?[^"'<>]*\bstylesheet\b""", re.IGNORECASE)


def look_at_pages(site: Site, host: Host) -> None:
    """Fill in what came of the pages and of the files that they name."""
    # What is served over https may be redirected there from http.
    entrances = [entrance for entrance in site.entrances if entrance.server in entrance.wanted]
    way = next((entrance for entrance in entrances if entrance.tls), entrances[0] if entrances else None)
    if not way or not host.nginx.master:
        return
    deadline = time.monotonic() + site.patience.answer
    asked: set[str] = set()
    for path in dict.fromkeys([prefixes.below(site.prefix, "/"), prefixes.below(site.prefix, ADMIN)]):
        page, answer = _page(way, path, deadline)
        if not page or not answer:
            continue
        site.logs.pages.append(page)
        if answer.status == 200 and "html" in answer.headers.get("content-type", ""):
            for named in files_of(answer.body.decode("utf-8", "replace"), f"{way.url}{page.end}", site.domains):
                if named not in asked and len(asked) < 2 * FILES_MAX:
                    asked.add(named)
                    _ask_file(site, way, named, page.path, deadline)


def files_of(text: str, url: str, domains: list[str]) -> list[str]:
    """Return the paths, with their query strings, of the style sheets and scripts of the site that a page names."""
    found = []
    base = urlsplit(url)
    for tag in _TAG.findall(text):
        named = _NAMED.search(tag)
        if not named or (tag[1:5].lower() == "link" and not _STYLE.search(tag)):
            continue
        try:
            parts = urlsplit(urljoin(url, html.unescape(named[1])))
        except ValueError:  # no URL, such as https://[
            continue
        if parts.scheme == base.scheme and parts.netloc in (base.netloc, *domains) and parts.path.isprintable():
            found.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return [path for path in dict.fromkeys(found) if " " not in path and path.isascii()][:FILES_MAX]


def _page(way: Entrance, path: str, deadline: float) -> tuple[Page | None, protocol.Answer | None]:
    """Ask for a page, and for what it redirects to as long as that is on the same entrance."""
    url, cookies = f"{way.url}{path}", ""
    answer = None
    for _redirect in range(REDIRECTS_MAX + 1):
        parts = urlsplit(url)
        answer = _ask(way, parts.path + (f"?{parts.query}" if parts.query else ""), deadline, cookies)
        if not answer:
            return None, None
        given = [cookie.partition(";")[0] for cookie in answer.cookies[:10] if cookie.isprintable()]
        cookies = "; ".join(given) or cookies
        location = answer.headers.get("location", "")[:_URL_MAX] if 300 <= answer.status < 400 else ""
        if not location or not location.isprintable() or not location.isascii() or " " in location:
            break
        try:
            following = urlsplit(urljoin(url, location))
        except ValueError:
            break
        if f"{following.scheme}://{following.netloc}" != way.url:
            break
        url = following._replace(fragment="", path=following.path or "/").geturl()
    return Page(path, answer.status if answer else 0, urlsplit(url).path), answer


def _ask_file(site: Site, way: Entrance, path: str, named_by: str, deadline: float) -> None:
    answer = _ask(way, path, deadline)
    if answer:
        site.logs.pages.append(Page(path.partition("?")[0], answer.status, named_by=named_by))


def _ask(way: Entrance, path: str, deadline: float, cookies: str = "") -> protocol.Answer | None:
    left = deadline - time.monotonic()
    if left <= 0:
        return None
    try:
        return get(way, path, left, {"Cookie": cookies} if cookies else None)
    except (protocol.ProtocolError, ValueError):
        return None
