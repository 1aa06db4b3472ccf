"""With IPv6 off, nothing listens on it, whatever the layout, and the site is served."""

from __future__ import annotations


def test_site_is_served(http):
    assert http("mysite.example", "/healthz").status == 200


def test_nginx_does_not_listen_on_ipv6(host):
    listening = host.run("ss -Hltn").stdout
    assert ":80 " in listening
    assert "[::]:80" not in listening
    configuration = host.run("nginx -T").stdout
    assert "server_name" in configuration
    assert "listen [::]" not in configuration
