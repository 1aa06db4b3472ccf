# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the timer stores about a site: how far its access log was read, when it was ok, and a line for each run.

All of it belongs to root and is limited, below `FOLDER`; it is removed with the timer or with the site.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..host import files
from ..model import regular
from ..model.layout import WATCHED
from .evidence_changes import Snapshot

# A run every five minutes makes 288 lines a day, of some 100 bytes.
HISTORY_BYTES, HISTORY_SECONDS = 512 * 1024, 14 * 86400
# How much is kept when it is cut, so that it is not rewritten in each run.
HISTORY_KEPT = HISTORY_BYTES // 2
STATE_MAX = 1 << 20


@dataclass
class Position:
    """How far a log is read: `offset` bytes of the file `inode`."""

    inode: int = 0
    offset: int = 0


@dataclass
class Noted:
    """What is stored about a site. `counted` are requests since the timer was installed, by the first digit of their
    status; `skipped` are bytes of the log that were too many for one run.

    `healthy` is its state when all was last ok, `working` when it was last not broken.
    """

    position: Position = field(default_factory=Position)
    counted: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    healthy: Snapshot | None = None
    working: Snapshot | None = None


def read(name: str) -> Noted:
    """Return what is stored about a site; nothing if there is no record, or none of ours."""
    try:
        found = json.loads(regular.content(_state(name), STATE_MAX))
        counted = found["counted"]
        position = Position(int(found["position"]["inode"]), int(found["position"]["offset"]))
        return Noted(
            position,
            {digit: int(counted[digit]) for digit in "12345" if digit in counted},
            int(found["skipped"]),
            Snapshot.of(found.get("healthy")),
            Snapshot.of(found.get("working")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Noted()


def write(name: str, noted: Noted) -> None:
    """Store it, with one rename. Raises OSError."""
    os.makedirs(WATCHED, mode=0o700, exist_ok=True)
    content = asdict(noted)
    files.write(_state(name), json.dumps(content, sort_keys=True) + "\n", 0o600, os.geteuid(), os.getegid())


def add_line(name: str, line: Mapping[str, Any]) -> None:
    """Append a run to the history of a site, and cut off what is too old or too much. Raises OSError."""
    os.makedirs(WATCHED, mode=0o700, exist_ok=True)
    path, text = history(name), json.dumps(line, separators=(",", ":")) + "\n"
    before = _lines(path)
    # The first line decides about age: runs come in the order of time.
    first = _time(before[0]) if before else line["t"]
    if sum(map(len, before)) + len(text) <= HISTORY_BYTES and first >= line["t"] - HISTORY_SECONDS - 86400:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
        return
    kept: list[str] = []
    size = len(text)
    for old in reversed(before):
        size += len(old)
        if size > HISTORY_KEPT or _time(old) < line["t"] - HISTORY_SECONDS:
            break
        kept.append(old)
    files.write(path, "".join([*reversed(kept), text]), 0o600, os.geteuid(), os.getegid())


def runs(name: str) -> list[dict[str, Any]]:
    """Return the runs of a site's history, the oldest first."""
    found = []
    for line in _lines(history(name)):
        with contextlib.suppress(ValueError):
            run = json.loads(line)
            found += [run] if isinstance(run, dict) else []
    return found


def keep_only(names: set[str]) -> None:
    """Remove the records of sites that no longer exist. Raises OSError."""
    for entry in files.names(WATCHED):
        if entry.endswith((".json", ".history")) and entry.rpartition(".")[0] not in names:
            files.forget(f"{WATCHED}/{entry}")


def history(name: str) -> str:
    return f"{WATCHED}/{name}.history"


def _state(name: str) -> str:
    return f"{WATCHED}/{name}.json"


def _lines(path: str) -> list[str]:
    most = 2 * HISTORY_BYTES
    try:
        with regular.opened(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(size - most, 0))
            found = stream.read(most).decode("utf-8", "replace").splitlines(keepends=True)
    except OSError:
        return []
    # If there is too much, only the end counts; it begins within a line.
    return found[1:] if size > most else found


def _time(line: str) -> float:
    try:
        return float(json.loads(line)["t"])
    except (ValueError, KeyError, TypeError):
        return 0.0
