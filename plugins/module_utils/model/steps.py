# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a build or a release as the model has them: what is asked of them where they are run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .types import Step

# How long a command may take unless it says otherwise, in seconds.
STEP_TIMEOUT = 1200
# What runs JavaScript's tools. A step that starts with one of them needs Node.js.
NODE = ("npm", "npx", "yarn", "pnpm", "node")


def builtin_step(name: str) -> Step:
    """Return the step that the collection itself does."""
    return {"kind": "builtin", "words": [name], "timeout": STEP_TIMEOUT, "once": False}


def commands(steps: Sequence[Step]) -> list[Step]:
    """Return the project's own steps, without the built-in one."""
    return [step for step in steps if step["kind"] != "builtin"]


def described(step: Step) -> str:
    """Return a step as people know it: `npm run build`, `manage compilemessages`, `collectstatic`."""
    words = shlex.join(step["words"])
    return f"manage {words}" if step["kind"] == "manage" else words


def identity(steps: Sequence[Step]) -> list[list[Any]]:
    """Return what makes steps others than before: not how long they may take."""
    return [[step["kind"], step["words"], *(["once"] if step["once"] else [])] for step in steps]


def uses_node(step: Step) -> bool:
    """Say whether a step needs Node.js."""
    return step["kind"] == "run" and step["words"][0] in NODE


def packages(steps: Sequence[Step], programs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the packages that steps need; `programs` are a step's first word -> the packages that have it."""
    return [name for step in commands(steps) for name in programs.get(step["words"][0], ())]
