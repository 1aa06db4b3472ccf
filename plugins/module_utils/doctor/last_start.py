# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of a unit that does not run: what its last start said, and no earlier one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..host import answers
from . import ask

LINES = 1000
_FIELDS = "MESSAGE,INVOCATION_ID,_SYSTEMD_INVOCATION_ID,_PID"
_ENDED = re.compile(r"Main process exited|Failed with result|Control process exited|: Failed to ")
_RESTARTED = "Scheduled restart job"
_SHAPE = {"MESSAGE": str, "INVOCATION_ID": str, "_SYSTEMD_INVOCATION_ID": str, "_PID": str}
# journald reads a process's output and systemd's messages on different sockets, so that their order can differ.
_APART_SECONDS = 1.0
# How many starts of a service that systemd restarts automatically are read, if the last one printed nothing.
_STARTS = 4


class _Line(NamedTuple):
    """A line of the journal. `when` is in seconds since the epoch; `own`: of the service, not about it."""

    text: str
    when: float
    own: bool


def last_start(unit: str, since: int) -> tuple[str, float]:
    """Return (what the last start of a unit said that has ended, and systemd of it; when it began).

    `since` is in seconds since the epoch; 0 for a unit that may have failed long ago.
    """
    words = ["journalctl", "--no-pager", "--reverse", "--output=json", f"--output-fields={_FIELDS}"]
    words += [f"--lines={LINES}", f"--unit={unit}", *([f"--since=@{since}"] if since else [])]
    return of_last_start(ask.run(words).out)


def of_last_start(journal: str) -> tuple[str, float]:
    """Return the same of journalctl's JSON, the newest line first.

    Every start of a unit has an ID, but the journal may not know that of a line: on a busy host, a process that ends at
    once has gone before journald looks it up. Then the lines count that have no ID and are as old as the start, and
    otherwise those of the start before it, if systemd has restarted the unit since.
    """
    starts, loose = _starts(journal)
    ended = [lines for lines in starts if any(_ENDED.search(line.text) for line in lines)]
    chosen = (ended or starts or [loose])[0]
    began = min((line.when for line in chosen), default=0.0)
    if ended and not any(line.own for line in chosen):
        chosen = chosen + next(filter(None, _instead(ended, loose)), [])
    lines = chosen[::-1]
    lines.sort(key=lambda line: line.when)
    return "\n".join(line.text for line in lines), began


def _starts(journal: str) -> tuple[list[list[_Line]], list[_Line]]:
    """Return (the lines of each start, the newest first; the lines without an ID)."""
    starts: dict[str, list[_Line]] = {}
    for text in journal.splitlines():
        with contextlib.suppress(ValueError):
            entry: dict[str, Any] = answers.parsed(text, _SHAPE)
            which = entry.get("INVOCATION_ID") or entry.get("_SYSTEMD_INVOCATION_ID") or ""
            message, when = entry.get("MESSAGE", ""), float(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6
            # What systemd's process says before it becomes the service has this field too.
            of_systemd = "INVOCATION_ID" in entry or entry.get("_PID") == "1" or message.startswith("Failed to attach ")
            own = "Failed at step" in message or not of_systemd
            starts.setdefault(which, []).append(_Line(message, when, own))
    return [lines for which, lines in starts.items() if which], starts.get("", [])


def _instead(ended: list[list[_Line]], loose: list[_Line]) -> Iterator[list[_Line]]:
    """Yield what may be the output of the last of the starts, the likeliest first."""
    times = [line.when for line in ended[0]]
    first, last = min(times) - _APART_SECONDS, max(times) + _APART_SECONDS
    yield [line for line in loose if line.own and first <= line.when <= last]
    for lines in ended[1:_STARTS]:
        if not any(_RESTARTED in line.text for line in lines):
            return
        yield [line for line in lines if line.own]
