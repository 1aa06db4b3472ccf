# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hints about parts of a project that need a build step but have none. A hint is not a failure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..model.steps import uses_node
from ..model.types import Step
from .node import package_json

# Lock files of npm. `npm install` may write other versions into it, `npm ci` installs those in the lock file.
NPM_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")
# How many directories below the source a package.json is searched for.
DEPTH = 2
# Directories of packages and tools, which do not belong to the project.
FOREIGN = ("node_modules", ".git", "venv", ".venv", "site-packages")


def npm_locks(code: str, chdir: str) -> list[str]:
    """Return npm's lock files in the code. Called before the steps, because npm writes one."""
    return [name for name in NPM_LOCKS if any(os.path.isfile(f"{folder}/{name}") for folder in _folders(code, chdir))]


def hints(
    code: str, chdir: str, steps: Sequence[Step], probed: Mapping[str, Any], locks: Sequence[str] = ()
) -> list[str]:
    """Return the hints for the code in a directory, one line each.

    `probed` contains facts of its settings, `locks` the lock files of npm that the project contains.
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
        found.append(f"npm install may install other versions than those in {locks[0]}; use npm ci")
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
    """Return whether a step contains one of these words."""
    return any(set(words) & set(step["words"]) for step in steps)


def _with_build_script(code: str) -> str:
    """Return the first package.json with a build script, at most two levels down; '' if there is none."""
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
    """Return the message catalogues without a compiled file, relative to the source."""
    found = []
    for folder, folders, names in os.walk(code):
        folders[:] = sorted(name for name in folders if name not in FOREIGN)
        if os.path.basename(folder) == "LC_MESSAGES":
            lacking = [name for name in sorted(names) if name.endswith(".po") and f"{name[:-3]}.mo" not in names]
            found += [os.path.relpath(os.path.join(folder, name), code) for name in lacking]
    return found
