"""Which headers nginx trusts from a proxy in front of a site, and what it passes to uWSGI."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import proxies, render
from test_nginx import REDHAT, ROLE
from test_nginx_https import ACME, CHALLENGE, mapped, shop, view


def maps(site):
    return {made["target"]: made for made in view(site)["maps"]}


BEHIND = shop(trusted_proxies=["10.0.0.0/8", "10.0.0.0/8", "2001:db8::7"])


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        ("1 https", "https"),
        ("1 HTTPS", "https"),
        ("1 http", "http"),
        ("1 http, https", "https"),
        ("1 https,http", "http"),
        ("1 ", "$scheme"),
        ("1 xhttps", "$scheme"),
        ("1 https evil", "$scheme"),
        ("0 https", "$scheme"),
        ("0 1 https", "$scheme"),
    ],
)
def test_the_scheme_is_that_of_the_last_trusted_proxy(header, scheme):
    made = maps(BEHIND)["$pyweb_scheme_shop"]
    assert made["source"] == '"$pyweb_trusted_shop $http_x_forwarded_proto"'
    assert mapped(made, header) == scheme


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("1 shop.example", "shop.example"),
        ("1 evil.example, shop.example:99", "shop.example:99"),
        ("1 ", "$http_host"),
        ("1 a b", "$http_host"),
        ("0 evil.example", "$http_host"),
    ],
)
def test_the_host_is_that_of_the_last_trusted_proxy(header, name):
    found = maps(BEHIND)
    assert mapped(found["$pyweb_host_shop"], header) == name
    assert mapped(found["$pyweb_asked_shop"], header) == ('""' if name == "$http_host" else name)


def test_trust_depends_on_the_address_of_the_connection():
    trusted = maps(BEHIND)["$pyweb_trusted_shop"]
    assert (trusted["word"], trusted["source"]) == ("geo", "$realip_remote_addr")
    assert trusted["rows"] == [("default", "0"), ("10.0.0.0/8", "1"), ("2001:db8::7", "1")]
    server = view(BEHIND)["server"]
    assert server["set_real_ip_from"] == ["10.0.0.0/8", "2001:db8::7"]
    assert (server["real_ip_header"], server["real_ip_recursive"]) == (["X-Forwarded-For"], ["on"])


@pytest.mark.parametrize(
    ("asked", "redirects"),
    [("http/", True), ("http/a", True), ("https/", False), ("https/http/", False), (f"http{CHALLENGE}", False)],
)
def test_only_requests_that_the_client_sent_over_http_are_redirected(asked, redirects):
    found = view(shop(ACME, trusted_proxies=["10.0.0.0/8"]))
    assert found["insist"]["when"] == "$pyweb_insist_shop"
    [made] = [made for made in found["maps"] if made["target"] == "$pyweb_insist_shop"]
    assert (mapped(made, asked) == "1") is redirects
    assert found["listen"] == ["80", "443 ssl"]


def test_a_challenge_without_an_answer_is_redirected_too():
    made = maps(BEHIND)["$pyweb_insist_shop"]
    assert mapped(made, f"http{CHALLENGE}") == "1"


def test_redirects_of_a_proxy_do_not_have_the_port_of_nginx():
    site = shop(trusted_proxies=["10.0.0.0/8"], listen_tls=[8443])
    assert view(site)["insist"]["answer"] == "308 https://$host$pyweb_to8443_shop$request_uri"
    made = maps(site)["$pyweb_to8443_shop"]
    assert (made["source"], mapped(made, "1"), mapped(made, "0")) == ("$pyweb_trusted_shop", '""', ":8443")


def test_hsts_is_only_sent_if_the_client_used_https():
    made = maps(shop(trusted_proxies=["10.0.0.0/8"], hsts=300))["$pyweb_hsts_shop"]
    assert (made["source"], mapped(made, "https"), mapped(made, "http")) == ("$pyweb_scheme_shop", "max-age=300", '""')


def test_a_proxy_in_front_of_a_site_without_tls():
    found = view(shop("none", trusted_proxies=["10.0.0.0/8"]))
    assert (found["listen"], found["insist"], found["edges"]) == (["80"], {}, [])
    assert "HTTPS $pyweb_https_shop if_not_empty" in found["server"]["uwsgi_param"]


def test_a_proxy_with_the_proxy_protocol_is_only_trusted_about_the_address():
    """It passes the bytes of the client on, including the headers."""
    found = view(shop(trusted_proxies=["10.0.0.0/8"], proxy_protocol=True))
    assert found["listen"] == ["443 ssl proxy_protocol"]
    assert found["catch_all"] == ["80 proxy_protocol"]
    assert [edge["listen"] for edge in found["edges"]] == [["443 ssl proxy_protocol"], ["80 proxy_protocol"]]
    assert found["server"]["real_ip_header"] == found["edges"][1]["server"]["real_ip_header"] == ["proxy_protocol"]
    assert (found["maps"], found["insist"], found["own_parameters"]) == ([], {}, False)


def names(parameters):
    return [parameter.split()[0] for parameter in parameters]


def test_every_site_passes_the_same_variables_to_uwsgi_once():
    text = (ROLE / "templates/etc/nginx/pyweb_uwsgi_params.j2").read_text()
    usual = re.findall(r"(?m)^uwsgi_param (\S+)", text)
    behind = view(BEHIND)
    assert behind["own_parameters"]
    found = names(behind["server"]["uwsgi_param"])
    assert len(found) == len(set(found))
    assert set(usual) < set(found)
    plain = dict(line.split(" ", 1) for line in re.findall(r"(?m)^uwsgi_param (.*);$", text))
    assert {name: plain[name] for name in names(proxies._PLAIN)} == dict(line.split(" ", 1) for line in proxies._PLAIN)
    with_tls = view(shop())["server"]["uwsgi_param"]
    assert not set(names(with_tls)) & set(usual)  # nginx warns about a duplicate name


def test_headers_of_untrusted_clients_are_dropped():
    for site in (shop(), BEHIND):
        found = view(site)["server"]["uwsgi_param"]
        assert "HTTP_X_FORWARDED_FOR $remote_addr" in found
        assert {'HTTP_X_FORWARDED_SSL "" if_not_empty', 'HTTP_FORWARDED "" if_not_empty'} <= set(found)
    assert 'HTTP_X_FORWARDED_HOST "" if_not_empty' in view(shop())["server"]["uwsgi_param"]
    assert "uwsgi_param" not in view(shop("none"))["server"]


def test_parameters_of_the_inventory_come_last_and_override():
    found = view(shop(options={"uwsgi_param": "HTTP_X_FORWARDED_FOR $http_x_forwarded_for"}))["server"]["uwsgi_param"]
    assert found[-1] == "HTTP_X_FORWARDED_FOR $http_x_forwarded_for"


def test_two_sites_have_different_variables():
    other = {**BEHIND, "name": "my-shop", "domains": ["my.example"]}
    files = render.files(complete([BEHIND, other]), REDHAT)
    targets = [made["target"] for file in files for made in file.get("vars", {}).get("site", {}).get("maps", [])]
    assert len(targets) == len(set(targets)) > 8
    assert all(re.fullmatch(r"\$pyweb_[a-z0-9_]+_(my_)?shop", target) for target in targets)


def test_variables_of_the_longest_name_fit_nginxs_limit():
    """variables_hash_bucket_size is 64: a pointer, the length, the name, and a terminating pointer."""
    keys = {"trusted_proxies": ["10.0.0.0/8"], "hsts": 300, "listen_tls": [65535]}
    files = render.files(complete([shop(ACME, name="a" * 31, **keys)]), REDHAT, catch_all=False)
    targets = [made["target"] for file in files for made in file.get("vars", {}).get("site", {}).get("maps", [])]
    assert len(targets) == 9
    assert max(len(target) - len("$") for target in targets) <= 46
