"""Check the links of a built site: every relative one leads to a file, and its anchor is in that file."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


class Page(HTMLParser):
    """The links of a page and what they can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {found for name in ("id", "name") if (found := values.get(name))}
        target = values.get("src" if tag in ("img", "script", "source") else "href")
        if target:
            self.links.append(target)


def faults(site: Path) -> list[str]:
    """Return what is wrong, as PAGE: MESSAGE; a link to another site is not looked at."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found: dict[str, None] = {}
    for path, page in pages.items():
        for link in page.links:
            if fault := of_link(link, path, pages, site):
                found[f"{path.relative_to(site)}: {fault}"] = None
    return list(found)


def of_link(link: str, path: Path, pages: dict[Path, Page], site: Path) -> str:
    if urlsplit(link).scheme or link.startswith("//"):
        return ""
    name, anchor = urldefrag(link)
    target = (path.parent / unquote(urlsplit(name).path)).resolve() if name else path.resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_file() or not target.is_relative_to(site.resolve()):
        return f"the link {link} leads nowhere"
    anchors = pages.get(site / target.relative_to(site.resolve()))
    if anchor and anchors and unquote(anchor) not in anchors.ids:
        return f"the link {link} leads to a page without this anchor"
    return ""
