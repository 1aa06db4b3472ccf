# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Version ranges in package.json (npm's "semver"), converted to the requirements of Python's installers."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

Version = tuple[int, int, int]
_COMPARATOR = re.compile(r"(\^|~>?|>=|<=|>|<|=)?\s*v?([0-9xX*]+(?:\.[0-9xX*]+){0,2})(?:[-+][\w.+-]*)?")
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")


class Interval(NamedTuple):
    """The versions from `low` up to, but not including, `high`; without `high`, all from `low`."""

    low: Version
    high: Optional[Version]  # noqa: UP045 - evaluated, on Python 3.9

    def has(self, version: Version) -> bool:
        return self.low <= version and (self.high is None or version < self.high)

    @property
    def specifier(self) -> str:
        """Return the interval as a requirement of a Python package, such as >=20.0.0,<21.0.0."""
        low = f">={_dotted(self.low)}"
        return f"{low},<{_dotted(self.high)}" if self.high else low


def intervals(text: str) -> list[Interval]:
    """Return the intervals of a range such as `^20.1 || >=22`; none if its notation is not supported."""
    found = [_interval(part) for part in text.split("||")]
    return [interval for interval in found if interval] if all(found) else []


def version_of(text: str) -> Version:
    """Return the version in a program's output, such as v18.20.4; (0, 0, 0) if there is none."""
    match = re.search(r"([0-9]+)\.([0-9]+)\.([0-9]+)", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)


def _interval(text: str) -> Interval | None:
    text = _HYPHEN.sub(r">=\1 <=\2", text.strip())
    if text in ("", "*", "x", "latest"):
        return Interval((0, 0, 0), None)
    if re.sub(r"[\s,]", "", _COMPARATOR.sub("", text)):
        return None
    low: Version = (0, 0, 0)
    high: Version | None = None
    for match in _COMPARATOR.finditer(text):
        one = _comparator(match[1] or "", match[2])
        low = max(low, one.low)
        high = min((end for end in (high, one.high) if end is not None), default=None)
    return Interval(low, high)


def _comparator(operator: str, written: str) -> Interval:
    numbers: list[int] = []
    for part in written.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    if not numbers:
        return Interval((0, 0, 0), None)
    low = _padded(numbers)
    after = _padded([*numbers[:-1], numbers[-1] + 1])
    if operator == ">=":
        return Interval(low, None)
    if operator == ">":
        return Interval(after, None)
    if operator == "<":
        return Interval((0, 0, 0), low)
    if operator == "<=":
        return Interval((0, 0, 0), after)
    if operator.startswith("~"):
        return Interval(low, _padded([*numbers[:1], numbers[1] + 1] if len(numbers) > 1 else [numbers[0] + 1]))
    if operator == "^":
        # The first number that is not 0 is fixed.
        place = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
        return Interval(low, _padded([*numbers[:place], numbers[place] + 1]))
    return Interval(low, after)


def _padded(numbers: list[int]) -> Version:
    first, second, third = [*numbers, 0, 0, 0][:3]
    return first, second, third


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
