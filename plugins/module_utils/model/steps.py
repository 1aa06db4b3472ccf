# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a build or a release in the model, and the questions about them when they run."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .types import Step

# The default time limit of a command, in seconds.
STEP_TIMEOUT = 1200
# Programs that run JavaScript tools. A step that starts with one of them needs Node.js.
NODE = ("npm", "npx", "yarn", "pnpm", "node")
# Management commands that need the distribution's gettext.
CATALOGUES = ("compilemessages", "makemessages")


def builtin_step(name: str) -> Step:
    """Return the step that the collection itself runs."""
    return {"kind": "builtin", "words": [name], "timeout": STEP_TIMEOUT, "once": False}


def commands(steps: Sequence[Step]) -> list[Step]:
    """Return the project's own steps, without the built-in one."""
    return [step for step in steps if step["kind"] != "builtin"]


def described(step: Step) -> str:
    """Return a step in the words of its user: `npm run build`, `manage compilemessages`, `collectstatic`."""
    words = shlex.join(step["words"])
    return f"manage {words}" if step["kind"] == "manage" else words


def identity(steps: Sequence[Step]) -> list[list[Any]]:
    """Return what identifies steps: everything but their time limits."""
    return [[step["kind"], step["words"], *(["once"] if step["once"] else [])] for step in steps]


def uses_node(step: Step) -> bool:
    """Return whether a step needs Node.js."""
    return step["kind"] == "run" and program(step) in NODE


def program(step: Step) -> str:
    """Return the program that a step starts; after `env` and variables, it is the next word."""
    words = list(step["words"])
    if words[0] == "env":
        words = list(itertools.dropwhile(lambda word: "=" in word, words[1:])) or words
    return words[0]


def packages(steps: Sequence[Step], programs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the packages that steps need; `programs` maps a step's first word to the packages that provide it."""
    named = [word for step in commands(steps) for word in (program(step), *_catalogues(step))]
    return [name for word in dict.fromkeys(named) for name in programs.get(word, ())]


def _catalogues(step: Step) -> list[str]:
    """Return what a step does with message catalogues, however it starts: `python manage.py compilemessages`."""
    return [word for word in step["words"] if word in CATALOGUES]
