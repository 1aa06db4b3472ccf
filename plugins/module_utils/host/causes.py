# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the reason for a program's failure in its output, with the place in the project and the fix."""

from __future__ import annotations

import re

from .advice import advice_on, root_cause

# Prefixes of a reason: git, ssh, uv (older versions with Caused by, or × and ╰─▶); then Python, then Django's system
# check.
_REASON = re.compile(r"(fatal|error|cause|Caused by|ssh): |[×╰]|.*(Permission denied \(|Host key verification failed)")
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|DoesNotExist|NotFound|Configured)(: |$)")
_CHECK = re.compile(r".*\(\w+\.E[0-9]{3}\) ")
_TRACEBACK = "Traceback (most recent call last):"
# The margins of an exception group, the lines between its exceptions, and the beginning of the second one.
_MARGIN = re.compile(r"(?m)^ +(\+[-+]+.*\n|[|+] (Exception Group (?=Traceback))?)")
_SECOND = re.compile(r"(?m)^ +\+-+ 2 -+$")
_FRAME = re.compile(r'\s*File "(?P<path>[^"]+)", line (?P<line>[0-9]+)(?P<function>, in .*)?$')
# logging's message for any fault of LOGGING; the fault itself is the previous exception.
_LOGGING = re.compile(r"ValueError: Unable to (configure|add|set) ")
# The directories of code outside the project: Python's, the packages', code from standard input, and the overlay, which
# only imports the project.
_FOREIGN = re.compile(r"/(site|dist)-packages/|/lib(64)?/python3|^<|/overlay/pyweb_\w+\.py$")
# Python cannot parse the file: the place is the one in the message, because no call led there.
_UNREADABLE = ("SyntaxError", "IndentationError", "TabError")
# The part of an output that is searched: the patterns below take much longer on more, and a project can print anything.
# The failure is at the end; its cause may be before it.
_LINE_MAX, _FIRST_LINES, _LAST_LINES = 1000, 1000, 2000
# The maximum length of a line of code in a message.
_CODE_MAX = 60


def cause(output: str) -> str:
    """Return why a program failed, in one line; the last line of its output if none looks like a reason.

    An exception is returned with the file and line of the project that raised it, a known fault with its fix.
    """
    output = _without_margins(_bounded(output))
    words = reason(output)
    advice = advice_on(output, words)
    return f"{words.rstrip('.')}; {advice}" if advice else words


def reason(output: str) -> str:
    """Return why a program failed, without the fix."""
    output = _without_margins(_bounded(output))
    lines = [line.strip() for line in output.splitlines() if line.strip(" ^~\t")]
    checks = [line for line in lines if _CHECK.match(line)]
    compiler = [line for line in lines if ": fatal error: " in line]  # the rest follows from it
    if checks or compiler:
        return (checks or compiler)[0].removeprefix("error: ")
    found, root = _raised(output) or _marked(lines), root_cause(output)
    return f"{found.rstrip('.')}: {root}" if root and root not in found else found


def _bounded(output: str) -> str:
    """Return the part of an output that is searched: its first and last lines, shortened, without blank ones."""
    lines = [line[:_LINE_MAX] for line in output.splitlines() if not line.isspace() and line]
    if len(lines) > _FIRST_LINES + _LAST_LINES:
        lines = [*lines[:_FIRST_LINES], *lines[-_LAST_LINES:]]
    return "\n".join(lines)


def _marked(lines: list[str]) -> str:
    """Return the line that a program marks as its reason, else the last line about an error, else the last line."""
    reasons = [
        re.sub(r"^(fatal|error|cause|Caused by): |^[×╰─▶> ]+", "", line) for line in lines if _REASON.match(line)
    ]
    if reasons:
        # The failure is first, its root cause last.
        return ": ".join(dict.fromkeys([reasons[0].rstrip(".:"), reasons[-1]]))
    errors = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    return (errors or lines or [""])[-1]


# --- Python's exceptions ---


def _without_margins(output: str) -> str:
    """Return an exception group with its first exception, in the format of a single exception."""
    return _MARGIN.sub("", _SECOND.split(output)[0]) if "Exception Group Traceback" in output else output


def _raised(output: str) -> str:
    """Return the last exception in the output, with its place in the project; '' if there is none."""
    lines = output.splitlines()
    ends = [
        number for number, line in enumerate(lines) if _RAISED.match(line.strip()) or _ends_traceback(lines, number)
    ]
    if not ends:
        return ""
    words, place = lines[ends[-1]].strip(), _place(lines[: ends[-1]], lines[ends[-1]].strip())
    if _LOGGING.match(words) and len(ends) > 1:
        words += f": {lines[ends[-2]].strip()}"
    return f"{words} ({place})" if place else words


def _ends_traceback(lines: list[str], number: int) -> bool:
    """Return whether a line is the first after the frames of a traceback: an exception of any name."""
    indent = _indent(lines[number])
    for before in reversed(lines[:number]):
        if before.strip() == _TRACEBACK:
            return _indent(before) == indent
        if before.strip() and _indent(before) <= indent:
            return False
    return False


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _place(before: list[str], words: str) -> str:
    """Return FILE:LINE of the innermost frame of the project in the traceback that ends here; '' if there is none."""
    starts = [number for number, line in enumerate(before) if line.strip() == _TRACEBACK]
    frames = [
        (number, frame)
        for number, line in enumerate(before)
        if (frame := _FRAME.match(line)) and number > (starts[-1] if starts else -1)
    ]
    if words.startswith(_UNREADABLE):
        named = [(number, frame) for number, frame in frames if not frame["function"] and frame["path"][0] != "<"]
        if not named:
            return ""
        number, frame = named[-1]
        code = next((line.strip() for line in before[number + 1 :] if line.strip(" ^~\t")), "")
        return f"{_short(frame['path'])}:{frame['line']}" + (f": {code[:_CODE_MAX]}" if code else "")
    own = [frame for _number, frame in frames if frame["function"] and not _FOREIGN.search(frame["path"])]
    return f"{_short(own[-1]['path'])}:{own[-1]['line']}" if own else ""


def _short(path: str) -> str:
    """Return the path of a file of the project relative to the source."""
    return re.sub(r"^.*/(builds|releases)/[^/]+/src/|^\./", "", path)
