# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits for all values of the inventory, whatever their key: text that no file can store, and endless data.

They are checked before the checks of keys, so that these can recurse and quote text without limits.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from .errors import listed, shown

# The maximum depth of lists and mappings. Python parses 100 nested brackets in the settings overlay (3.9: MAXSTACK;
# later versions 200), and a site itself has a few levels.
DEPTH_MAX = 50
# The maximum number of values in one key: aliases of YAML can expand to far more than the file contains.
COUNT_MAX = 100_000
# The maximum number of digits of a whole number; Python refuses to format 4300.
DIGITS_MAX = 1000

_PLAIN = (str, bool, int, float, datetime.date, type(None))


def beyond(value: Any, path: str) -> str:
    """Return the fault of the value of the key `path`, as an error message; '' if it is valid.

    The value itself is never shown, because it may be secret.
    """
    waiting: list[tuple[Any, str, int]] = [(value, path, 1)]
    count = 0
    while waiting:
        found, where, depth = waiting.pop()
        count += 1
        wrong = _wrong(found)
        if not wrong and isinstance(found, (list, Mapping)) and depth > DEPTH_MAX:
            where, wrong = path, f"nested deeper than {DEPTH_MAX} levels; expected lists and mappings of fewer levels"
        if not wrong and count > COUNT_MAX:
            where, wrong = path, f"more than {COUNT_MAX} values; expected fewer"
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
    """Return the fault of a single value; '' for a list or a mapping, whose values are checked one by one."""
    if isinstance(value, str):
        half = next((char for char in value if "\ud800" <= char <= "\udfff"), "")
        return f"text with half of a character (U+{ord(half):X}) in it; expected whole characters" if half else ""
    if isinstance(value, int) and value.bit_length() > DIGITS_MAX * 3.33:
        return f"{shown(value)}; expected at most {DIGITS_MAX} digits"
    if not isinstance(value, (*_PLAIN, list, Mapping)):
        return f"of the type {type(value).__name__}; expected text, numbers, true, false, lists and mappings of these"
    return ""
