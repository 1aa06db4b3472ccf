# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is added to the code of a build: files of the inventory, links to what is written, and the first data.

`files` are secret. They are stored once in the site's configuration, in a directory named after their digest, and the
build has links to them. Data are begun by the site's user, and links are put into the code by the account that builds:
nothing of this is done by root inside a directory that one of them can change.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from typing import Any

from ..build import files_in_code, runtime
from ..build.context import Context
from ..build.program import answer
from ..host import files
from ..host.causes import cause
from ..model.layout import content_id

# What each kind of seed may be put into.
SQLITE = ("sqlite3", "spatialite")


def inputs(context: Context) -> dict[str, Any]:
    """Return what these keys add to the inputs of a build's id; nothing where none is set."""
    site, texts = context.site, context.secrets["files"]
    found: dict[str, Any] = {"writable": site["writable"], "seed": {k: v for k, v in site["seed"].items() if v}}
    found["files"] = digest(texts) if texts else ""
    return {name: value for name, value in found.items() if value}


def digest(texts: Mapping[str, str]) -> str:
    """Return the name of the directory that files of an inventory are stored in."""
    return content_id(dict(texts))


def add(context: Context, root: str, home: str) -> list[str]:
    """Link the inventory's files and what is writable into the code of a build; return what there is to tell."""
    texts, code = context.secrets["files"], f"{root}/src"
    links = {}
    if texts:
        folder = _store(context, texts)
        links = {f"{code}/{path}": f"{folder}/{path}" for path in texts}
    writable = {f"{code}/{path}": context.layout.writable(path) for path in context.site["writable"]}
    if not links and not writable:
        return []
    if writable:
        _run(context, home, "files", {"keep": writable}, context.site["user"])
    told = _run(context, home, "files", {"links": links, "writable": writable}, context.user)
    return [f"files replaces {path} of the source" for path in told["replaced"]]


def seed(context: Context, root: str, home: str, facts: Mapping[str, Any]) -> list[str]:
    """Begin the site's data with what the source has, once and only where there are none; return what to tell."""
    site, layout = context.site, context.layout
    done = files.read_json(layout.seeded)
    wanted = {what: path for what, path in site["seed"].items() if path and what not in done}
    targets = {"media": layout.media}
    if "database" in wanted:
        database = facts.get("database") or {}
        if not str(database.get("engine", "")).endswith(SQLITE) or not database.get("file"):
            raise context.error(
                "seed",
                f"seed.database is {wanted['database']!r}, an SQLite file, and the project's database is "
                f"{database.get('engine') or 'none'}; load a dump into that one, and leave seed.database out",
            )
        targets["database"] = database["file"]
    if not wanted:
        return []
    given = {what: (f"{root}/src/{path}", targets[what]) for what, path in wanted.items()}
    told = _run(context, home, "seed", {"seed": given}, context.site["user"])
    done.update((what, wanted[what]) for what in told["seeded"])
    files.write(layout.seeded, json.dumps(done) + "\n", 0o600)
    return [
        f"the {what} {'were' if what == 'media' else 'was'} copied from {path} of the source"
        if what in told["seeded"]
        else f"seed.{what} was not used: there {'are media' if what == 'media' else 'is a database'} already"
        for what, path in wanted.items()
    ]


def _store(context: Context, texts: Mapping[str, str]) -> str:
    """Write the files below the site's configuration, for its group to read; return the directory."""
    folder, group = context.layout.files(digest(texts)), context.group
    for path, text in texts.items():
        parent = os.path.dirname(f"{folder}/{path}")
        _make_private(parent, context.layout.config, group)
        files.write(f"{folder}/{path}", text, 0o640, 0, group)
    return folder


def _make_private(path: str, top: str, group: int) -> None:
    """Make a directory below `top`, and those above it, for root and the group."""
    if path == top or os.path.isdir(path):
        return
    _make_private(os.path.dirname(path), top, group)
    os.mkdir(path, 0o750)
    os.chown(path, 0, group)
    os.chmod(path, 0o750)  # noqa: S103 - for the group, whatever the umask took from mkdir


def _run(context: Context, home: str, step: str, given: Mapping[str, Any], user: str) -> dict[str, Any]:
    done = context.inside.run(
        step,
        [runtime.interpreter(home), "-", json.dumps(given)],
        user,
        stdin=inspect.getsource(files_in_code),
        check=False,
    )
    if done.returncode:
        raise context.error(step, cause(done.stderr), done.stderr)
    found: dict[str, Any] = answer(context.site["name"], step, done.stdout, {})
    return found
