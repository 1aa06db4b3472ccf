# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hints: what a project has that a step of its build has to deal with, and none does. No hint is a failure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..model.steps import uses_node
from ..model.types import Step
from .node import package_json

# Lock files of npm. `npm install` may write other versions into it, `npm ci` takes those that it has.
NPM_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")
# How far below the source a package.json is looked for.
DEPTH = 2
# Directories of packages and of tools, which are not the project's.
FOREIGN = ("node_modules", ".git", "venv", ".venv", "site-packages")


def npm_locks(code: str, chdir: str) -> list[str]:
    """Return the names of npm's lock files in the code: the project's own before the steps, for npm writes one."""
    return [name for name in NPM_LOCKS if any(os.path.isfile(f"{folder}/{name}") for folder in _folders(code, chdir))]


def hints(
    code: str, chdir: str, steps: Sequence[Step], probed: Mapping[str, Any], locks: Sequence[str] = ()
) -> list[str]:
    """Return the hints for the code in a directory, one line each.

    `probed` is what its settings say, `locks` npm's lock files that the project came with.
    """
    found = []
    bundled = _with_build_script(code)
    if bundled and not any(map(uses_node, steps)):
        where = os.path.dirname(bundled)
        inside = f"--prefix, {where}, " if where else ""
        found.append(
            f"{bundled} has a build script that no step runs; add {{run: [npm, {inside}ci]}} and "
            f"{{run: [npm, {inside}run, build]}} to build:, before collectstatic"
        )
    installs = any(step["words"][:2] in (["npm", "install"], ["npm", "i"]) and step["kind"] == "run" for step in steps)
    if locks and installs:
        found.append(f"npm install may take other versions than {locks[0]} has; npm ci takes those")
    if probed.get("translated", True) and not _speaks(steps, "compilemessages", "msgfmt"):
        lacking = _untranslated(code)
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            found.append(
                f"{lacking[0]}{more} has no .mo, so its translations are not used; "
                "add the step {manage: compilemessages} to build"
            )
    if probed.get("offline") and not _speaks(steps, "compress"):
        found.append(
            "COMPRESS_OFFLINE is set and no step compresses, so pages that use {% compress %} fail; "
            "add the step {manage: compress} to build, after collectstatic"
        )
    return found


def _speaks(steps: Sequence[Step], *words: str) -> bool:
    """Say whether a step has one of these words."""
    return any(set(words) & set(step["words"]) for step in steps)


def _with_build_script(code: str) -> str:
    """Return the first package.json with a build script, down to two levels; '' where there is none."""
    for folder, folders, names in os.walk(code):
        depth = 0 if folder == code else os.path.relpath(folder, code).count("/") + 1
        folders[:] = [] if depth == DEPTH else sorted(name for name in folders if name not in FOREIGN)
        scripts = package_json([folder]).get("scripts") if "package.json" in names else None
        if isinstance(scripts, dict) and scripts.get("build"):
            return os.path.relpath(os.path.join(folder, "package.json"), code)
    return ""


def _folders(code: str, chdir: str) -> list[str]:
    return list(dict.fromkeys([code, os.path.normpath(os.path.join(code, chdir))]))


def _untranslated(code: str) -> list[str]:
    """Return the catalogues of messages without their compiled form, relative to the source."""
    found = []
    for folder, folders, names in os.walk(code):
        folders[:] = sorted(name for name in folders if name not in FOREIGN)
        if os.path.basename(folder) == "LC_MESSAGES":
            lacking = [name for name in sorted(names) if name.endswith(".po") and f"{name[:-3]}.mo" not in names]
            found += [os.path.relpath(os.path.join(folder, name), code) for name in lacking]
    return found
