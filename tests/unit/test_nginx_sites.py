"""Variables of nginx's templates for a site, and accepted values of the role's variables."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import render

SHOP = {"name": "shop", "domains": ["shop.example.com", "www.shop.example.com"], "source": {"path": "/srv/shop"}}
PLATFORM = {"user": "www-data", "layout": "conf_d", "modules": "/etc/nginx/modules-enabled/*.conf"}


def files(*sites, **options):
    return {one["path"]: one for one in render.files(complete(list(sites)), PLATFORM, **options)}


def view(ipv6="off", **nginx):
    found = files({**SHOP, "nginx": nginx}, ipv6=ipv6)
    return found["/etc/nginx/conf.d/shop.conf"]["vars"]["site"]


def main(**options):
    return files(SHOP, **options)["/etc/nginx/nginx.conf"]["vars"]["nginx"]


@pytest.mark.parametrize(
    ("listen", "four", "both"),
    [
        ([80], ["80"], ["80", "[::]:80"]),
        (["localhost:80"], ["127.0.0.1:80"], ["127.0.0.1:80", "[::1]:80"]),
        (["192.0.2.1:80"], ["192.0.2.1:80"], ["192.0.2.1:80"]),
        ([81, 80], ["81", "80"], ["81", "[::]:81", "80", "[::]:80"]),
    ],
)
def test_which_addresses_a_site_listens_on(listen, four, both):
    assert view("off", listen=listen)["listen"] == four
    assert view("on", listen=listen)["listen"] == both


def test_an_address_that_two_entries_contain_is_listened_on_once():
    assert view("on", listen=["localhost:80", "[::1]:80"])["listen"] == ["127.0.0.1:80", "[::1]:80"]


@pytest.mark.parametrize(
    ("given", "kernel", "on"),
    [
        *((word, False, True) for word in ("true", "on", "yes", "Yes", True)),
        *((word, True, False) for word in ("false", "off", "no", "NO", False)),
        ("auto", True, True),
        ("AUTO", False, False),
    ],
)
def test_values_of_nginx_ipv6(given, kernel, on):
    site = files(SHOP, ipv6=given, kernel_ipv6=kernel)["/etc/nginx/conf.d/shop.conf"]["vars"]["site"]
    assert ("[::]:80" in site["listen"]) is on


def test_a_server_on_this_host_is_never_marked_as_failed():
    upstream = ["unix:/run/a.sock", "127.0.0.2:1", "[::1]:2", "localhost:3", "10.0.0.1:4", "[2001:db8::1]:5"]
    assert view(upstream=upstream)["upstream"] == [
        *(f"{server} max_fails=0" for server in upstream[:4]),
        *upstream[4:],
    ]


def test_a_site_has_its_own_logs_limits_and_names():
    found = view()
    assert found["server_name"] == "shop.example.com www.shop.example.com"
    assert found["server"]["access_log"] == ["/var/log/nginx/shop.access.log pyweb_shop"]
    assert found["server"]["error_log"] == ["/var/log/nginx/shop.error.log"]
    changed = view(read_timeout=7, client_max_body_size="3m", options={"error_log": "/dev/null", "gzip": False})
    assert changed["server"]["uwsgi_read_timeout"] == ["7s"]
    assert changed["server"]["client_max_body_size"] == ["3m"]
    assert changed["server"]["error_log"] == ["/dev/null"]
    assert changed["server"]["gzip"] == ["off"]


@pytest.mark.parametrize(
    ("url", "path", "below", "hidden"),
    [
        ("/media/", "/media/a.png", "a.png", False),
        ("/media/", "/media/a/b.png", "a/b.png", False),
        ("/media/", "/media/a\nb", "a\nb", False),
        ("/media/", "/media/.env", ".env", True),
        ("/media/", "/media/a/.git/config", "a/.git/config", True),
        ("/media/", "/media/a\n/.git", "a\n/.git", True),
        ("/media/", "/media/a.b/c.d", "a.b/c.d", False),
        ("/media/", "/mediab/x", None, False),
        ("/media/", "/a/media/x", None, False),
        ("/m.d/", "/m.d/x", "x", False),
        ("/m.d/", "/mxd/x", None, False),
        ("/m.d/", "/mxd/.x", None, False),
    ],
)
def test_which_paths_are_below_a_url_and_which_of_them_are_hidden(url, path, below, hidden):
    media = view(media={"url": url, "path": "/srv/m"})["media"]
    # PCRE switches "dot matches all" on from (?s) to the end of its group; Python only has the form with a group.
    found = re.search(media["below"].replace("(?s)(.*)", "((?s:.*))"), path)
    assert (found[1] if found else None) == below
    assert bool(re.search(media["hidden"], path)) is hidden


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], ["X-Content-Type-Options nosniff always", "Content-Security-Policy \"script-src 'none'\" always"]),
        (
            ["X-A 1"],
            ["X-A 1", "X-Content-Type-Options nosniff always", "Content-Security-Policy \"script-src 'none'\" always"],
        ),
        (
            ['"x-content-type-options" nosniff'],
            ['"x-content-type-options" nosniff', "Content-Security-Policy \"script-src 'none'\" always"],
        ),
        (
            ["content-security-policy \"default-src 'self'\"", "X-Content-Type-Options nosniff"],
            ["content-security-policy \"default-src 'self'\"", "X-Content-Type-Options nosniff"],
        ),
    ],
)
def test_uploads_have_the_servers_headers_and_those_that_block_scripts(given, wanted):
    found = view(options={"add_header": given}, media_documents="open")
    assert found["media"]["headers"] == wanted
    # In addition to all other headers, and only for documents.
    sandboxed = view(options={"add_header": given})["media"]["headers"]
    assert sandboxed == [*wanted, "Content-Security-Policy $pyweb_documents always"]


def test_links_to_files_of_other_owners_are_not_followed():
    found = view(media="/srv/m")
    assert found["media"]["links"] == "if_not_owner from=/srv/m"
    assert found["static"]["links"] == "if_not_owner from=/opt/sites/shop/current/static"
    assert found["static"]["previous_links"] == "if_not_owner from=/opt/sites/shop/previous/static"


def test_disable_symlinks_of_the_inventory_is_kept():
    found = view(options={"disable_symlinks": ["off"]})
    assert (found["media"]["links"], found["static"]["links"], found["static"]["previous_links"]) == ("", "", "")
    assert found["server"]["disable_symlinks"] == ["off"]


def test_switched_off_features_have_no_patterns():
    found = view(static=False, media=False)
    assert (found["static"], found["media"]) == (None, None)


def test_options_override_the_defaults_of_the_http_level():
    plain, changed = main()["http"], main(options={"gzip": False, "map_hash_max_size": 4096})["http"]
    assert (plain["gzip"], plain["sendfile"]) == (["on"], ["on"])
    assert changed == {**plain, "gzip": ["off"], "map_hash_max_size": ["4096"]}


@pytest.mark.parametrize("given", [16, "16", 1048576])
def test_minimum_and_maximum_of_connections(given):
    assert main(worker_connections=given)["worker_connections"] == int(given)


@pytest.mark.parametrize("given", [15, 1048577, "many", None, 1.5, True])
def test_invalid_numbers_of_connections(given):
    with pytest.raises(ValueError, match=r"nginx_worker_connections is .*; expected a whole number from 16 to 1048576"):
        main(worker_connections=given)


def test_the_main_file_contains_a_site_only_with_default_d():
    assert main()["server"] == {}
    assert main(layout="default_d")["server"]["name"] == "shop"
    assert files(layout="default_d")["/etc/nginx/nginx.conf"]["vars"]["nginx"]["server"] == {}


@pytest.mark.parametrize(
    ("layout", "templates"),
    [
        ("conf_d", {"conf.d/shop.conf": "conf.d/site.conf"}),
        ("sites_available", {"sites-available/shop.conf": "conf.d/site.conf"}),
        ("default_d", {"default.d/shop.conf": "default.d/site.conf", "conf.d/uwsgi_shop.conf": "conf.d/upstream.conf"}),
    ],
)
def test_variables_of_the_files_of_a_layout(layout, templates):
    mine = {path: one for path, one in files(SHOP, layout=layout).items() if "shop" in path}
    assert {path: one["template"] for path, one in mine.items() if "template" in one} == {
        f"/etc/nginx/{path}": f"etc/nginx/{template}.j2" for path, template in templates.items()
    }
    link = mine["/etc/nginx/sites-enabled/shop.conf"]
    if layout == "sites_available":
        assert link == {
            "path": "/etc/nginx/sites-enabled/shop.conf",
            "link": "../sites-available/shop.conf",
            "of": "shop",
        }
    else:
        # Only a managed link is removed: it is recognized by its target.
        assert (link["state"], link["marked"]) == ("absent", "../sites-available/shop.conf")
    gone = [one for one in mine.values() if one.get("state") == "absent" and one is not link]
    assert {one["marked"] for one in gone} == {"pyweb.stack.nginx"}


def test_the_layout_of_the_platform_is_used_unless_another_is_given():
    assert files(SHOP, layout="auto").keys() == files(SHOP, layout="conf_d").keys()
    assert "template" in files(SHOP)["/etc/nginx/conf.d/shop.conf"]
    assert "template" in files(SHOP, layout="sites_available")["/etc/nginx/sites-available/shop.conf"]


def test_default_d_allows_only_one_site():
    blog = {**SHOP, "name": "blog", "domains": ["b"]}
    gone = {"name": "old", "state": "absent"}
    assert files(SHOP, gone, layout="default_d")["/etc/nginx/default.d/old.conf"]["state"] == "absent"
    with pytest.raises(ValueError, match="nginx_layout") as error:
        files(SHOP, blog, gone, layout="default_d")
    assert str(error.value).split("\n") == [
        "nginx_layout is default_d, which has room for one site; nginx_sites has 2: shop, blog; "
        "use conf_d or sites_available",
    ]
