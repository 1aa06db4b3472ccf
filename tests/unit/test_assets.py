"""Which static files a page references, and where they are."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.release.assets import file_below, static_file
from ansible_collections.pyweb.stack.plugins.module_utils.release.health import Names, Where
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer

PAGE = Where("http", "shop.example", "/app/")
NAMES = Names(("shop.example",), (80,))
CSS = '<link rel="stylesheet" href="{}">'


def found(body, status=200, kind="text/html; charset=utf-8", url="/static/"):
    answer = Answer(status, "", 0.1, {"content-type": kind}, body.encode())
    return static_file(answer, PAGE, NAMES, url)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (CSS.format("/static/a.css"), "/static/a.css"),
        (CSS.format("http://shop.example/static/a.css?v=1"), "/static/a.css?v=1"),
        (CSS.format("../static/a.css"), "/static/a.css"),
        ("<LINK HREF=/static/a.css REL='alternate Stylesheet'/>", "/static/a.css"),
        ("<base href='/x/'>" + CSS.format("../static/a.css"), "/static/a.css"),
        ("<script src='/static/a.js'></script>" + CSS.format("/static/a.css"), "/static/a.css"),
        ("<script src='/static/a.js' defer></script>", "/static/a.js"),
        (CSS.format("https://cdn.example/static/a.css") + CSS.format("/static/b.css"), "/static/b.css"),
        ("<link rel=icon href=/static/a.ico><script src=/static/a.js></script>", "/static/a.js"),
        ("<link rel='shortcut icon' href=/static/a.ico><img src=/static/a.png>", "/static/a.ico"),
        ("<img alt=x><img src=data:image/png;base64,iVBORw0KGgo=><img src=/static/a.png>", "/static/a.png"),
        # A page may contain text that is not HTML.
        ("<![foo[" + CSS.format("/static/a.css"), ""),
        ("<!-- " + CSS.format("/static/old.css") + " -->", ""),
        ("<script>document.write('<link rel=stylesheet href=/static/x.css>')</script>", ""),
        (CSS.format("/media/a.css") + CSS.format("http://[x") + "<link rel=stylesheet><script></script>", ""),
        ("", ""),
    ],
)
def test_file_that_a_page_references(body, path):
    assert found(body) == path


def test_only_html_pages_reference_files():
    body = CSS.format("/static/a.css")
    assert found(body, status=404) == found(body, kind="application/json") == found(body, url="/assets/") == ""
    assert found(body, kind="application/xhtml+xml") == "/static/a.css"


def test_path_of_a_file():
    assert file_below("/b/static", "/static/", "/static/a%20b/c.css?v=1") == "/b/static/a b/c.css"
