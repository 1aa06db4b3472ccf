"""Each common mistake is made on a host, and the first line of the error is the one of docs/mistakes.md."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import mistakes
import pytest
from mistakes import MISTAKES, Mistake, steady
from sites import Inventory
from two_sites import World

CASES = [
    pytest.param(mistake, id=mistake.title, marks=[] if mistake.differs else pytest.mark.same_everywhere)
    for mistake in MISTAKES
]


@pytest.mark.parametrize("mistake", CASES)
def test_first_line_of_the_error_is_the_cause(world: World, mistake: Mistake) -> None:
    before = (world.version("unix"), world.current("unix"))
    with made(world, mistake) as inventory:
        run = world.host.play(inventory.sites, mistake.playbook, "-e", json.dumps(mistake.variables))
    assert run.status != 0, "the run succeeded"
    assert steady(run.error.splitlines()[0]) == mistake.line, run.error
    assert "correct-horse" not in run.output
    assert (world.version("unix"), world.current("unix")) == before


def test_the_mistakes_leave_nothing_behind(world: World) -> None:
    run = world.host.play(world.wanted("unix"), mistakes.WHOLE)
    assert (run.status, run.changed) == (0, 0), run.output
    world.assert_whole("unix")
    world.assert_tidy("unix")


@contextlib.contextmanager
def made(world: World, mistake: Mistake) -> Iterator[Inventory]:
    """Make the mistake in the code and on the host, and yield the inventory that contains the rest of it."""
    changed = {path: world.project.folder / path for path in mistake.add}
    texts = {path: file.read_text(encoding="utf-8") if file.exists() else None for path, file in changed.items()}
    given = world.sites["unix"]
    # Another source replaces the given one; it is not merged with it.
    place = {key: value for key, value in mistake.keys.items() if key == "source"}
    rest = {key: value for key, value in mistake.keys.items() if key != "source"}
    world.project.write({path: (texts[path] or "") + text for path, text in mistake.add.items()})
    if mistake.before:
        world.host.told(mistake.before)
    try:
        yield Inventory(tuple({**site, **place} for site in given.sites)).with_(**rest)
    finally:
        for path, file in changed.items():
            file.unlink()
            if texts[path] is not None:
                file.write_text(texts[path], encoding="utf-8")
        if mistake.after:
            world.host.told(mistake.after)
