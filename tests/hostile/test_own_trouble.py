"""The trouble of one site is its own: the others of the run are built, released and served."""

from __future__ import annotations

import re
from collections.abc import Iterator

import client
import pytest
from conftest import World
from host import Host, Run
from sites import Inventory, site

# Nobody answers there.
NOWHERE = "git://127.0.0.1:1/nothing.git"
VERSION = "7.1"
# A status that the example never answers with.
NEVER = {"path": "/healthz", "status": [299], "timeout": 3}


def served(host: Host, name: str) -> str:
    answer = client.ask(host.address, f"{name}.example")
    return answer.body if answer.status == 200 else f"{answer.status} {answer.failure}"


@pytest.fixture(scope="module")
def run(world: World) -> Iterator[Run]:
    """One run in which the build of `blog` fails, the first release of `wiki` fails, and `shop` and `zine` are fine."""
    world.project.version(VERSION)
    shop, blog = world.inventory.sites
    unreachable = {**blog, "source": {"git": NOWHERE, "version": "main"}, "uwsgi": {"socket": "127.0.0.1:8002"}}
    others = (site("wiki", world.project, health=NEVER), site("zine", world.project, nginx={"listen": [80, 8090]}))
    wanted = Inventory((unreachable, others[0], shop, others[1]))
    done = world.play(wanted)
    yield done
    gone = [{**other, "state": "absent", "purge": True} for other in others]
    world.deploy()
    assert world.play(Inventory((shop, blog, *gone))).status == 0


def test_the_run_fails_with_all_faults(run: Run) -> None:
    assert run.status
    assert run.error.startswith("site 'blog': source failed: ")
    assert re.search(r"^site 'wiki': (start|health) failed: ", run.error, re.MULTILINE)
    assert "site 'shop'" not in run.error
    assert "site 'zine'" not in run.error


def test_the_others_are_built_released_and_served(world: World, run: Run) -> None:
    assert VERSION in served(world.host, "shop")
    assert VERSION in served(world.host, "zine")
    assert "8090/tcp" in world.host.told("firewall-cmd --list-ports")


def test_a_site_that_was_served_is_served_as_before(world: World, run: Run) -> None:
    assert VERSION not in served(world.host, "blog")
    assert "<html" in served(world.host, "blog")
    # The inventory has moved it to another port, where nothing listens yet.
    servers = world.host.told("nginx -T 2>/dev/null")
    assert "127.0.0.1:8001" in servers
    assert "127.0.0.1:8002" not in servers


def test_a_site_whose_first_release_failed_has_no_server(world: World, run: Run) -> None:
    assert "wiki" not in world.host.told("nginx -T 2>/dev/null")
    assert re.search(" -> [0-9a-f]{12} by .+: failed: (start|health): ", world.host.told("cat /opt/sites/wiki/history"))
