"""Requests to a release of a site with TLS over its own socket, and what nginx answers before."""

from __future__ import annotations

import json

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.release import visit as visiting
from ansible_collections.pyweb.stack.plugins.module_utils.release.health import Names
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import stored
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol
from releases import AS_ROOT, make_layout, make_release, put_0_1, put_releases

OVER_HTTPS = {"X-Forwarded-Proto": "https"}


@pytest.fixture
def site(monkeypatch):
    """A site: (scheme, path) -> answer; `asked` has (scheme, host, path, headers, https)."""

    class Site(dict):
        def request(self, _address, host, path, _timeout, headers, https=False):
            scheme = headers["X-Forwarded-Proto"]
            self.asked.append((scheme, host, path, headers.get("Cookie", ""), https))
            return self.get((scheme, path)) or protocol.Answer(200, "", 0.1)

    found = Site()
    found.asked = []
    monkeypatch.setattr(protocol, "request", found.request)
    return found


def to(location, *cookies):
    return protocol.Answer(302, "", 0.1, {"location": location}, b"", list(cookies))


def asked(site, given):
    walked = visiting.visit(given, "/run/x.sock", 5)
    assert walked.wrong == ""
    return site.asked


def test_a_site_with_tls_is_requested_as_over_https(tmp_path, site):
    """Its secure cookies are kept during redirects."""
    site["https", "/"] = to("/in/", "session=1; Secure; HttpOnly")
    assert asked(site, make_release(tmp_path, tls="selfsigned")) == [
        ("https", "shop.example.com", "/", "", True),
        ("https", "shop.example.com", "/in/", "session=1", True),
    ]


def test_it_is_requested_at_the_port_of_https(tmp_path, site):
    given = make_release(tmp_path, tls="selfsigned", nginx={"listen": [8080], "listen_tls": [8443]})
    assert asked(site, given) == [("https", "shop.example.com:8443", "/", "", True)]


def test_nginx_redirects_from_http_before_the_site_is_requested(tmp_path, site):
    site["https", "/"] = to("http://shop.example.com:8080/in/")
    given = make_release(tmp_path, tls="selfsigned", nginx={"listen": [8080], "listen_tls": [8443]})
    assert asked(site, given)[1:] == [("https", "shop.example.com:8443", "/in/", "", True)]


def test_a_site_that_redirects_back_to_http_is_a_loop(tmp_path, site):
    site["https", "/"] = to("http://shop.example.com/")
    wrong = visiting.visit(make_release(tmp_path, tls="selfsigned"), "/run/x.sock", 5).wrong
    assert wrong.startswith(
        "/ as shop.example.com redirects in a loop: / -> http://shop.example.com/ -> /; expected a status below 500"
    )


def test_without_the_redirect_a_site_is_also_requested_over_http(tmp_path, site):
    site["https", "/"] = to("http://shop.example.com/in/", "session=1; Secure")
    given = make_release(tmp_path, tls="selfsigned", nginx={"redirect": False})
    assert asked(site, given)[1:] == [("http", "shop.example.com", "/in/", "", False)]


@pytest.mark.parametrize(
    ("keys", "location", "then"),
    [
        ({}, "https://www.shop.example.com/in/", ("https", "shop.example.com")),
        (
            {"nginx": {"listen_tls": [8443]}},
            "https://www.shop.example.com:8443/in/",
            ("https", "shop.example.com:8443"),
        ),
        ({}, "http://www.shop.example.com/in/", ("https", "shop.example.com")),
    ],
)
def test_other_names_redirect_to_the_canonical_one(tmp_path, site, keys, location, then):
    site["https", "/"] = to(location)
    domains = ["www.shop.example.com", "shop.example.com"]
    given = make_release(tmp_path, tls="selfsigned", domains=domains, canonical="shop.example.com", **keys)
    assert asked(site, given)[1:] == [(*then, "/in/", "", True)]


def test_a_site_that_redirects_away_from_the_canonical_name_is_a_loop(tmp_path, site):
    site["https", "/"] = to("https://www.shop.example.com/")
    domains = ["shop.example.com", "www.shop.example.com"]
    given = make_release(tmp_path, tls="selfsigned", domains=domains, canonical="shop.example.com")
    assert "redirects in a loop" in visiting.visit(given, "/run/x.sock", 5).wrong


def test_https_values_in_the_record_of_a_release(tmp_path):
    """Enough for the health check of a rollback; without TLS the record is the same as before."""
    plain = make_release(tmp_path).site
    assert not {"tls", "canonical"} & set(plain)
    assert sorted(plain["nginx"]) == ["listen", "read_timeout", "static"]
    site = make_release(tmp_path, tls={"certificate": "/etc/a.pem", "key": "/etc/a.key"}).site
    assert site["tls"] == {"kind": "path"}
    assert site["nginx"]["listen_tls"] == [{"address": "", "port": 443}]
    assert site["nginx"]["redirect"] is True
    assert Names.of(site).ports == (80, 443)


@AS_ROOT
def test_a_stored_release_with_tls_is_requested_over_https_in_a_rollback(tmp_path, site):
    """Independent of the present inventory."""
    keys = {"domains": ["www.shop.example.com", "shop.example.com"], "canonical": "shop.example.com"}
    build = {**goldens.BUILD, "source": {"kind": "startproject"}}
    made = make_release(tmp_path, build, tls="selfsigned", nginx={"listen_tls": [8443]}, **keys)
    put_releases(tmp_path, (made.id, 1764000000))
    texts = {"release.json": json.dumps(made.record([], 1764000000)), "uwsgi.ini": made.ini}
    for name, text in texts.items():
        (tmp_path / "sites/shop/releases" / made.id / name).write_text(text)
    (tmp_path / "config/shop").mkdir(parents=True)
    (tmp_path / f"config/shop/{made.id}.env").write_text(made.environment_file)
    assert asked(site, stored(make_layout(tmp_path), made.id)) == [("https", "shop.example.com:8443", "/", "", True)]


@AS_ROOT
def test_a_release_from_before_tls_is_requested_over_http(tmp_path, site):
    """A rollback to it renders nothing, and nginx's files are unchanged, so nginx still sends X-Forwarded-Proto."""
    record = put_0_1(tmp_path, "unix")
    given = stored(make_layout(tmp_path), record["id"])
    assert {scheme for scheme, *_others in asked(site, given)} == {"http"}
