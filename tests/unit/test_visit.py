"""Requests to a release over its own socket, and additional ones besides its page."""

from __future__ import annotations

import os

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.release import visit as visiting
from ansible_collections.pyweb.stack.plugins.module_utils.release.health import Where
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol
from releases import make_release

NAMES_A_FILE = b"<link rel=stylesheet href=/static/shop/a.css>"


@pytest.fixture
def site(monkeypatch):
    """A site: path -> answer; `asked` has (address, host, path, headers)."""

    class Site(dict):
        def request(self, address, host, path, timeout, headers):
            self.asked.append((address, host, path, headers))
            return self.get(path) or protocol.Answer(404, "", 0.1)

    found = Site()
    found.asked = []
    monkeypatch.setattr(protocol, "request", found.request)
    return found


def page(body=b"", status=200, **headers):
    cookies = [headers.pop("cookie")] if "cookie" in headers else []
    return protocol.Answer(status, "", 0.1, {"content-type": "text/html", **headers}, body, cookies)


def release(tmp_path, health=None, nginx=None, **manifest):
    build = {**goldens.BUILD, "path": str(tmp_path / "build"), **manifest}
    return make_release(tmp_path, build, health=health, **({"nginx": nginx} if nginx else {}))


def test_variables_of_a_request(tmp_path, site):
    """As behind the collection's nginx; and for https, as behind a server that terminates TLS, with any header."""
    site["/"] = page(status=302, location="https://shop.example.com/in/", cookie="seen=1")
    site["/in/"] = page()
    given = release(tmp_path, https_header=["HTTP_X_TLS", "yes"])
    assert not visiting.visit(given, "/run/x.sock", 5).wrong
    assert site.asked == [
        ("unix:/run/x.sock", "shop.example.com", "/", {"X-Forwarded-Proto": "http"}),
        (
            "unix:/run/x.sock",
            "shop.example.com",
            "/in/",
            {"X-Forwarded-Proto": "https", "Cookie": "seen=1", "X-Tls": "yes"},
        ),
    ]


def fault(given, site):
    walked = visiting.visit(given, "/run/x.sock", 5)
    assert not walked.wrong
    site.asked.clear()
    return visiting.beside(given, "/run/x.sock", walked)


def test_a_static_file_that_was_not_collected(tmp_path, site):
    site["/"] = page(NAMES_A_FILE)
    given = release(tmp_path)
    wrong = "/ as shop.example.com names /static/shop/a.css, which is not among the collected static files"
    assert fault(given, site) == wrong
    os.makedirs(tmp_path / "build/static/shop")
    (tmp_path / "build/static/shop/a.css").touch()
    assert fault(given, site) == ""
    assert site.asked == []


@pytest.mark.parametrize(
    ("health", "nginx", "manifest"),
    [
        ({"path": "/"}, None, {}),
        (None, {"static": {"url": "/static/", "path": "/srv/static"}}, {}),
        (None, {"static": False}, {}),
        (None, None, {"overlay": False}),
    ],
    ids=["health.path is given", "files of another server", "no static files", "no overlay"],
)
def test_static_files_are_not_checked(tmp_path, site, health, nginx, manifest):
    site["/"] = page(NAMES_A_FILE)
    assert fault(release(tmp_path, health, nginx, **manifest), site) == ""


@pytest.mark.parametrize(
    ("health", "status", "wrong"),
    [
        (None, 200, ""),
        (None, 404, ""),
        (
            None,
            500,
            "the admin's login page /secret/login/ as shop.example.com answered 500; expected a status below 500",
        ),
        # Requirements on the start page do not apply to the admin; statuses that are accepted in addition do.
        ({"status": [204]}, 200, ""),
        ({"status": [204, 503]}, 503, ""),
        ({"status": [204, 503]}, 500, "the admin's login page /secret/login/ as shop.example.com answered 500"),
    ],
)
def test_the_admins_login_page(tmp_path, site, health, status, wrong):
    site["/"] = page(status=204)
    site["/secret/login/"] = page(status=status)
    given = release(tmp_path, health, admin="/secret/login/")
    assert fault(given, site).startswith(wrong)
    assert bool(fault(given, site)) == bool(wrong)
    assert [path for _address, _host, path, _headers in site.asked] == ["/secret/login/"]


@pytest.mark.parametrize(
    ("health", "manifest"), [({"path": "/"}, {"admin": "/admin/"}), (None, {"admin": ""}), (None, {})]
)
def test_the_admin_is_not_requested(tmp_path, site, health, manifest):
    assert fault(release(tmp_path, health, **manifest), site) == ""
    assert site.asked == []


def test_the_start_page_is_the_given_one(tmp_path, site):
    for health, path in ((None, "/"), ({"path": "/healthz?a=b"}, "/healthz?a=b")):
        assert visiting.visit(release(tmp_path, health), "/run/x.sock", 5).end == Where(
            "http", "shop.example.com", path
        )
