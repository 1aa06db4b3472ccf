"""One run of site.yml on a host without certbot and certificates, with pebble as CA; all tests continue from there."""

from __future__ import annotations

from collections.abc import Iterator

import breakpoints
import pytest
from authority import Authority
from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
from host import Host
from sites import Inventory, Project
from world import DEBIAN, World

ODD_PORT = 8443
PASSWORD, TOKEN = "correct horse battery staple", "token-of-the-dns-provider"
# What the project knows about a request.
SEEN = """
from django.http import JsonResponse


def seen(request):
    return JsonResponse({
        "secure": request.is_secure(),
        "host": request.get_host(),
        "address": request.META["REMOTE_ADDR"],
        "forwarded": request.META.get("HTTP_X_FORWARDED_FOR", ""),
    })


urlpatterns += [path("seen", seen)]
"""
# A program of the administrator that creates and removes TXT records.
TXT = "/usr/local/bin/txt"
TXT_SCRIPT = """#!/bin/sh
test "$TOKEN" = token-of-the-dns-provider || exit 1
exec curl --silent --show-error --fail "$DNS/$1-txt" \\
    --data "{\\"host\\": \\"_acme-challenge.$CERTBOT_DOMAIN.\\", \\"value\\": \\"$CERTBOT_VALIDATION\\"}"
"""


@pytest.fixture(scope="session")
def authority(host: Host) -> Iterator[Authority]:
    made = Authority(f"{host.name}-ca", host.address)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def world(host: Host, authority: Authority, project: Project) -> World:
    """Return the host after its first run; whether that succeeded is checked by a test."""
    project.edit("mysite/urls.py", lambda text: text + SEEN)
    made = World(host, authority, project, Inventory(()))
    made.pairs["own"] = made.pair("own")
    certificate, key = made.pairs["own"]
    host.told(f"cat > {TXT} && chmod 755 {TXT}", TXT_SCRIPT)
    dns = {"command": [TXT, "set"], "cleanup": [TXT, "clear"], "environment": {"DNS": authority.dns, "TOKEN": TOKEN}}
    made.add(
        "shop",
        domains=["shop.example", "www.shop.example"],
        canonical="shop.example",
        tls=made.acme(),
        nginx={"hsts": 63072000, "headers": "recommended"},
    )
    made.add("blog", domains=["blog.example", "*.blog.example"], tls=made.acme({"dns": dns}))
    made.add(
        "self", tls="selfsigned", nginx={"listen_tls": [ODD_PORT]}, superuser={"username": "ada", "password": PASSWORD}
    )
    made.add("own", tls={"certificate": certificate, "key": key})
    made.add(
        "plain",
        domains=["plain.example", "shown.example"],
        nginx={"trusted_proxies": [authority.address], "limit_connections": 10},
    )
    # The image has certbot, so that its many packages are already there; the run must install and enable it. On EL it
    # is in EPEL, which a run does not enable by itself; its error says so.
    debian, el = (
        "DEBIAN_FRONTEND=noninteractive dpkg --purge certbot",
        "rpm --erase certbot && dnf install -y epel-release",
    )
    remove = debian if DEBIAN else el
    host.told(f"{remove} && test ! -e /usr/bin/certbot")
    made.first = made.play()
    breakpoints.install(host)
    return made


@pytest.fixture(scope="session")
def served(request: pytest.FixtureRequest, world: World) -> World:
    """Return the world if the first run succeeded; otherwise no other test makes sense."""
    assert world.first is not None
    if world.first.status != 0:
        pytest.fail(f"the first run failed, which a separate test reports: {world.first.error[:300]}")
    # In parallel to the other tests, because the scans take as long as all of them.
    if any("test_tls_scan" in item.nodeid for item in request.session.items):
        begin_scans(world)
    return world


def begin_scans(world: World) -> None:
    """Start testssl.sh on a site of each kind, with all tests on one of them, because their settings are the same."""
    certificate = ("--server-defaults", "--protocols")
    all_but_clients = ("--std", "--fs", "--server-preference", "--headers", "--vulnerable", *certificate)
    self_signed = world.visitor_of("self", ODD_PORT).roots
    begin = world.authority.begin_scan
    world.scans = {
        "acme": begin("shop", 443, world.authority.root, *all_but_clients),
        "selfsigned": begin("self", ODD_PORT, self_signed, *certificate),
        "certificate": begin("own", 443, world.pairs["own"][0], *certificate),
    }
