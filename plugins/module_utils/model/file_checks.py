# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what a site adds to its source: files of the inventory, writable paths, initial data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .checks import Wrong, accepts, relative_path
from .errors import shown
from .types import Site

FROM_CONTROLLER = "for a file beside the inventory: \"{{ lookup('file', inventory_dir ~ '/PATH') }}\""


@accepts(relative_path.wants)
def in_source(value: Any) -> str:
    """A path in the source, without a slash at its end."""
    path = str(relative_path(value)).rstrip("/")
    parts = path.split("/")
    if not path or "" in parts or "." in parts:
        raise Wrong
    return path


@accepts("a mapping of paths in the source to the texts of files")
def source_files(value: Any) -> dict[str, str]:
    """Files: path in the source -> text. Line ends are allowed, NUL is not."""
    if not isinstance(value, dict):
        raise Wrong
    files = {}
    for path, text in value.items():
        try:
            name = in_source(path)
        except Wrong as wrong:
            raise Wrong(f"{wrong.wanted} (found {shown(path)})") from None
        if not isinstance(text, str) or "\0" in text:
            # The text itself is not in the message, because it is secret.
            raise Wrong(f"text as the file {name}", FROM_CONTROLLER)
        files[name] = str(text)
    return files


def between_files(site: Site) -> Iterator[str]:
    """Yield the conflicts between what a site adds to its source and its other keys."""
    files, writable, seed = site["files"], site["writable"], site["seed"]
    named = [name for name, value in (("files", files), ("writable", writable), ("seed", any(seed.values()))) if value]
    if site["source"]["kind"] == "path":
        for name in named:
            yield (
                f"{name} needs code that the collection deploys; source.path is used in place, and is never "
                "written to; put the files there yourself, or use another source"
            )
        return
    paths = [("files", path) for path in files] + [("writable", path) for path in writable]
    for number, (key, path) in enumerate(paths):
        for other_key, other in paths[:number]:
            if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                yield f"{key} has {path}, and {other_key} has {other}; expected paths that are not inside one another"
    if seed["database"] and site["database"]:
        yield "seed.database is an SQLite file, and database is another one; load a dump there; remove one of them"
    if seed["media"] and not site["nginx"]["media"]:
        yield "seed.media can only be used with nginx.media, which is false; remove one of them"
