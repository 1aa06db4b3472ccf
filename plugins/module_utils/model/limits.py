# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What no value of the inventory may be, whatever its key: text that no file can hold, or data without end.

It is asked before any check of a key, so that these may recurse and write text as they like.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from .errors import listed, shown

# Levels of lists and mappings inside one another. Python reads 100 brackets inside one another in the settings overlay
# (3.9: MAXSTACK; later ones 200), and a site has a few levels of its own.
DEPTH_MAX = 50
# Values in one key: an alias of YAML can say far more than its file has.
COUNT_MAX = 100_000
# The digits of a whole number; Python refuses to write 4300.
DIGITS_MAX = 1000

_PLAIN = (str, bool, int, float, datetime.date, type(None))


def beyond(value: Any, path: str) -> str:
    """Return what is wrong with the value of the key `path`, as an error says it; '' where it can be used.

    A value itself is never shown: it may be a secret.
    """
    waiting: list[tuple[Any, str, int]] = [(value, path, 1)]
    count = 0
    while waiting:
        found, where, depth = waiting.pop()
        count += 1
        wrong = _wrong(found)
        if not wrong and isinstance(found, (list, Mapping)) and depth > DEPTH_MAX:
            where, wrong = path, f"nested deeper than {DEPTH_MAX} levels; wanted lists and mappings of fewer levels"
        if not wrong and count > COUNT_MAX:
            where, wrong = path, f"more than {COUNT_MAX} values; wanted fewer"
        if wrong:
            return f"{where} is {wrong}"
        if isinstance(found, Mapping):
            for name, inner in found.items():
                if _wrong(name):
                    return f"{where} has a name that is {_wrong(name)}"
                waiting.append((inner, f"{where}.{listed([name])}", depth + 1))
        elif isinstance(found, list):
            waiting.extend((inner, where, depth + 1) for inner in found)
    return ""


def _wrong(value: Any) -> str:
    """Return what is wrong with a single value; '' for a list or a mapping, whose values are asked one by one."""
    if isinstance(value, str):
        half = next((char for char in value if "\ud800" <= char <= "\udfff"), "")
        return f"text with half of a character (U+{ord(half):X}) in it; wanted whole characters" if half else ""
    if isinstance(value, int) and value.bit_length() > DIGITS_MAX * 3.33:
        return f"{shown(value)}; wanted at most {DIGITS_MAX} digits"
    if not isinstance(value, (*_PLAIN, list, Mapping)):
        return f"of the type {type(value).__name__}; wanted text, numbers, true, false, lists and mappings of these"
    return ""
