# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what a site adds to its source: files of the inventory, what is writable, the first data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .checks import Wrong, accepts, relative_path
from .errors import shown
from .types import Site

FROM_CONTROLLER = "for a file beside the inventory: \"{{ lookup('file', inventory_dir ~ '/PATH') }}\""


@accepts(relative_path.wants)
def in_source(value: Any) -> str:
    """A path of something in the source, without a slash at its end."""
    path = str(relative_path(value)).rstrip("/")
    parts = path.split("/")
    if not path or "" in parts or "." in parts:
        raise Wrong
    return path


@accepts("a mapping of paths in the source to the texts of files")
def source_files(value: Any) -> dict[str, str]:
    """Files: path in the source -> text. Line ends are fine, NUL is not."""
    if not isinstance(value, dict):
        raise Wrong
    files = {}
    for path, text in value.items():
        try:
            name = in_source(path)
        except Wrong as wrong:
            raise Wrong(f"{wrong.wanted} (found {shown(path)})") from None
        if not isinstance(text, str) or "\0" in text:
            # The text itself stays out of the message: it is a secret.
            raise Wrong(f"text as the file {name}", FROM_CONTROLLER)
        files[name] = str(text)
    return files


def between_files(site: Site) -> Iterator[str]:
    """Yield what is wrong between what a site adds to its source, and the rest of its keys."""
    files, writable, seed = site["files"], site["writable"], site["seed"]
    named = [name for name, value in (("files", files), ("writable", writable), ("seed", any(seed.values()))) if value]
    if site["source"]["kind"] == "path":
        for name in named:
            yield (
                f"{name} needs code that the collection brings; source.path is used where it lies, and is never "
                "written to; put them there yourself, or take another source"
            )
        return
    paths = [("files", path) for path in files] + [("writable", path) for path in writable]
    for number, (key, path) in enumerate(paths):
        for other_key, other in paths[:number]:
            if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                yield f"{key} has {path}, and {other_key} has {other}; wanted paths that do not lie in one another"
    if seed["database"] and site["database"]:
        yield "seed.database is an SQLite file, and database is another one; load a dump there; leave one of them out"
    if seed["media"] and not site["nginx"]["media"]:
        yield "seed.media goes with nginx.media, which is false; leave one of them out"
