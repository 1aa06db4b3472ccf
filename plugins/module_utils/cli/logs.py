# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`pyweb logs`: what nginx, uWSGI, workers and timers of a site wrote, in one stream by time.

nginx's logs are files that may be rotated meanwhile; everything else is in the journal. The amount that is read is
limited, because an attacker may have filled them.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import IO, cast

from ..host.shell import Shell, StepError, spawn
from ..model import regular
from ..release.release import stored
from . import log_lines
from .log_lines import Errors, Line
from .output import complain, say
from .sites import SiteHere

# How much is read at most: the end of a file in bytes, and the journal in entries and in bytes.
TAIL, ENTRIES, JOURNAL_MOST = 4 << 20, 20_000, 32 << 20
# How often followed files are checked, and how long a line waits for earlier ones, in seconds.
PAUSE = 0.3
# How long journalctl may take without --follow, in seconds.
JOURNAL = 30
_FIELDS = "MESSAGE,UNIT,_SYSTEMD_UNIT,PRIORITY"
Read = Callable[[str, float], Line]


def run(site: SiteHere, count: int, follow: bool, errors: bool) -> int:
    """Print the last `count` lines, or only those about errors; then follow the logs, or return the status."""
    mask, wanted = _mask(site), Errors()
    layout = site.layout
    logs = [LogFile(layout.access_log, log_lines.of_access), LogFile(layout.error_log, log_lines.of_error)]
    units = units_of(site)
    # Starts before the first read, so that no line is lost between the two.
    watched = Journal(units, site.name) if follow else None
    try:
        lines = sorted(
            [line for log in logs for line in log.tail()] + journal(units, site.name, count, errors), key=_when
        )
        chosen = [line for line in lines if not errors or wanted.wants(line)]
        _print(chosen[-count:] if count else [], mask)
        unread = [log for log in logs if log.fault]
        for log in unread:
            hint = "" if os.geteuid() == 0 else "; sudo pyweb logs reads it"
            complain(f"{log.path}: {log.fault}{hint}")
        if watched:
            for batch in _batches(logs, watched):
                _print([line for line in batch if not errors or wanted.wants(line)], mask)
    except KeyboardInterrupt:
        return 0
    finally:
        if watched:
            watched.end()
    return 1 if unread and not chosen else 0


def units_of(site: SiteHere) -> list[str]:
    """Return the patterns of the units whose lines are the site's."""
    layout = site.layout
    return [
        layout.unit("*"),
        layout.boot_unit,
        layout.probe_unit("*"),
        f"{layout.worker_identifier}@*.service",
        f"{layout.timer_identifier}@*.service",
    ]


class LogFile:
    """A log of nginx: its last lines, then new ones. Opens no link and no device."""

    def __init__(self, path: str, read: Read) -> None:
        self.path, self.read, self.fault = path, read, ""
        self._stream: IO[bytes] | None = None
        self._rest, self._when = b"", 0.0

    def tail(self) -> list[Line]:
        """Return the last lines of the file."""
        try:
            stream = self._open()
        except FileNotFoundError:
            return []
        except OSError as error:
            self.fault = error.strerror or str(error)
            return []
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(size - TAIL, 0))
        lines = self._lines()
        return lines[1:] if size > TAIL else lines

    def more(self) -> list[Line]:
        """Return the new lines, also those of a file that replaced this one."""
        found = self._lines()
        try:
            at = os.lstat(self.path)
            own = os.fstat(self._stream.fileno()) if self._stream else None
            if own is None or (at.st_dev, at.st_ino) != (own.st_dev, own.st_ino):
                self._open()
                found += self._lines()
            elif self._stream and at.st_size < self._stream.tell():
                self._stream.seek(0)
                found += self._lines()
        except OSError:
            pass  # between two files
        return found

    def _open(self) -> IO[bytes]:
        if os.path.islink(self.path):
            raise OSError(0, "is a link")
        stream = regular.opened(self.path)
        if self._stream:
            self._stream.close()
        self._stream, self._rest = stream, b""
        return stream

    def _lines(self) -> list[Line]:
        if self._stream is None:
            return []
        blocks = (self._rest + self._stream.read(TAIL)).split(b"\n")
        # Text without a newline is an incomplete line.
        self._rest = blocks.pop()[-log_lines.LINE_MAX * 4 :]
        found = []
        for block in blocks:
            line = self.read(block.decode("utf-8", "replace"), self._when)
            self._when = line.when or self._when
            found.append(line)
        return found


