"""After the switch, a deploy watches real traffic, and rolls back if the new release gives many more errors."""

from __future__ import annotations

from typing import Any

import pytest
from client import Prober
from host import Run
from test_bad_releases import Bad, broken
from two_sites import DEPLOY, World

pytestmark = pytest.mark.same_everywhere

# The page of the health check is healthy; visitors request another page.
VISITED = """
from django.http import HttpResponse
from django.urls import path as visited

def visit(request):
    {}
    return HttpResponse("welcome")

urlpatterns += [visited("visit/", visit)]
"""
GOOD, BAD = VISITED.format(""), VISITED.format("raise ValueError('no such column')")
URLS = "mysite/urls.py"


@pytest.fixture(scope="module")
def visited(world: World) -> World:
    """Deploy both sites with the page that visitors request."""
    run = deploy(world, GOOD, "unix", "tcp")
    assert run.status == 0, run.error
    return world


def deploy(world: World, urls: str, *names: str, watch: int = 5) -> Run:
    world.new_code()
    with broken(world, Bad("visit", "", "", add={URLS: urls})):
        # Enough time for a start while the clients send requests.
        keys: dict[str, Any] = {"health": {"watch": watch, "timeout": 60}}
        wanted = [site for name in names for site in world.sites[name].with_(**keys).sites]
        return world.host.play(wanted, DEPLOY)


def visitors(world: World, name: str) -> Prober:
    return Prober(world.host.address, f"{name}.example", "/visit/", 0.2)


@pytest.mark.parametrize("name", ["unix", "tcp"])
def test_a_release_that_gives_visitors_errors_is_rolled_back(visited: World, name: str) -> None:
    before = visited.version(name), visited.current(name)
    # Few requests, because twenty good responses would end the watch.
    others = Prober(visited.host.address, f"{name}.example", "/healthz", 2)
    with visitors(visited, name) as asking, others as health:
        # Long enough for a busy machine: the watch ends with the fifth bad response.
        run = deploy(visited, BAD, name, watch=60)
    old = before[1].rpartition("/")[2]
    assert run.status != 0, run.output
    first = next(line for line in run.error.splitlines() if f"site '{name}': " in line)
    assert f"site '{name}': watch failed: " in first, run.error
    assert f"answers to visitors were 5xx; of release {old}, which is live again, " in first, run.error
    assert "migrations are not reversed" in first, run.error
    assert "ValueError: no such column" in first, run.error
    assert "in visit" in run.error.partition(first)[2], run.error
    assert (visited.version(name), visited.current(name)) == before
    # Every request gets a response, and the other pages of the site keep working.
    assert {answer.status for answer in asking.answers} == {200, 500}, asking.failures
    assert not health.failures, health.failures
    assert asking.outage < 20, asking.outage
    visited.assert_whole(name)
    visited.assert_tidy(name)


def test_without_a_watch_a_release_with_errors_stays_live(visited: World) -> None:
    with visitors(visited, "unix"):
        run = deploy(visited, BAD, "unix", watch=0)
    assert run.status == 0, run.error
    assert visited.ask("unix", "/visit/").status == 500
    assert deploy(visited, GOOD, "unix", watch=0).status == 0


def test_the_watch_of_a_good_release_ends_after_twenty_responses(visited: World) -> None:
    with visitors(visited, "unix") as asking:
        run = deploy(visited, GOOD, "unix", watch=600)
    assert run.status == 0, run.error
    assert run.seconds < 300, run.seconds
    assert not asking.failures, asking.failures


def test_a_site_without_recent_visitors_is_not_watched(visited: World) -> None:
    """Requests of the collection itself do not count; its User-Agent identifies them."""
    visited.host.told(": > /var/log/nginx/unix.access.log; rm -f /var/log/nginx/unix.access.log.*")
    visited.host.told("curl -s -o /dev/null -A pyweb.stack -H 'Host: unix.example' http://127.0.0.1/")
    run = deploy(visited, GOOD, "unix", watch=600)
    assert run.status == 0, run.error
    assert run.seconds < 300, run.seconds
