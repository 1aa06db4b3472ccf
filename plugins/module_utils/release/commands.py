# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a new release before it goes live: migrations and the project's own commands, under one lock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..host.shell import Shell, StepError
from ..model.steps import STEP_TIMEOUT, commands, described
from ..model.types import Step
from .database import Database
from .release import Release


class Done(NamedTuple):
    """The result of the steps: `applied` are migrations, `known` those that the code has."""

    applied: list[str]
    known: list[str]


class Commands:
    """The steps of one release that this host runs."""

    def __init__(self, release: Release, database: Database) -> None:
        self.release, self.database = release, database

    def planned(self) -> list[str]:
        """Return the lines for a report about the project's commands."""
        return announced(self.release.steps, self.release.first, self.release.shell())

    def run(self, new: bool = True) -> Done:
        """Run the steps in order. Raises `StepError`, which names the step and those that had run.

        For a release that is started again, `new` is false: only its migrations are checked.
        """
        steps = [step for step in self._here() if new or step["kind"] == "builtin"]
        if not steps:
            return Done([], self.database.migrations("plan")["known"])
        if len(steps) == 1 and steps[0]["kind"] == "builtin" and steps[0]["timeout"] == STEP_TIMEOUT:
            # It takes the lock in its own process.
            found = self.database.migrations("apply")
            return Done(found["plan"], found["known"])
        with self.database.locked(steps):
            return self._run(steps)

    def _here(self) -> list[Step]:
        return here(self.release.steps, self.release.first)

    def _run(self, steps: Sequence[Step]) -> Done:
        done: Done | None = None
        had_run: list[str] = []
        for step in steps:
            try:
                if step["kind"] == "builtin":
                    found = self.database.migrations("apply-held", step["timeout"])
                    done = Done(found["plan"], found["known"])
                else:
                    self.database.command(step)
            except StepError as error:
                failure = _after(error, had_run)
                failure.migrations = error.migrations or (done.applied if done else [])
                raise failure from None
            had_run.append(self.release.shell().mask(described(step)))
        return done or Done([], self.database.migrations("plan")["known"])


def announced(steps: Sequence[Step], first: bool, shell: Shell) -> list[str]:
    """Return the lines for a report about the project's commands among these steps; `shell` hides secrets."""
    return [f"command: {shell.mask(described(step))}" for step in commands(here(steps, first))]


def here(steps: Sequence[Step], first: bool) -> list[Step]:
    """Return the steps that this host runs; `first` tells whether it is the first host that has the site."""
    return [step for step in steps if first or not step["once"]]


def _after(error: StepError, had_run: Sequence[str]) -> StepError:
    """Return the error of a step, with the steps that had run before it."""
    why = f"{error.cause}; steps that ran before it: {', '.join(had_run) or 'none'}"
    return StepError(error.site, error.step, why, error.tail)
