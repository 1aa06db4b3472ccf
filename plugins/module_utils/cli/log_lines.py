# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of a site's logs: when each was written, and whether it is about an error. Pure functions of text.

A site can write anything to its logs. So every pattern looks only at the beginning of a line.
"""

from __future__ import annotations

import datetime
import json
import re
import time
from dataclasses import dataclass
from typing import Any

# How much of a line is shown, in characters.
LINE_MAX = 4000
_ACCESS_TIME = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\]")
_ACCESS_STATUS = re.compile(r'" (\d{3}) (?:\d+|-)(?: |$)')
_ERROR_HEAD = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[(\w+)\]")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_LEVELS = ("error", "crit", "alert", "emerg")
# 499: the client closed the connection before the answer.
_GONE = 499
# How error messages begin: uWSGI, Django's log, Python.
_TROUBLE = re.compile(
    r"DAMN ! |!!! |segfault|HARAKIRI|[Uu]nable to |Internal Server Error|\b(?:ERROR|CRITICAL|FATAL)\b"
    r"|[A-Za-z_.]{0,80}(?:Error|Exception)\b|uwsgi_[a-z_]{1,40}\(\): |HTTP/[0-9.]{1,4} 5\d\d\b|Failed to |Failed with"
    r"|Main process exited"
)
_TRACEBACK = "Traceback (most recent call last):"
_BETWEEN = ("During handling of the above exception", "The above exception was the direct cause")
# syslog(3): err and worse.
_ERR = 3


@dataclass(frozen=True)
class Line:
    """One line: `when` in seconds since 1970, `source` who wrote it, `level` its own level, or ''."""

    when: float
    source: str
    text: str
    wrong: bool = False


def of_access(text: str, before: float) -> Line:
    """Return a line of nginx's access log. A line without a time gets that of the line `before` it."""
    match = _ACCESS_TIME.search(text[:LINE_MAX])
    status = _ACCESS_STATUS.search(text[:LINE_MAX])
    number = int(status[1]) if status else 0
    return Line(_access_time(match) if match else before, "nginx", text, number >= 500 or number == _GONE)


def of_error(text: str, before: float) -> Line:
    """Return a line of nginx's error log, which has this host's own time."""
    match = _ERROR_HEAD.match(text)
    if not match:
        return Line(before, "nginx", text)
    moment = (*(int(part) for part in match.groups()[:6]), 0, 0, -1)
    try:
        when = time.mktime(moment)  # type: ignore[arg-type]
    except (OverflowError, ValueError):
        when = before
    return Line(when, "nginx", text, match[7] in _LEVELS)


def of_journal(raw: bytes, site: str) -> list[Line]:
    """Return the lines of an entry as `journalctl --output=json` prints it; [] for what is none."""
    try:
        entry = json.loads(raw)
        when = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    unit = str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or "")
    priority = str(entry.get("PRIORITY", "6"))
    wrong = priority.isdigit() and int(priority) <= _ERR
    source = source_of(unit, site)
    return [Line(when, source, text, wrong or is_trouble(text)) for text in _message(entry).splitlines()]


def source_of(unit: str, site: str) -> str:
    """Return what a line of the journal comes from, in a word: uwsgi, or a worker's or timer's name."""
    worker = re.fullmatch(rf"pyweb-worker-{re.escape(site)}@[0-9a-f]+:([a-z0-9-]+):\w+\.service", unit)
    timer = re.fullmatch(rf"pyweb-timer-{re.escape(site)}@([a-z0-9-]+)\.(?:service|timer)", unit)
    return worker[1] if worker else timer[1] if timer else "uwsgi"


def is_trouble(text: str) -> bool:
    """Return whether a line is an error message."""
    return bool(_TROUBLE.search(text[:1000]))


class Errors:
    """Picks the lines that are about errors, and whole tracebacks: consecutive lines of one source."""

    def __init__(self) -> None:
        # The sources that are within a traceback.
        self._inside: set[str] = set()

    def wants(self, line: Line) -> bool:
        """Return whether a line belongs to an error. Lines have to come in the order in which they were written."""
        text = line.text
        if text.lstrip().startswith(_TRACEBACK):
            self._inside.add(line.source)
            return True
        if line.source in self._inside:
            if not text.startswith((" ", "\t")) and text:
                # The exception itself; another traceback may follow.
                self._inside.discard(line.source)
            return True
        return line.wrong or text.startswith(_BETWEEN)


def shown(line: Line) -> str:
    """Return a line as it is printed: this host's time, who wrote it, and its text without the time it begins with."""
    moment = datetime.datetime.fromtimestamp(line.when).strftime("%Y-%m-%d %H:%M:%S")
    text = line.text if len(line.text) <= LINE_MAX else line.text[:LINE_MAX] + "…"
    return f"{moment} {line.source:<8} {text}"


def _message(entry: dict[str, Any]) -> str:
    """Return the text of an entry; journald writes bytes that are not text as numbers."""
    message = entry.get("MESSAGE")
    if isinstance(message, list):
        return bytes(byte for byte in message if isinstance(byte, int) and 0 <= byte < 256).decode("utf-8", "replace")
    return message if isinstance(message, str) else ""


def _access_time(match: re.Match[str]) -> float:
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    if month not in _MONTHS:
        return 0.0
    offset = datetime.timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    try:
        zone = datetime.timezone(offset)
        moment = datetime.datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=zone
        )
    except ValueError:
        return 0.0
    return moment.timestamp()
