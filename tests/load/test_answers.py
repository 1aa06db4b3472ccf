"""No request fails during a change of a site. These tests measure no times, so other tests may run in parallel."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import pytest
from client import Prober, style_of
from sites import BALANCED
from world import World, code


def another_port(world: World) -> bool:
    world.inventory = world.inventory.with_("balanced", uwsgi={"socket": [*BALANCED, "127.0.0.1:8013"]})
    world.converge()
    return "127.0.0.1:8013" in world.host.told("nginx -T 2>/dev/null")


def nginx_option(world: World) -> bool:
    world.inventory = world.inventory.with_(nginx={"options": {"add_header": "X-Front nginx"}})
    world.converge()
    return world.headers("x-front") == {"nginx"}


@pytest.mark.parametrize("change", [nginx_option, another_port], ids=lambda change: change.__name__)
def test_no_request_fails_while_nginx_changes(world: World, change: Callable[[World], bool]) -> None:
    """With a new connection for every request.

    nginx may close an idle connection at any time, for example after keepalive_timeout, and a client then repeats its
    request (RFC 9112, 9.3.1). wrk does not, so it would count that as a failure.
    """
    with world.load(keep=False) as load:
        assert change(world)
    print(f"MEASURED {change.__name__}: {load.verdict}")
    assert load.verdict.failed == 0, f"{load.verdict}"


def test_a_port_that_is_no_longer_configured_is_closed(world: World) -> None:
    world.inventory = world.inventory.with_("balanced", uwsgi={"socket": BALANCED[1:]})
    world.converge()
    assert world.ask("balanced.example", "/healthz").status == 200
    listening = world.host.told("cat /proc/net/tcp")
    assert [f":{port:04X} 00000000:0000 0A" in listening for port in (8011, 8012, 8013)] == [False, True, False]
    assert world.converge().changed == 0


@pytest.mark.same_everywhere
def test_requests_of_five_seconds_finish_during_a_deploy(world: World) -> None:
    probers = [Prober(world.host.address, host, "/slow?seconds=5", 2.5) for host in world.inventory.hosts]
    with contextlib.ExitStack() as stack:
        for prober in probers:
            stack.enter_context(prober)
        assert code(world)
    for prober in probers:
        assert len(prober.answers) > 2
        assert not prober.failures, (prober.host, prober.failures)
        assert all(answer.seconds >= 5 for answer in prober.answers)
        versions = {json.loads(answer.body)["version"] for answer in prober.answers}
        assert str(world.version - 1) in versions, f"{prober.host}: no slow request was answered by the old release"


@pytest.mark.same_everywhere
def test_the_assets_of_every_page_are_served_during_a_deploy(world: World) -> None:
    """Whichever release rendered the page."""
    world.new_code()
    playing = world.host.begin(world.inventory.sites, "deploy.yml")
    seen = set()
    while playing.process.poll() is None:
        for host in world.inventory.hosts:
            path = style_of(world.ask(host, "/"))
            seen.add(path)
            assert world.ask(host, path).status == 200, (host, path)
    assert playing.end().status == 0
    assert len(seen) > 1, "no page of the new release was seen before the deploy ended"


@pytest.mark.same_everywhere
def test_assets_of_the_previous_release_are_still_served(world: World) -> None:
    """A page that is open in a browser may request its style sheet after the deploy."""
    old = {host: style_of(world.ask(host, "/")) for host in world.inventory.hosts}
    bodies = {host: world.ask(host, path).body for host, path in old.items()}
    assert code(world)
    for host, path in old.items():
        assert style_of(world.ask(host, "/")) != path, "the style sheet did not change, so this proves nothing"
        answer = world.ask(host, path)
        assert (answer.status, answer.body) == (200, bodies[host])