def journal(units: list[str], name: str, count: int, errors: bool) -> list[Line]:
    """Return the last lines of the units in the journal, the oldest first."""
    entries = ENTRIES if errors else min(max(count, 1), ENTRIES)
    try:
        # Backwards, so that the oldest lines are left out if there are too many.
        process = _journalctl(units, "--reverse", f"--lines={entries}")
    except OSError:
        complain("there is no journalctl; only nginx's logs follow")
        return []
    with process:
        said, complete = _until(cast("IO[bytes]", process.stdout), time.monotonic() + JOURNAL)
        process.kill()
    if not complete:
        complain("the journal contains more than is read here; use journalctl for the rest")
    found = [log_lines.of_journal(raw, name) for raw in said.split(b"\n")]
    return [line for lines in reversed(found) for line in lines]


def _until(stream: IO[bytes], deadline: float) -> tuple[bytes, bool]:
    """Return the output up to the limits of size and time, and whether it is complete."""
    said = bytearray()
    while len(said) <= JOURNAL_MOST:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            return bytes(said), False
        block = os.read(stream.fileno(), 65536)
        if not block:
            return bytes(said), True
        said += block
    return bytes(said), False


class Journal:
    """A journalctl that follows the units."""

    def __init__(self, units: list[str], name: str) -> None:
        self.name, self._rest = name, b""
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self._process = _journalctl(units, "--follow", "--lines=0")

    def more(self, timeout: float) -> list[Line]:
        """Return the lines that arrive within a number of seconds."""
        if self._process is None or self._process.stdout is None:
            time.sleep(timeout)
            return []
        descriptor, found = self._process.stdout.fileno(), []
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([descriptor], [], [], left)[0]:
                break
            block = os.read(descriptor, 65536)
            if not block:  # it has ended
                time.sleep(max(deadline - time.monotonic(), 0))
                break
            *whole, self._rest = (self._rest + block).split(b"\n")
            self._rest = self._rest[:TAIL]
            found += [line for raw in whole for line in log_lines.of_journal(raw, self.name)]
        return found

    def end(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait()


def _journalctl(units: list[str], *more: str) -> subprocess.Popen[bytes]:
    """Start journalctl for these units. Raises OSError when it cannot be started."""
    argv = ["journalctl", "--no-pager", "--quiet", "--all", "--output=json", f"--output-fields={_FIELDS}"]
    argv += [*(f"--unit={unit}" for unit in units), *more]
    return spawn(argv, environment=os.environ, stderr=subprocess.DEVNULL)


def _batches(logs: list[LogFile], watched: Journal) -> Iterator[list[Line]]:
    """Yield new lines forever, each batch sorted by time."""
    while True:
        came = watched.more(PAUSE)
        yield list(heapq.merge(sorted(came, key=_when), *(sorted(log.more(), key=_when) for log in logs), key=_when))


def _mask(site: SiteHere) -> Callable[[str], str]:
    """Return a function that hides the secrets of the live release. Users who cannot read them need none."""
    try:
        return stored(site.layout, site.live).shell().mask if os.geteuid() == 0 else str
    except (StepError, OSError, KeyError):
        return Shell(site.name, {}).mask


def _print(lines: list[Line], mask: Callable[[str], str]) -> None:
    for line in lines:
        say(mask(log_lines.shown(line)), "31" if line.wrong else "")


def _when(line: Line) -> float:
    return line.when
