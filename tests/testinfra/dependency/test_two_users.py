"""A role that depends on the collection's and a play with its own list share a host; each keeps its site."""

from __future__ import annotations


def test_the_dependency_serves_its_site(http):
    assert http("shop.example", "/healthz", port=8088).status == 200


def test_the_play_serves_its_site(http):
    assert http("blog.example", "/admin/login/").status == 200


def test_ports_of_both_are_open(host):
    assert "http" in host.run("firewall-cmd --list-services").stdout.split()
    assert host.run("firewall-cmd --permanent --list-ports").stdout.split() == ["8088/tcp"]


def test_sites_have_separate_users(host):
    assert host.user("site-shop").uid != host.user("site-blog").uid
