# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Jinja and Ansible hand over, as plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Undefined


def defined(value: Any) -> Any:
    """Return a value as `plain` does. Raise UndefinedError where a variable in it has no value.

    Up to ansible-core 2.18 such a variable comes as an object that stands for it.
    """
    found = plain(value)
    for inner in _leaves(found):
        if isinstance(inner, Undefined):
            str(inner)  # Jinja's own error says which variable it is
    return found


def plain(value: Any) -> Any:
    """Copy a value without Ansible's own subclasses (unsafe and tagged text, lazy containers), at any depth."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str.__str__(value) if type(value) is str else "".join(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(item) for item in value]
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value
