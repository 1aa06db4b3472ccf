# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of workers and timers: their names, the times of timers, and conflicts between their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .checks import Wrong, accepts
from .errors import similar
from .types import Site

# systemd.time(7), "Calendar events".
WORDS = (
    *("minutely", "hourly", "daily", "monthly", "weekly", "yearly", "quarterly", "semiannually", "annually"),
    *("semi-annually", "biannually", "bi-annually"),
)
_WEEKDAY = r"(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
_DAYS = re.compile(rf"{_WEEKDAY}(?:(?:\.\.|-){_WEEKDAY})?(?:,{_WEEKDAY}(?:(?:\.\.|-){_WEEKDAY})?)*,?")
_ITEM = r"(?:\*|[0-9]+(?:\.[0-9]+)?(?:\.\.[0-9]+(?:\.[0-9]+)?)?)(?:/[0-9]+(?:\.[0-9]+)?)?"
_PART = rf"{_ITEM}(?:,{_ITEM})*"
_DATE = re.compile(rf"(?:(?P<year>{_PART})-)?(?P<month>{_PART})[-~](?P<day>{_PART})")
_TIME = re.compile(rf"(?P<hour>{_PART}):(?P<minute>{_PART})(?::(?P<second>{_PART}))?")
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)+|[A-Z]{3}[A-Z0-9]{0,4}")
_CRON = re.compile(r"[0-9*,/-]+(?: [A-Za-z0-9*,/-]+){4}")
# The minimum and the maximum of each part.
_RANGES = {
    "year": (1970, 2199),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
}
# systemd directives that have a key in the model, in addition to those that no unit of the collection may have.
WORKER_DIRECTIVES = {"TimeoutStopSec": "stop_timeout", "WorkingDirectory": "manage of the site"}
TIMER_DIRECTIVES = {"TimeoutStartSec": "timeout", "WorkingDirectory": "manage of the site"}


@accepts("a lowercase letter, then lowercase letters, digits and -, at most 31")
def background_name(value: Any) -> str:
    """The name of a worker or timer, which is a part of a unit's name."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", value):
        raise Wrong
    return str(value)


@accepts("a time in the OnCalendar format of systemd.time(7), such as '03:30', 'Mon *-*-* 07:00' or hourly")
def calendar(value: Any) -> str:
    """When a timer runs. systemd may still refuse an accepted time; a deploy verifies it on the host."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise Wrong(fix="quote it: YAML reads 12:30 as the number 750")
    if not isinstance(value, str):
        raise Wrong
    text = " ".join(value.split())
    words = text.split(" ")
    if words[0].lower() in WORDS and (len(words) == 1 or (len(words) == 2 and _ZONE.fullmatch(words[1]))):
        return text
    if _CRON.fullmatch(text):
        raise Wrong(fix="the format of cron is different: 30 3 * * 1 is 'Mon 03:30'")
    days = words[0] if _DAYS.fullmatch(words[0].lower()) else ""
    rest = words[1:] if days else list(words)
    zone = [rest.pop()] if len(rest) > 1 and _ZONE.fullmatch(rest[-1]) else []
    moments = [match for word in rest if (match := _TIME.fullmatch(word) or _DATE.fullmatch(word))]
    kinds = [match.re for match in moments]
    if len(moments) != len(rest) or kinds not in ([], [_DATE], [_TIME], [_DATE, _TIME]) or not (rest or days):
        raise Wrong(fix=similar(text.lower(), WORDS).lstrip("; "))
    if zone and not rest:
        raise Wrong
    for match in moments:
        for part, given in match.groupdict().items():
            _in_range(part, given or "*")
    return text


def between_background(site: Site) -> Iterator[str]:
    """Yield the conflicts between the keys of a site's workers and timers."""
    for name, worker in site["workers"].items():
        path = f"workers.{name}"
        yield from _command(path, worker)
        yield from _directives(path, worker["unit"], WORKER_DIRECTIVES)
        if worker["singleton"] and worker["processes"] != 1:
            yield f"{path}.processes is {worker['processes']}; a singleton is one process; remove one of them"
        if worker["singleton"] and worker["hosts"] == "all":
            yield f"{path}.hosts is 'all'; a singleton runs on the first host only; remove one of them"
    for name, timer in site["timers"].items():
        path = f"timers.{name}"
        yield from _command(path, timer)
        yield from _directives(path, timer["unit"], TIMER_DIRECTIVES)
        if not timer["at"]:
            yield f'{path}.at is missing; it is required: add for example `at: "03:30"`'


def _command(path: str, section: Mapping[str, Any]) -> Iterator[str]:
    given = [key for key in ("run", "manage") if section[key]]
    if len(given) != 1:
        yield f"{path} has {' and '.join(given) or 'neither run nor manage'}; expected exactly one of run, manage"
    elif "$" in section[given[0]][0]:
        yield f"{path}.{given[0]} begins with a word that has a $ in it; expected the name or the path of a program"


def _directives(path: str, unit: Mapping[str, Any], owned: Mapping[str, str]) -> Iterator[str]:
    for name, key in owned.items():
        if name in unit:
            yield f"{path}.unit.{name} is given; set {key} instead"


def _in_range(part: str, given: str) -> None:
    """Raise `Wrong` if a number in a part of a time is out of its range."""
    low, high = _RANGES[part]
    for item in given.split(","):
        value, _slash, step = item.partition("/")
        numbers = [] if value == "*" else value.split("..") if ".." in value else [value]
        if part == "year":
            numbers = [number if len(number) != 2 else f"20{number}" for number in numbers]
        if any(not low <= float(number) <= high + 0.999999 * (part == "second") for number in numbers):
            raise Wrong(fix=f"found {given} as the {part}, which must be from {low} to {high}")
        if step and float(step) == 0:
            raise Wrong(fix=f"found {given}: a step of 0")
