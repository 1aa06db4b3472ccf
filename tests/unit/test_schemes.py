"""The URL of a site with https, and the origins that Django trusts."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import schemes
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, url
from models import completed

TWO = ["shop.example.com", "www.example.com"]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, "http://shop.example.com/"),
        ({"nginx": {"listen": 8080}}, "http://shop.example.com:8080/"),
        ({"tls": "selfsigned"}, "https://shop.example.com/"),
        ({"tls": "selfsigned", "nginx": {"listen_tls": [8443, 443]}}, "https://shop.example.com:8443/"),
        ({"tls": "selfsigned", "nginx": {"listen": 8080, "listen_tls": 80}}, "https://shop.example.com:80/"),
        ({"tls": "selfsigned", "domains": TWO, "canonical": TWO[1], "prefix": "/a"}, "https://www.example.com/a/"),
        ({"domains": TWO, "canonical": TWO[1], "nginx": {"listen": 443}}, "http://www.example.com/"),
    ],
)
def test_url_of_a_site(keys, found):
    assert url(completed(**keys)) == found


@pytest.mark.parametrize(
    ("keys", "origins"),
    [
        ({}, ["http://shop.example.com", "https://shop.example.com"]),
        ({"nginx": {"listen": 8080}}, ["http://shop.example.com:8080", "https://shop.example.com:8080"]),
        ({"tls": "selfsigned"}, ["https://shop.example.com"]),
        ({"tls": "selfsigned", "nginx": {"redirect": False}}, ["https://shop.example.com", "http://shop.example.com"]),
        (
            {"tls": "selfsigned", "nginx": {"listen": 443, "listen_tls": [8443, 80], "redirect": False}},
            ["https://shop.example.com:8443", "https://shop.example.com:80", "http://shop.example.com:443"],
        ),
        (
            {"tls": "selfsigned", "domains": TWO, "canonical": TWO[1]},
            ["https://shop.example.com", "https://www.example.com"],
        ),
    ],
)
def test_origins_that_django_trusts(keys, origins):
    assert completed(**keys)["origins"] == origins


def test_a_site_of_an_earlier_version_has_no_tls():
    """Its record has no keys of https."""
    recorded = {"domains": ["shop.example.com"], "nginx": {"listen": [{"address": "", "port": 8080}]}}
    assert schemes.kind(recorded) == "none"
    assert not schemes.has_tls(recorded)
    assert schemes.tls_listeners(recorded) == []
    assert (schemes.scheme(recorded), schemes.authority(recorded)) == ("http", "shop.example.com:8080")


def test_an_absent_site_with_tls_has_no_url():
    [site] = complete([{"name": "shop", "state": "absent", "tls": {"acme": {}}}])
    assert url(site) == ""
