"""An upgrade of a host from 0.1.0: its sites keep answering and keep their data, and a rollback is possible.

The tests depend on each other and run in this order.
"""

from __future__ import annotations

import json

from conftest import World
from host import Run

# The tasks that change something on a host of 0.1.0, with the same inventory and code. CHANGELOG.md lists each change.
CHANGED_BY_THE_UPGRADE = {
    # The build account and its cache.
    "pyweb.stack.django : Build the sites",
    # The sandbox, the protection of the sockets, units that do not start without their variables, the command pyweb,
    # and the doctor's timer. A rollback restores the releases of 0.1.0 unchanged.
    "pyweb.stack.uwsgi : Release the sites",
    # The limit of nginx's descriptors.
    "pyweb.stack.nginx : Configure and start nginx, and check each site through it",
}


def test_the_upgrade_changes_only_what_the_changelog_lists(world: World) -> None:
    with world.probed():
        run = world.play()
    assert changed_tasks(run) == CHANGED_BY_THE_UPGRADE
    assert world.kept() == world.data
    assert world.versions() == {"old"}
    assert world.exposed() == set()


def test_new_code_goes_live_after_the_upgrade(world: World) -> None:
    world.project.version("new")
    # Code that is used in place does not change, because no rollback restores it; its release gets another environment.
    world.inventory = world.inventory.with_("place", env={"NUMBER": "2"})
    before = world.live()
    with world.probed():
        world.play("deploy.yml")
    after = world.live()
    assert {name for name in after if after[name] != before[name]} == set(world.inventory.names)
    assert world.versions() == {"new", "old"}
    assert world.kept() == world.data
    assert world.running() == sorted(f"{name}@{path.removeprefix('releases/')}" for name, path in after.items())


def test_a_rollback_restores_the_releases_of_0_1_0(world: World) -> None:
    with world.probed():
        for name in world.inventory.names:
            release = world.releases[name].removeprefix("releases/")
            world.play("rollback.yml", "--extra-vars", f"rollback_site={name} rollback_to={release}")
    assert world.live() == world.releases
    assert world.exposed() == set(world.inventory.names), "a release of 0.1.0 runs in a changed unit"
    assert world.versions() == {"old"}
    assert world.kept() == world.data


def test_a_deploy_after_the_rollback_succeeds_and_a_second_run_changes_nothing(world: World) -> None:
    with world.probed():
        world.play()
    assert world.versions() == {"new", "old"}
    assert world.live().items().isdisjoint(world.releases.items())
    with world.probed():
        again = world.play()
    assert changed_tasks(again) == set()
    assert again.changed == 0
    assert world.kept() == world.data


def changed_tasks(run: Run) -> set[str]:
    """Return the names of the tasks that changed something."""
    report = json.JSONDecoder().raw_decode(run.output[run.output.find("{\n") :])[0]
    tasks = [task for play in report["plays"] for task in play["tasks"]]
    return {task["task"]["name"] for task in tasks if any(told.get("changed") for told in task["hosts"].values())}
