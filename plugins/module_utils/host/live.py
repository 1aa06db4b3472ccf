# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The live release of a site on this host, for reports. Kept small, because every module sends it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypedDict

from ..model.layout import Layout
from . import files


class Code(TypedDict):
    """The source of a release's code. `commit` and `subject` are '' if it is from no commit."""

    commit: str
    subject: str
    source: str


class Live(Code):
    """The live release, the previous one, and the source of the live one; all '' if nothing is live.

    `socket` contains the TCP addresses of the live release: none for a unix socket, None if that is not recorded.
    """

    id: str
    previous: str
    socket: list[str] | None


def live(layout: Layout) -> Live:
    """Return the live release of a site. Reads two links and one record."""
    release_id = release_of(layout.current)
    record = files.recorded(layout.record(release_id)) if release_id else {}
    socket = record.get("site", {}).get("uwsgi", {}).get("socket")
    previous = release_of(layout.previous)
    return {"id": release_id, "previous": previous, "socket": socket, **code(record.get("manifest", {}))}


def release_of(link: str) -> str:
    """Return the ID of the release that a link of a site names, or ''."""
    return os.path.basename(files.read_link(link))


def code(manifest: Mapping[str, Any]) -> Code:
    """Return the source of a build's code; builds of 0.1 have no subject, predicted ones have nothing."""
    source = manifest.get("source") or {}
    return {
        "commit": source.get("commit", ""),
        "subject": manifest.get("subject", ""),
        "source": shown_source(source) if source else "",
    }


def shown_source(source: Mapping[str, Any]) -> str:
    """Return a short description of a source, for users who look for the release to roll back to."""
    what = source.get("version") or source.get("digest") or source.get("checksum") or ""
    commit = source.get("commit", "")
    words = [source["kind"], str(source.get(source["kind"], "")), str(what)[:12], commit[:12] if commit != what else ""]
    return " ".join(word for word in words if word)
