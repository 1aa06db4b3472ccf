# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of a unit that does not run: what its last start said, and no earlier one."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from ..host import answers
from . import ask

LINES = 1000
_FIELDS = "MESSAGE,INVOCATION_ID,_SYSTEMD_INVOCATION_ID,_PID"
_ENDED = re.compile(r"Main process exited|Failed with result|Control process exited|: Failed to ")
_SHAPE = {"MESSAGE": str, "INVOCATION_ID": str, "_SYSTEMD_INVOCATION_ID": str}


def last_start(unit: str, since: int) -> tuple[str, float]:
    """Return (what the last start of a unit said that has ended, and systemd of it; when it began).

    `since` is in seconds since the epoch; 0 for a unit that may have failed long ago.
    """
    words = ["journalctl", "--no-pager", "--reverse", "--output=json", f"--output-fields={_FIELDS}"]
    words += [f"--lines={LINES}", f"--unit={unit}", *([f"--since=@{since}"] if since else [])]
    return of_last_start(ask.run(words).out)


def of_last_start(journal: str) -> tuple[str, float]:
    """Return the same of journalctl's JSON, the newest line first. Every start of a unit has an id of its own."""
    starts: dict[str, list[tuple[str, float]]] = {}
    for line in journal.splitlines():
        with contextlib.suppress(ValueError):
            entry: dict[str, Any] = answers.parsed(line, _SHAPE)
            which = entry.get("INVOCATION_ID") or entry.get("_SYSTEMD_INVOCATION_ID") or ""
            when = float(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6
            starts.setdefault(which, []).append((entry.get("MESSAGE", ""), when))
    told = {which: lines for which, lines in starts.items() if which}
    ended = [lines for lines in told.values() if any(_ENDED.search(text) for text, _when in lines)]
    chosen = (ended or list(told.values()) or list(starts.values()) or [[]])[0]
    lines = [text for text, _when in reversed(chosen)]
    return "\n".join(lines), min((when for _text, when in chosen), default=0.0)
