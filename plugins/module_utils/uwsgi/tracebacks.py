# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the last traceback in a uWSGI's log, and quote it. Pure functions of the log's text."""

from __future__ import annotations

import re

from ..host.visible import in_measure

# The first line of a report of build/pyweb_errors.py, and the suffix of the first line of a follow-up report.
MARK = "pyweb.stack: unhandled exception:"
NEXT = "while the one above was answered"
START = "Traceback (most recent call last):"
# An exception group has its own, and a margin before all its lines.
GROUP = "+ Exception Group Traceback (most recent call last):"
STARTS = (START, GROUP)
# The maximum number of lines that an error quotes. A longer traceback first loses the frames of libraries, then its
# middle.
LINES = 60
# The maximum number of lines of an exception's message after its first.
MESSAGE_LINES = 10

_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_FRAME = re.compile(r'\s*File "(?P<path>[^"]+)", line [0-9]+')
_LIBRARY = re.compile(r"/(site|dist)-packages/|/lib(64)?/python3|^<|/overlay/pyweb_\w+\.py$")
_MARGIN = re.compile(r" +[|+]")
# Lines that do not belong to an exception's message: uWSGI's own, Django's record of the request, systemd's.
_OTHER = re.compile(
    r"\[(pid: |uWSGI|busyness|strict-mode)|\*\*\* |\.\.\. |DAMN |worker [0-9]|spawned |mapped |unable to load app|"
    r"WSGI app|Internal Server Error: |Respawned |SIG[A-Z]+ |gracefully |goodbye |chain reloading |callable '|"
    r"uwsgi-\S+: |(Started|Starting|Stopping|Stopped|Failed) |\S+\.service: |pyweb\.stack: "
)
# The last lines of a start: earlier lines do not concern an answer.
_STARTED = re.compile(r"(?m)^(spawned uWSGI worker |WSGI app [0-9]+ .* ready in ).*$")
# Lines of a start between those of workers.
_STARTS = re.compile(r"(?m)^(\*\*\* Stats server enabled |running \"unix_signal:).*\n")


def last(log: str) -> str:
    """Return the last report of the log with its follow-ups, else the last traceback; '' if there is none.

    One that breaks off before its exception is ignored if an earlier one is complete: journald dropped the rest, or has
    not read it yet.
    """
    lines = in_measure(log).splitlines()
    first, end = newest = _last(lines)
    while first < end and _breaks_off(lines[first:end]):
        first, end = _last(lines[:first])
    if first == end:
        first, end = newest  # there is nothing better
    return "\n".join(lines[first:end])


def _last(lines: list[str]) -> tuple[int, int]:
    """Return the numbers of the first line of the last report or traceback, and of the one after it; equal for none."""
    starts = [number for number, line in enumerate(lines) if line.startswith(MARK)]
    whole = [number for number in starts if not lines[number].endswith(NEXT)]
    if starts:
        first = (whole or starts)[-1]
        return first, max(_end(lines, number + 1) for number in starts if number >= first)
    found = [number for number, line in enumerate(lines) if line.strip() in STARTS]
    if not found:
        return 0, 0
    first = found[-1]
    while (before := _chained_to(lines, first)) is not None:
        first = before
    return first, _end(lines, found[-1])


def _breaks_off(report: list[str]) -> bool:
    """Return whether the last traceback of a report ends before its exception."""
    starts = [number for number, line in enumerate(report) if line.rstrip() == START]
    if not starts:
        return False
    after = [line for line in report[starts[-1] + 1 :] if line[:1] not in ("", " ")]
    return not after or bool(_OTHER.match(after[0]))


def root(report: str) -> str:
    """Return the first part of a report: later failures are its consequence."""
    begin = report.find(f"\n{MARK}")
    return report if begin < 0 else report[:begin]


def quote(log: str, limit: int = LINES) -> str:
    """Return what an error quotes of a log: the last traceback, else the lines since the start."""
    return shorten(last(log), limit) or since_start(log)


def shorten(report: str, limit: int = LINES) -> str:
    """Return a report of at most `limit` lines: with the frames of the project, and always with its end."""
    parts = re.split(rf"\n(?={re.escape(MARK)})", report)
    return "\n".join(_shortened(part.splitlines(), limit // len(parts)) for part in parts)


def since_start(log: str) -> str:
    """Return the part of a log after uWSGI's last start; all of it if there is none."""
    found = list(_STARTED.finditer(log))
    return _STARTS.sub("", log[found[-1].end() :]).lstrip("\n") if found else log


def _shortened(lines: list[str], limit: int) -> str:
    if len(lines) > limit:
        lines = _without_libraries(lines)
    if len(lines) > limit:
        head = limit // 4
        cut = len(lines) - limit + 1
        lines = [*lines[:head], f"  ... {cut} lines ...", *lines[head + cut :]]
    return "\n".join(lines)


def _end(lines: list[str], number: int) -> int:
    """Return the line number after the traceback, with those chained to it, that begins at line `number`."""
    end = number
    while number < len(lines):
        if lines[number].strip() == START:
            number += 1
            while number < len(lines) and lines[number][:1] in ("", " "):
                number += 1
            # What follows an incomplete one is no exception.
            is_whole = number < len(lines) and not _OTHER.match(lines[number])
            end = number = _message_end(lines, number) if is_whole else number
        elif lines[number].strip() == GROUP:
            while number < len(lines) and _MARGIN.match(lines[number]):
                number += 1
            end = number
        elif not lines[number].strip() or lines[number].startswith(_CHAINED):
            number += 1
        else:
            break
    return end


def _message_end(lines: list[str], number: int) -> int:
    """Return the line number after the exception and its message, which may have several lines."""
    stop = min(number + 1 + MESSAGE_LINES, len(lines))
    for following in range(number + 1, stop):
        text = lines[following]
        if _OTHER.match(text) or text.strip() in STARTS or text.startswith(_CHAINED):
            # A blank line before a chained traceback does not belong to the message.
            return following
    return max(stop, min(number + 1, len(lines)))


def _chained_to(lines: list[str], number: int) -> int | None:
    """Return the beginning of the traceback during which the one at line `number` occurred."""
    above = [at for at in range(number) if lines[at].strip() in STARTS]
    between = [line for line in lines[max(number - 3, 0) : number] if line.strip()]
    return above[-1] if above and between and between[-1].startswith(_CHAINED) else None


def _without_libraries(lines: list[str]) -> list[str]:
    """Return the lines without the frames of libraries, except the innermost one of each traceback."""
    kept: list[str] = []
    number = 0
    while number < len(lines):
        frame = _FRAME.match(lines[number])
        if not frame:
            kept.append(lines[number])
            number += 1
            continue
        after = number + 1
        # Its code, marks below it, and "[Previous line repeated ...]".
        while after < len(lines) and lines[after].startswith(" ") and not _FRAME.match(lines[after]):
            after += 1
        innermost = after >= len(lines) or not lines[after].startswith(" ")
        if innermost or not _LIBRARY.search(frame["path"]):
            kept += lines[number:after]
        elif not kept[-1].startswith("  ... "):
            kept.append("  ... in libraries ...")
        number = after
    return kept
