"""One run of site.yml on a host without certbot and certificates, with pebble for a CA; all tests go on there."""

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
# What the project believes about a request.
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
# A program of the administrator's that makes TXT records, and takes them away again.
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
    """The host after its first run; whether that was good, a test asks."""
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
    # The image has it, to save the time of its many packages; to install and to enable it is a run's own business.
    # On EL it is in EPEL, which a run does not bring by itself, but names.
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
    """The world, once the first run has ended well: of a host where it has not, nothing else can be asked."""
    assert world.first is not None
    if world.first.status != 0:
        pytest.fail(f"the first run failed, which has a test of its own: {world.first.error[:300]}")
    # Beside the other tests, for it takes as long as all of them.
    if any("test_tls_scan" in item.nodeid for item in request.session.items):
        begin_scans(world)
    return world


def begin_scans(world: World) -> None:
    """Let testssl.sh look at one site of each kind: at the settings, which are the same, of one of them."""
    certificate = ("--server-defaults", "--protocols")
    all_but_clients = ("--std", "--fs", "--server-preference", "--headers", "--vulnerable", *certificate)
    self_signed = world.visitor_of("self", ODD_PORT).roots
    begin = world.authority.begin_scan
    world.scans = {
        "acme": begin("shop", 443, world.authority.root, *all_but_clients),
        "selfsigned": begin("self", ODD_PORT, self_signed, *certificate),
        "certificate": begin("own", 443, world.pairs["own"][0], *certificate),
    }
