"""Following redirects: which ones are followed, where that ends, and how the end is reported."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.release.health import (
    HOPS_MAX,
    Jar,
    Names,
    Wanted,
    Where,
    header_name,
    resolved,
    walk,
)
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer, ProtocolError

SHOP = "http://shop.example"
NAMES = Names(("shop.example", "*.shop.example", "192.0.2.7", "xn--shp-tna.example"), (80, 8080))


def where(url):
    scheme, _mark, rest = url.partition("://")
    host, _slash, path = rest.partition("/")
    return Where(scheme, host, f"/{path}")


def to(location, status=302, *cookies):
    return Answer(status, "", 0.1, {"location": location}, b"", list(cookies))


def page(status=200):
    return Answer(status, "", 0.1)


def walked(site, start=f"{SHOP}/", wanted=None):
    """Follow redirects in a site, URL -> answer (else 404); return the walk and the requested URLs."""
    asked = []

    def ask(at, cookies):
        url = f"{at.scheme}://{at.host}{at.path}"
        asked.append(f"{url} {cookies}".strip())
        answer = site(url, cookies) if callable(site) else site.get(url, page(404))
        if isinstance(answer, str):
            raise ProtocolError("x", answer)
        return answer

    return walk(ask, where(start), NAMES, wanted or Wanted()), asked


WITHIN = [
    ("/app/", f"{SHOP}/app/"),
    ("app/?a=b", f"{SHOP}/app/?a=b"),
    ("?a=b", f"{SHOP}/?a=b"),
    (f"{SHOP}/app/#top", f"{SHOP}/app/"),
    ("//SHOP.example/app/", f"{SHOP}/app/"),
    ("http://de.shop.example/", "http://de.shop.example/"),
    ("http://a.b.shop.example/", "http://a.b.shop.example/"),
    (f"{SHOP}:8080/", f"{SHOP}:8080/"),
    (f"{SHOP}:80/x", f"{SHOP}/x"),
    ("https://shop.example", "https://shop.example/"),
    ("https://shop.example:8080/", "https://shop.example:8080/"),
    ("http://192.0.2.7/", "http://192.0.2.7/"),
    ("http://sh\u00f6p.example/", "http://xn--shp-tna.example/"),
    # As UTF-8 bytes, which is how servers send them, decoded as Latin-1.
    ("/caf\u00c3\u00a9/", f"{SHOP}/caf%C3%A9/"),
    ("/caf%C3%A9/?q=a b", f"{SHOP}/caf%C3%A9/?q=a%20b"),
]
ELSEWHERE = [
    "https://login.example/?next=/",
    "http://shop.example.com/",
    "http://myshop.example/",
    # Another port of the same host belongs to another server.
    f"{SHOP}:3000/",
    "mailto:owner@shop.example",
    "shop://open",
]


@pytest.mark.parametrize(("location", "url"), WITHIN)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_site_is_followed(location, url, status):
    found, asked = walked({f"{SHOP}/": to(location, status), url: page(500)})
    assert asked == [f"{SHOP}/", url]
    assert found.wrong.endswith(", which answered 500; expected a status below 500")


@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_redirect_to_another_host_ends_the_walk_without_a_fault(location):
    found, asked = walked({f"{SHOP}/": to("/app/"), f"{SHOP}/app/": to(location)})
    assert (found.wrong, asked, found.answer.status) == ("", [f"{SHOP}/", f"{SHOP}/app/"], 302)


@pytest.mark.parametrize("answer", [Answer(302, "", 0.1), to("/app/", 300), to("/app/", 304), to("/app/", 200)])
def test_an_answer_without_a_redirect_ends_the_walk(answer):
    assert walked({f"{SHOP}/": answer})[1] == [f"{SHOP}/"]


@pytest.mark.parametrize(
    ("answers", "status", "wrong"),
    [
        (["200"], (), ""),
        (["404"], (), ""),
        (["500"], (), "/ as shop.example answered 500; expected a status below 500"),
        (["500"], (500,), ""),
        (["200"], (204, 301), "/ as shop.example answered 200; expected 204 or 301"),
        (["/a/", "500"], (), "/ as shop.example redirects to /a/, which answered 500; expected a status below 500"),
        (["/a/", "/b/", "500"], (), "redirects to /a/ -> /b/, which answered 500; expected a status below 500"),
        (["/a/", "200"], (200,), ""),
        (["/a/", "404"], (200,), "redirects to /a/, which answered 404; expected 200"),
        # After an expected redirect only a 5xx is a fault.
        (["/a/", "200"], (302,), ""),
        (["/a/", "404"], (200, 302), ""),
        (["/a/", "/b/", "500"], (200, 302), "redirects to /a/ -> /b/, which answered 500; expected 200 or 302"),
        (["/a/", "500"], (302, 500), ""),
        (["/a/", "nobody"], (302,), "redirects to /a/, which did not answer: nobody; expected 302"),
        (["https://login.example/"], (302,), ""),
        (["http://[shop/"], (302,), ""),
        (["https://login.example/"], (200,), "/ as shop.example answered 302; expected 200"),
        (["nobody there"], (), "/ as shop.example did not answer: nobody there; expected a status below 500"),
        (["/a/", "nobody"], (), "redirects to /a/, which did not answer: nobody; expected a status below 500"),
        (["https://shop.example/a/", "500"], (), "redirects to https://shop.example/a/, which answered 500"),
        # A query may contain secrets.
        (["/a/?token=hush", "500"], (), "/ as shop.example redirects to /a/, which answered 500"),
        (["http://[shop/"], (), "/ as shop.example redirects to an address that cannot be parsed"),
    ],
)
def test_the_end_of_the_walk_is_judged(answers, status, wrong):
    left = list(answers)

    def site(_url, _cookies):
        answer = left.pop(0)
        return page(int(answer)) if answer.isdigit() else answer if answer[0] == "n" else to(answer)

    found = walked(site, wanted=Wanted(status))[0]
    assert wrong in found.wrong
    assert bool(found.wrong) == bool(wrong)


def test_additional_accepted_statuses():
    assert not walked({f"{SHOP}/": page(401)}, wanted=Wanted((200,), also=(401, 403)))[0].wrong
    assert walked({f"{SHOP}/": page(404)}, wanted=Wanted((200,), also=(401, 403)))[0].wrong


def test_a_loop_is_reported_with_its_hops():
    found, asked = walked({f"{SHOP}/": to("/a/"), f"{SHOP}/a/": to("/b/"), f"{SHOP}/b/": to("/a/")})
    assert found.wrong == ("/ as shop.example redirects in a loop: / -> /a/ -> /b/ -> /a/; expected a status below 500")
    assert len(asked) == 3


def test_a_site_that_requires_https_and_has_it_is_healthy():
    found, asked = walked({f"{SHOP}/": to("https://shop.example/", 301), "https://shop.example/": page()})
    assert (found.wrong, asked) == ("", [f"{SHOP}/", "https://shop.example/"])


def test_a_loop_of_a_site_with_https_is_reported_with_the_settings_to_change():
    found, asked = walked(lambda _url, _cookies: to("https://shop.example/", 301))
    assert asked == [f"{SHOP}/", "https://shop.example/"]
    assert "redirects in a loop: / -> https://shop.example/ -> https://shop.example/" in found.wrong
    assert "SECURE_PROXY_SSL_HEADER" in found.wrong
    assert "SECURE_SSL_REDIRECT: false" in found.wrong


def test_an_expected_redirect_may_be_a_loop():
    """Behind a server that terminates TLS, a site may not know about it."""
    assert not walked(lambda _url, _cookies: to("https://shop.example/", 301), wanted=Wanted((301,)))[0].wrong


def test_endless_redirects_are_given_up():
    numbers = iter(range(1000))
    found, asked = walked(lambda _url, _cookies: to(f"/{next(numbers)}"))
    assert len(asked) == HOPS_MAX
    assert "/ as shop.example redirects in a loop: / -> /0 -> /1 -> " in found.wrong


def test_a_cookie_of_a_redirect_is_sent_with_the_next_requests():
    """A page that sets a cookie and redirects to itself is not a loop if it answers with the cookie."""

    def site(_url, cookies):
        return page() if cookies == "seen=1" else to("/", 302, "seen=1; Path=/; HttpOnly")

    found, asked = walked(site)
    assert (found.wrong, asked) == ("", [f"{SHOP}/", f"{SHOP}/ seen=1"])
    assert "in a loop" in walked(lambda _url, _cookies: to("/", 302, "seen=1"))[0].wrong


@pytest.mark.parametrize(
    ("line", "url", "sent"),
    [
        ("a=1", f"{SHOP}/x", "a=1"),
        ("a=1=2; SameSite=Lax", f"{SHOP}/", "a=1=2"),
        ("a=1", "http://de.shop.example/", ""),
        ("a=1; Domain=.shop.example", "http://de.shop.example/", "a=1"),
        ("a=1; Domain=shop.example", "http://myshop.example/", ""),
        ("a=1; Path=/app", f"{SHOP}/app/x?y", "a=1"),
        ("a=1; Path=/app/", f"{SHOP}/application/", ""),
        ("a=1; Secure", f"{SHOP}/", ""),
        ("a=1; Secure", "https://shop.example/", "a=1"),
        ("a=1; Max-Age=0", f"{SHOP}/", ""),
        ("a=1; Max-Age=3600; expires=Thu, 01 Jan 1970 00:00:00 GMT", f"{SHOP}/", "a=1"),
        ("a=; expires=Thu, 01 Jan 1970 00:00:00 GMT", f"{SHOP}/", ""),
        ("a=1; expires=Thu, 01 Jan 2099 00:00:00 GMT", f"{SHOP}/", "a=1"),
        ("nonsense", f"{SHOP}/", ""),
    ],
)
def test_which_cookies_are_sent(line, url, sent):
    jar = Jar()
    jar.take(where(f"{SHOP}/app/"), [line])
    assert jar.header(where(url)) == sent


def test_a_cookie_is_replaced_and_removed():
    jar, start = Jar(), where(f"{SHOP}/")
    jar.take(start, ["a=1", "b=2"])
    jar.take(start, ["a=3"])
    assert jar.header(start) == "b=2; a=3"
    jar.take(start, ["b=; Max-Age=0"])
    assert jar.header(start) == "a=3"


def test_the_names_of_a_site():
    site = {"domains": ["a.example", "[::1]"], "nginx": {"listen": [{"address": "", "port": 81}] * 2}}
    names = Names.of(site)
    assert names == Names(("a.example", "[::1]"), (81,))
    assert names.have(where("http://[::1]:81/"))
    assert names.have(resolved(where("http://a.example/"), "https://[::1]/"))
    assert not names.have(where("http://[::2]:81/"))


def test_http_header_of_a_variable():
    assert header_name("HTTP_X_FORWARDED_PROTO") == "X-Forwarded-Proto"
