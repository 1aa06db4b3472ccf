"""The rest of a run after some sites have failed: nginx, SELinux and the firewall leave these sites unchanged."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.action.nginx_set import asked_for
from ansible_collections.pyweb.stack.plugins.filter.sites import FilterModule
from ansible_collections.pyweb.stack.plugins.module_utils import firewall, selinux
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import render

PLATFORM = {"user": "www-data", "layout": "conf_d", "modules": "/etc/nginx/modules-enabled/*.conf"}
OLD, NOTHING = {"id": "b" * 12, "socket": ["127.0.0.1:8001"], "switched": False}, {"id": "", "socket": None}
sites_after = FilterModule().filters()["sites_after"]


def site(name, **keys):
    return {"name": name, "domains": [f"{name}.example"], "source": {"path": "/srv/x"}, **keys}


def failed(key="faulty", **live):
    return {"failed": True, "sites_after": {"live": live, key: list(live)}}


def paths(found, state="present"):
    return [file["path"] for file in found if file.get("state", "present") == state]


def test_a_run_without_failures_includes_all_sites():
    sites = complete([site("shop"), site("blog")])
    assert sites_after(sites, {}, {"changed": False, "releases": {}}) == sites


@pytest.mark.parametrize("results", [[failed(blog=NOTHING), {}], [{}, failed(blog=NOTHING)]])
def test_a_site_without_a_release_is_left_out(results):
    found = sites_after(complete([site("shop"), site("blog")]), *results)
    assert [found_site["name"] for found_site in found] == ["shop"]


def test_a_site_that_could_not_be_removed_is_left_out():
    gone = complete([{"name": "blog", "state": "absent"}])
    assert sites_after(gone, failed(blog=OLD)) == []


def test_a_failure_after_the_switch_does_not_concern_nginx():
    sites = complete([site("blog")])
    assert sites_after(sites, failed(blog={**OLD, "switched": True})) == sites


@pytest.mark.parametrize(
    ("given", "before", "upstream"),
    [
        ("127.0.0.1:8002", ["127.0.0.1:8001"], ["127.0.0.1:8001"]),
        ("127.0.0.1:8002", [], ["unix:/opt/sites/blog/current/uwsgi.sock"]),
        ("unix", ["127.0.0.1:8001"], ["127.0.0.1:8001"]),
        ("127.0.0.1:8002", None, ["127.0.0.1:8002"]),
    ],
)
def test_a_failed_site_keeps_the_socket_of_its_live_release(given, before, upstream):
    [found] = sites_after(complete([site("blog", uwsgi={"socket": given})]), failed(blog={**OLD, "socket": before}))
    assert found["kept"] is True
    assert found["nginx"]["upstream"] == upstream


def test_an_upstream_of_the_inventory_is_kept():
    given = complete([site("blog", nginx={"upstream": ["10.0.0.1:9000"]})])
    assert sites_after(given, failed(blog=OLD))[0]["nginx"]["upstream"] == ["10.0.0.1:9000"]


def test_the_files_of_a_kept_site_are_neither_written_nor_removed():
    sites = sites_after(complete([site("shop"), site("blog")]), failed(blog=OLD))
    found = render.files(sites, PLATFORM, host={"sites": ["blog"]})
    assert not [path for path in [*paths(found), *paths(found, "absent")] if "blog" in path]
    assert "/etc/nginx/conf.d/shop.conf" in paths(found)


def test_a_kept_site_that_shares_a_server_stays_in_it():
    """The server is in the file of the first site; the upstream is that of the live release."""
    named = {"domains": ["a.example"]}
    given = complete([site("shop", **named), site("blog", prefix="/blog", uwsgi={"socket": "127.0.0.1:8002"}, **named)])
    found = render.files(sites_after(given, failed(blog=OLD)), PLATFORM, host={"sites": ["shop", "blog"]})
    assert "/etc/nginx/pyweb.d/blog.conf" not in [*paths(found), *paths(found, "absent")]
    [server] = [file["vars"]["site"] for file in found if file["path"] == "/etc/nginx/conf.d/shop.conf"]
    assert [(other["name"], other["upstream"]) for other in server["others"]] == [
        ("blog", ["127.0.0.1:8001 max_fails=0"])
    ]


def test_a_kept_site_that_nginx_never_had_gets_no_file():
    sites = sites_after(complete([site("shop"), site("blog")]), failed(blog=OLD))
    found = render.files(sites, PLATFORM, host={"sites": ["shop"]})
    assert not [path for path in paths(found) if "blog" in path]


def test_nginx_stays_if_a_failed_site_is_served_after_the_last_other_one_is_removed():
    sites = sites_after(complete([{"name": "shop", "state": "absent"}, site("blog")]), failed(blog=OLD))
    assert not render.leaves(sites, {"sites": ["shop", "blog"]})


def test_no_request_is_made_to_a_kept_site():
    sites = sites_after(complete([site("shop"), site("blog")]), failed(blog=OLD))
    assert [found["name"] for found in asked_for(sites)] == ["shop"]


def test_ports_of_a_kept_site_stay_open():
    sites = sites_after(complete([site("shop"), site("blog", nginx={"listen": [8081]})]), failed(blog=OLD))
    opened = {"web": {"zone": "public", "services": ["http"], "ports": ["8080/tcp"], "closing": []}}
    found = firewall.plan(sites, [], [], "", "web", opened, [22], "public")
    assert found["close"] == []
    assert {"zone": "public", "service": "", "port": "8080/tcp"} in found["wanted"]
    # Without a failure the port is closed.
    good = firewall.plan(complete([site("shop")]), [], [], "", "web", opened, [22], "public")
    assert [item["port"] for item in good["close"]] == ["8080/tcp"]


def test_selinux_still_allows_what_a_kept_site_may_need():
    unix, kept = complete([site("shop")]), sites_after(complete([site("shop")]), failed(shop=OLD))
    assert "name_connect" not in selinux.policy(unix)["text"]
    assert "name_connect" in selinux.policy(kept)["text"]
