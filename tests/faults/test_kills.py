"""A run that is killed at any point: the site keeps answering, nothing incomplete is live, and the next run completes.

While the module is stopped at a point of its code (see breakpoints.py), both ends are killed: ansible-playbook with
everything that it started, and the module on the host. A new case is one line.

In the short form, the first run of a change is killed at the first stage, the next run at the next stage, and so on;
each run finds what the one before has left, and the last one completes. In the long form (FAULTS=long), there is a
change and a repair for each stage.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import breakpoints
import pytest
from breakpoints import Point
from two_sites import DEPLOY, WHOLE, World

BUILD, RELEASE, FILES = "module_utils.build", "module_utils.release", "module_utils.host.file_set"
# Versions of a small package that the project does not need.
TOMLIS = ["2.0.0", "2.0.1", "2.0.2", "2.1.0", "2.2.1"]
STEPS, FIREWALL = "module_utils.host.files", "module_utils.firewall_change"


def dependency(world: World, site: str) -> None:
    """Change the code and a dependency: without the latter, the build reuses the virtualenv of the one before."""
    world.new_code()
    wanted = f"tomli=={TOMLIS[world.number % len(TOMLIS)]}"
    world.sites[site] = world.sites[site].with_(packages=[wanted])


def environment(world: World, site: str) -> None:
    world.sites[site] = world.sites[site].with_(env={"NUMBER": str(world.next())})


def nginx(world: World, site: str) -> None:
    world.sites[site] = world.sites[site].with_(nginx={"options": {"add_header": f"X-Number {world.next()}"}})


def port(world: World, site: str) -> None:
    world.sites[site] = world.sites[site].with_(nginx={"listen": [80, 8000 + world.next()]})


def during(step: str, nth: int = 1) -> Point:
    """Return the point at which the `nth` command of this step is running."""
    return Point("subprocess", "wait", step=step, nth=nth)


@dataclass(frozen=True)
class Stage:
    """A point of a run. `anew`: it needs another change, because the stages before completed the last one."""

    name: str
    at: Point
    anew: bool = False


@dataclass(frozen=True)
class Chain:
    """A change of a site, and the stages at which its runs are killed, in order."""

    name: str
    change: Callable[[World, str], None]
    stages: tuple[Stage, ...]
    site: str = "unix"
    playbook: str = DEPLOY
    # Whether the code is the same on every platform; firewalld's depends on its version.
    same_everywhere: bool = False


CHAINS = [
    Chain(
        "build",
        dependency,
        same_everywhere=True,
        stages=(
            Stage("before anything", Point("module_utils.host.accounts", "ensure")),
            Stage("fetching the code", during("source")),
            Stage("resolving requirements", during("requirements")),
            Stage("making the virtualenv", during("virtualenv")),
            Stage("installing requirements", during("requirements", nth=2)),
            Stage("before the overlay", Point("module_utils.build.overlay", "wsgi")),
            Stage("collecting static files", during("project")),
            Stage("handing the build to root", Point(BUILD, "_seal_entry", nth=50)),
            Stage("before the manifest", Point(BUILD, "seal", "return")),
            Stage("after the manifest", Point(BUILD, "make", "return")),
            Stage("migrating", during("migrate")),
        ),
    ),
    Chain(
        "release",
        environment,
        same_everywhere=True,
        stages=(
            Stage("before writing", Point(RELEASE, "prepare")),
            Stage("writing", Point(STEPS, "write", nth=2)),
            Stage("written", Point(RELEASE, "prepare", "return")),
            Stage("before the units", Point(RELEASE, "install")),
            Stage("starting", during("start")),
            Stage("before the health check", Point(RELEASE, "wait_until_healthy")),
            Stage("before the switch", Point(RELEASE, "switch")),
            Stage("between previous and current", Point(STEPS, "link", nth=2)),
            Stage("after the switch", Point(STEPS, "link", "return", nth=2)),
            Stage("draining", Point(RELEASE, "drain"), anew=True),
            Stage("stopping the old release", during("stop"), anew=True),
            Stage("before tidying", Point(RELEASE, "tidy"), anew=True),
            Stage("after the release", Point(RELEASE, "deploy", "return"), anew=True),
        ),
    ),
    Chain(
        "release on TCP ports",
        environment,
        (
            Stage("before the health check of the probe", Point(RELEASE, "wait_until_healthy")),
            Stage("stopping the probe", during("stop")),
            Stage("before the switch", Point(RELEASE, "switch")),
            Stage("after the switch", Point(STEPS, "link", "return", nth=2)),
            Stage("starting on the ports", during("start", nth=3), anew=True),
            Stage("draining", Point(RELEASE, "drain"), anew=True),
        ),
        "tcp",
        same_everywhere=True,
    ),
    Chain(
        "nginx",
        nginx,
        playbook=WHOLE,
        same_everywhere=True,
        stages=(
            Stage("staging", Point("module_utils.host.stage", "script", "return")),
            Stage("checked", Point(FILES, "check", "return")),
            Stage("marked", Point(FILES, "mark", "return")),
            Stage("swapping", Point("module_utils.host.file_change", "move")),
            Stage("swapped", Point(FILES, "swap", "return")),
            Stage("reloaded", Point(FILES, "apply", "return")),
        ),
    ),
    Chain(
        "firewalld",
        port,
        playbook=WHOLE,
        stages=(
            Stage("noted", Point(FIREWALL, "_note", "return")),
            Stage("between permanent and runtime", Point(FIREWALL, "_tolerant", "return")),
            Stage("before closing", Point(FIREWALL, "change", nth=3), anew=True),
        ),
    ),
]
ALONE = [
    replace(chain, name=f"{chain.name}: {stage.name}", stages=(stage,)) for chain in CHAINS for stage in chain.stages
]
ASKED = [
    pytest.param(chain, id=chain.name, marks=[pytest.mark.same_everywhere] * chain.same_everywhere)
    for chain in (ALONE if os.environ.get("FAULTS") == "long" else CHAINS)
]


@pytest.mark.parametrize("chain", ASKED)
def test_a_killed_run_harms_nothing_and_the_next_one_completes_it(world: World, chain: Chain) -> None:
    # First deploy the code that other tests left: after two kills on shared ports, three releases may answer, and nginx
    # serves the static files of only two.
    if world.version(chain.site) != str(world.number):
        world.host.deploy(world.sites[chain.site].sites, DEPLOY)
    with world.prober(chain.site) as prober:
        chain.change(world, chain.site)
        for stage in chain.stages:
            if stage.anew:
                chain.change(world, chain.site)
            breakpoints.arm(world.host, stage.at)
            playing = world.host.begin(world.sites[chain.site].sites, chain.playbook)
            process = breakpoints.wait(world.host, playing)
            playing.kill()
            breakpoints.kill(world.host, process)
            world.assert_whole(chain.site)
            print(f"killed: {stage.name}")
        world.assert_settled(chain.site, playbook=chain.playbook)
    assert len(prober.answers) > 10
    assert not prober.failures, prober.failures
