"""The site of the documentation in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import Browser

# Sphinx writes these pages; they are not in the navigation.
NO_PAGES = {"search.html", "genindex.html"}
PICTURE = "document.querySelector('article img[src*=chain]')"
NAVIGATION = "[...document.querySelectorAll('.sidebar-tree a')].map(link => link.href.split('#')[0])"
RESULTS = "[...document.querySelectorAll('#search-results li a')].map(link => link.getAttribute('href'))"
PHONE = (390, 844)


def test_the_start_page_shows_the_chain(browser: Browser, address: str) -> None:
    browser.visit(address)
    assert browser.evaluate(f"{PICTURE}.naturalWidth") > 0
    assert browser.evaluate(f"{PICTURE}.getBoundingClientRect().width") > 300
    assert browser.evaluate(f"{PICTURE}.getBoundingClientRect().height") > 150


def test_every_page_of_the_navigation_loads_without_an_error(browser: Browser, address: str, site: Path) -> None:
    browser.visit(address)
    pages = sorted(set(browser.evaluate(NAVIGATION)))
    built = {path.relative_to(site).as_posix() for path in site.rglob("*.html")} - NO_PAGES
    listed = {page.removeprefix(address) for page in pages}
    assert built - {"index.html"} <= listed, "pages were built that are not in the navigation"
    faults = []
    for page in [address, *pages]:
        visit = browser.visit(page)
        faults += [f"{page}: {error}" for error in visit.errors]
        for url, status in visit.answers.items():
            if status not in (200, 304):
                faults.append(f"{page}: {url} answers {status}")
            if not url.startswith((address, "data:")):
                faults.append(f"{page}: loads {url} from elsewhere")
        if page not in visit.answers:
            faults.append(f"{page}: no response was recorded")
        if not browser.evaluate("document.title && document.querySelector('h1').innerText"):
            faults.append(f"{page}: no title")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("way", ["server", "file"])
@pytest.mark.parametrize(
    ("words", "page"),
    [("502", "symptoms.html"), ("rollback", "deploys.html"), ("nginx_catch_all", "reference/nginx_role.html")],
)
def test_the_search_finds_a_page(browser: Browser, address: str, site: Path, way: str, words: str, page: str) -> None:
    start = address if way == "server" else f"{site.as_uri()}/"
    browser.visit(f"{start}search.html?q={words}")
    browser.until(f"{RESULTS}.length > 0", f"results for {words}")
    # The results are added one by one.
    browser.until(f"{RESULTS}.some(target => target.split(/[?#]/)[0] === '{page}')", f"{page} in the results")


def test_a_search_without_results_shows_a_message(browser: Browser, address: str) -> None:
    browser.visit(f"{address}search.html?q=77345")
    browser.until("document.querySelector('#search-results').innerText.includes('did not match')", "the message")
    assert browser.evaluate(RESULTS) == []


def test_the_color_scheme_follows_the_readers_preference(browser: Browser, address: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    browser.visit(address)
    assert min(browser.evaluate(background)) > 230
    browser.window(1280, 900, dark=True)
    browser.visit(address)
    assert max(browser.evaluate(background)) < 60
    assert browser.evaluate(f"{PICTURE}.getBoundingClientRect().width") > 300


def test_words_in_titles_are_not_broken_on_a_phone(browser: Browser, address: str, site: Path) -> None:
    """Names from code may break at their dots and underscores."""
    browser.window(*PHONE)
    title = "(h => (h.style.overflowWrap = 'normal', [h.innerText, h.scrollWidth <= h.clientWidth]))"
    broken = []
    for path in sorted(path for path in site.glob("*.html") if path.name not in NO_PAGES):
        browser.visit(address + path.name)
        text, fits = browser.evaluate(f"{title}(document.querySelector('article h1'))")
        broken += [] if fits or re.search(r"\w[._]\w", text) else [f"{path.name}: {text}"]
    assert broken == []


@pytest.mark.parametrize(
    "page", ["", "site.html", "symptoms.html", "doctor-codes.html", "reference/nginx_role.html", "deploys.html"]
)
def test_pages_fit_the_width_of_a_phone(browser: Browser, address: str, page: str) -> None:
    browser.window(*PHONE)
    browser.visit(address + page)
    assert browser.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
