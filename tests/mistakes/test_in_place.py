"""Code that is used in place: what is guaranteed although it can change under a running site (docs/deploys.md)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sites import Inventory, Project, site
from test_bad_releases import QUICK, VIEWS, health
from two_sites import DEPLOY, World, master

pytestmark = pytest.mark.same_everywhere

SITE = "place"


@pytest.fixture(scope="module")
def placed(world: World) -> Iterator[World]:
    """Deploy a third site, whose code is on the host."""
    world.sites[SITE] = Inventory((site(SITE, None, **QUICK),))
    edit(world)
    world.host.deploy(world.wanted(SITE))
    yield world
    del world.sites[SITE]


def edit(world: World) -> str:
    """Change the code in its directory on the host, without a deploy."""
    number = world.new_code()
    world.project.lie_on(world.host)
    return number


def test_an_edit_is_served_only_after_a_deploy(placed: World) -> None:
    before = placed.version(SITE)
    with placed.prober(SITE) as prober:
        number = edit(placed)
        assert placed.version(SITE) == before
        placed.assert_settled(SITE)
    assert placed.version(SITE) == number
    assert not prober.failures, prober.failures


def test_a_broken_edit_does_not_go_live(placed: World, project: Project) -> None:
    """The running workers keep the old code in memory."""
    before, kept = placed.version(SITE), (project.folder / VIEWS).read_text(encoding="utf-8")
    try:
        project.write({VIEWS: kept + health("raise ValueError('not well')")[VIEWS]})
        with placed.prober(SITE) as prober:
            edit(placed)
            run = placed.host.play(placed.wanted(SITE), DEPLOY)
            assert placed.version(SITE) == before
        assert run.status != 0
        assert run.error.startswith("site 'place': health failed: /healthz as place.example answered 500"), run.error
        assert not prober.failures, prober.failures
    finally:
        project.write({VIEWS: kept})
        project.lie_on(placed.host)
    placed.assert_settled(SITE)


def test_a_rollback_is_refused_because_it_cannot_restore_the_code(placed: World) -> None:
    before = placed.current(SITE), placed.host.told(master(placed, SITE))
    run = placed.host.play(placed.wanted(SITE), "rollback.yml", "-e", f"rollback_site={SITE}")
    assert run.status != 0
    assert "ran other code than what /srv/place has now" in run.error.splitlines()[0], run.error
    assert (placed.current(SITE), placed.host.told(master(placed, SITE))) == before
