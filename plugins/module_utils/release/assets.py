# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The style sheets, scripts and images that a page names, if they are static files of its site."""

from __future__ import annotations

import contextlib
from html.parser import HTMLParser
from urllib.parse import unquote

from ..uwsgi.protocol import Answer
from .health import Names, Where, resolved


def static_file(answer: Answer, page: Where, names: Names, url: str) -> str:
    """Return the path of the first style sheet, else script, else image below the static `url` that a page names.

    '' if it names none, or is no HTML page.
    """
    kind = answer.headers.get("content-type", "text/html")
    if answer.status != 200 or not kind.startswith(("text/html", "application/xhtml")):
        return ""
    reader = _Reader()
    with contextlib.suppress(AssertionError, NotImplementedError):  # only in SGML; the second up to Python 3.9
        reader.feed(answer.body.decode("utf-8", "replace"))
    for link in [*reader.sheets, *reader.scripts, *reader.images]:
        try:
            place = resolved(page, _joined(page, reader.base, link) if reader.base else link)
        except ValueError:
            continue
        if place and names.have(place) and place.path.startswith(url):
            return place.path
    return ""


def file_below(root: str, url: str, path: str) -> str:
    """Return the file in the directory `root` for a path below a static `url`."""
    return f"{root}/{unquote(path.partition('?')[0][len(url) :])}"


def _joined(page: Where, base: str, link: str) -> str:
    place = resolved(page, base)
    there = place and resolved(place, link)
    return f"{there.scheme}://{there.host}{there.path}" if there else link


class _Reader(HTMLParser):
    """Collects what a page names, except in comments and inside scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.sheets: list[str] = []
        self.scripts: list[str] = []
        self.images: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "base" and not self.base:
            self.base = given.get("href", "")
        elif tag == "link" and "stylesheet" in given.get("rel", "").lower().split() and given.get("href"):
            self.sheets.append(given["href"])
        elif tag == "script" and given.get("src"):
            self.scripts.append(given["src"])
        elif tag == "img" and given.get("src"):
            self.images.append(given["src"])
        elif tag == "link" and "icon" in given.get("rel", "").lower().split() and given.get("href"):
            self.images.append(given["href"])
