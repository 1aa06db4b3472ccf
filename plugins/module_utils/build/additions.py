# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Additions to the code of a build: files from the inventory, links to writable data, and the initial data.

The contents of `files` are secret. They are stored once in the site's configuration, in a directory named after their
digest, and the build links to them. The site's user writes the initial data, and the account that builds puts the links
into the code. Root does neither, because each of these accounts can change directories on the way.
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

# The database engines that each kind of seed can be used with.
SQLITE = ("sqlite3", "spatialite")


def inputs(context: Context) -> dict[str, Any]:
    """Return the inputs of a build's ID that these keys add; empty if none of them is set."""
    site, texts = context.site, context.secrets["files"]
    found: dict[str, Any] = {"writable": site["writable"], "seed": {k: v for k, v in site["seed"].items() if v}}
    found["files"] = digest(texts) if texts else ""
    return {name: value for name, value in found.items() if value}


def digest(texts: Mapping[str, str]) -> str:
    """Return the name of the directory that stores the files of an inventory."""
    return content_id(dict(texts))


def add(context: Context, root: str, home: str) -> list[str]:
    """Link the inventory's files and the writable paths into the code of a build; return messages for the user."""
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
    """Copy the initial data from the source, once and only if the site has none; return messages for the user."""
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
                f"{database.get('engine') or 'none'}; load a dump into that database, and remove seed.database",
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
    """Write the files into the site's configuration, readable by its group; return their directory."""
    folder, group = context.layout.files(digest(texts)), context.group
    for path, text in texts.items():
        parent = os.path.dirname(f"{folder}/{path}")
        _make_private(parent, context.layout.config, group)
        files.write(f"{folder}/{path}", text, 0o640, 0, group)
    return folder


def _make_private(path: str, top: str, group: int) -> None:
    """Make a directory below `top` and its missing parents, owned by root and readable by the group."""
    if path == top or os.path.isdir(path):
        return
    _make_private(os.path.dirname(path), top, group)
    os.mkdir(path, 0o750)
    os.chown(path, 0, group)
    os.chmod(path, 0o750)  # noqa: S103 - for the group; the umask may have removed these bits from mkdir's mode


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
