"""No change of a site costs a request or makes one slow: each is made under load, on every kind of socket at once.

The load runs from before the playbook starts until it has ended, and the steady state is measured right before and
right after, by the same load on the same machine; `make test` runs nothing beside it. What compares no times is in
test_answers.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from client import CONNECTIONS
from world import World, code

# docs/architecture.md, promise 2.
TIMES_STEADY = 3
# Below this nobody notices. On two cores that the load, Ansible and four starting releases share, three times a steady
# p99 of 16 ms is less than what one start of Python costs a request that waits for a core.
UNNOTICED_MS = 100
ROW = 10


# --- the changes: each makes one, and says whether it has arrived -----------------------------------------------------


def nothing(world: World) -> bool:
    return world.converge().changed == 0


def dependency(world: World) -> bool:
    """Of one site: the others' would be built in the same way."""
    world.inventory = world.inventory.with_("tcp", packages=["tomli"])
    world.deploy()
    return world.host.told("/opt/sites/tcp/manage shell -v0", "import tomli; print('there')") == "there"


def uwsgi_option(world: World) -> bool:
    world.inventory = world.inventory.with_(uwsgi={"options": {"add-header": "X-From: uwsgi"}})
    world.converge()
    return world.headers("x-from") == {"uwsgi"}


def ten_deploys(world: World) -> bool:
    """Of one site after the other: a release of another environment each, without the time that a build takes."""
    seen = [world.live("current")]
    for number in range(ROW):
        name = world.inventory.names[number % len(world.inventory.names)]
        world.inventory = world.inventory.with_(name, env={"NUMBER": str(number)})
        # The run knows this site alone, as that of a project with its own inventory would: it looks at no other.
        world.host.deploy([site for site in world.inventory.sites if site["name"] == name], "deploy.yml")
        seen.append(world.live("current"))
    return len(set(seen)) == ROW + 1


def rollback(world: World) -> bool:
    """Of one site after the other, to what was live before."""
    kept = world.inventory
    now = world.live("current")
    world.inventory = kept.with_(env={"NUMBER": "bad"})
    world.deploy()
    for name in world.inventory.names:
        run = world.host.play(world.inventory.sites, "rollback.yml", "--extra-vars", f"rollback_site={name}")
        assert run.status == 0, run.error
    world.inventory = kept
    return world.live("current") == now != world.live("previous")


CHANGES: list[Callable[[World], bool]] = [
    nothing,
    code,
    dependency,
    uwsgi_option,
    ten_deploys,
    rollback,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_no_request_fails_and_none_is_slow(world: World, change: Callable[[World], bool]) -> None:
    # What was steady after one change is what is steady before the next.
    before = world.last_steady or world.steady()
    stored = world.pictures()
    with world.load() as load:
        assert change(world), f"{change.__name__} has not arrived"
    after = world.steady()
    during = load.verdict
    print(f"MEASURED {change.__name__}: {during}; steady before: {before}; after: {after}")
    assert (before.failed, during.failed, after.failed) == (0, 0, 0), f"{during}"
    limit = max(TIMES_STEADY * max(before.p99, after.p99), UNNOTICED_MS)
    assert during.p99 <= limit, f"p99 {during.p99:.0f} ms, wanted {limit:.0f} ms at most"
    # A form that was answered as stored is stored, whichever release took it; what was in flight at the end may be too.
    answered = during.stored + after.stored
    assert answered <= world.pictures() - stored <= answered + 2 * CONNECTIONS * len(world.inventory.sites)
