# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measure how a site answers: uWSGI's answers of one release, and nginx's recent answers to visitors.

Only uWSGI knows which release gave an answer: nginx logs the last answers of the old one after the switch, and on TCP
ports both accept from one queue. uWSGI counts the answers (stats socket) and writes each 5xx to the journal of the
release's unit (log-5xx).
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ..host.shell import Shell
from ..model import regular
from ..uwsgi import protocol as uwsgi_protocol
from . import journal
from .watch import BAD, Counted

# The answers in these last seconds show how the old release answers.
LATELY = 600
# A site without a request for this many seconds is not watched.
QUIET = 60
# How much of an access log is read, in bytes.
TAIL = 1 << 18
# uWSGI counts an answer a moment before it logs it.
LOG_LAG = 0.1
# Options that change uWSGI's own line for a 5xx, or write it elsewhere.
OTHER_LOGS = ("logformat", "log-format", "logger", "req-logger", "log-route", "logto", "logto2", "daemonize", "syslog")

# Of workers, not of their cores. Not parsed as JSON: the master includes texts of running requests, which may contain
# anything.
_ANSWERS = re.compile(rb'"requests":\s*([0-9]{1,18}),\s*"delta_requests"')
_RESPAWNS = re.compile(rb'"respawn_count":\s*([0-9]{1,18})\b')
_ANSWER_5XX = re.compile(r"\[pid: .* \(HTTP/[0-9.]+ 5[0-9]{2}\) ")
_WORKER_DIED = re.compile(r"DAMN ! worker [0-9]+ .* died")
# The time, the path and the status of nginx's formats `combined` and `main`.
_LOGGED = re.compile(r'\[([^\]]+)\] "[A-Z]+ (\S+)[^"]*" ([0-9]{3}) ')
_LOG_TIME = "%d/%b/%Y:%H:%M:%S %z"
# The user agents of our own requests.
_OWN = "pyweb.stack"


class Counter:
    """Counts a release's answers from now on."""

    def __init__(self, shell: Shell, unit: str, stats: str) -> None:
        """`unit` is the release's, `stats` the path of its stats socket."""
        self.shell, self.unit, self.stats = shell, unit, stats
        self.since = time.time()
        self.start = self._totals()

    @property
    def counts(self) -> bool:
        """Return whether there is a uWSGI that reports."""
        return self.start is not None

    def __call__(self) -> Counted:
        """Return the answers since the start; none if uWSGI does not report them."""
        now = self._totals()
        if self.start is None or now is None:
            return Counted(0, 0)
        answers, died = (max(after - before, 0) for before, after in zip(self.start, now))
        if answers + died < BAD:
            return Counted(answers, 0)  # the journal need not be read
        time.sleep(LOG_LAG)
        bad, lost = self._journal()
        return Counted(max(answers, bad) + lost, bad + lost)

    def _totals(self) -> tuple[int, int] | None:
        """Return how many requests were answered, and how often workers were restarted, since uWSGI started."""
        try:
            told = uwsgi_protocol.stats(f"unix:{self.stats}")
        except uwsgi_protocol.ProtocolError:
            return None
        answers, respawns = ([int(number) for number in pattern.findall(told)] for pattern in (_ANSWERS, _RESPAWNS))
        return (sum(answers), sum(respawns)) if answers else None

    def _journal(self) -> tuple[int, int]:
        """Return how many 5xx, and how many dead workers, the journal has."""
        bad = lost = 0
        for line in journal.read(self.shell, self.unit, self.since, "--output=short-unix").splitlines():
            when, _host, text = (*line.split(" ", 2), "", "")[:3]
            with contextlib.suppress(ValueError):  # a line of journalctl's own
                if float(when) >= self.since:
                    bad += bool(_ANSWER_5XX.search(text))
                    lost += bool(_WORKER_DIED.search(text))
        return bad, lost


def logs_5xx(ini: str) -> bool:
    """Return whether a uWSGI with this ini file writes its own line for each 5xx to the journal."""
    options = {name.strip(): value.strip() for name, mark, value in (line.partition("=") for line in ini.splitlines())}
    return options.get("log-5xx", "false") == "true" and not any(name in options for name in OTHER_LOGS)


class Before:
    """How the live release answers: recent answers to visitors, and its answers from now on.

    Created before another release is started, whose answers would be in the same access log.
    """

    def __init__(self, counter: Counter, access_log: str, without: Sequence[str]) -> None:
        """`without` are prefixes of paths that nginx answers itself."""
        self.counter, now = counter, time.time()
        answers = lately(access_log, without, now)
        self._logged = Counted(len(answers), sum(answer.status >= 500 for answer in answers)) if answers else None
        self._asked = any(answer.when >= now - QUIET for answer in answers or [])

    def known(self) -> tuple[bool, float]:
        """Return whether the site had requests recently, and the release's share of 5xx.

        If nginx has no readable log, only its answers since the start count.
        """
        counted = self.counter()
        return self._asked or counted.answers > 0, (self._logged or counted).share


class Logged(NamedTuple):
    """An answer in nginx's access log; `when` is in seconds since the epoch."""

    when: float
    status: int


def lately(access_log: str, without: Sequence[str], now: float) -> list[Logged] | None:
    """Return recent answers to visitors, oldest first, without our own requests and paths with prefixes in `without`.

    None if there is no log, or one in an unknown format.
    """
    lines = _last_lines(access_log)
    if lines is None:
        return None
    found: list[Logged] = []
    known = not lines
    for line in lines:
        match = _LOGGED.search(line)
        if not match:
            continue
        with contextlib.suppress(ValueError):
            when = datetime.strptime(match[1], _LOG_TIME).timestamp()
            known = True
            if when >= now - LATELY and _OWN not in line and not match[2].startswith(tuple(without)):
                found.append(Logged(when, int(match[3])))
    return found if known else None


def _last_lines(access_log: str) -> list[str] | None:
    """Return the last lines of a log and, after a recent rotation, of the previous file.

    None if there is no such log.
    """
    try:
        paths = [path for path in glob.glob(f"{glob.escape(access_log)}*") if not path.endswith((".gz", ".xz", ".zst"))]
        lines: list[str] = []
        for path in sorted(paths, key=os.path.getmtime)[-2:]:
            with regular.opened(path) as log:
                log.seek(max(os.path.getsize(path) - TAIL, 0))
                lines += log.read().decode("utf-8", "replace").splitlines()
    except OSError:  # rotated at this moment
        return None
    return lines if paths else None
