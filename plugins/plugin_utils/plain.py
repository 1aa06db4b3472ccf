# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Convert values of Jinja and Ansible to plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pyweb.stack.plugins.module_utils.model.limits import DEPTH_MAX
from jinja2 import Undefined


def defined(value: Any) -> Any:
    """Return a value as `plain` does. Raises UndefinedError if a variable in it has no value.

    Up to ansible-core 2.18, such a variable is an object that represents it.
    """
    found = plain(value)
    for inner in _leaves(found):
        if isinstance(inner, Undefined):
            str(inner)  # Jinja's own error names the variable
    return found


def plain(value: Any) -> Any:
    """Copy a value without Ansible's own subclasses (unsafe and tagged text, lazy containers), at any depth.

    Up to the depth that the model accepts: deeper values are not copied, and the model refuses them.
    """
    return _plain(value, {}, 0)


def _plain(value: Any, copies: dict[int, Any], depth: int) -> Any:
    """Return the copy of a value; `copies` are previous copies, so that a YAML alias stays one object."""
    if depth > 2 * DEPTH_MAX:
        return value
    if isinstance(value, str):
        return "".join([value])  # of class str, whatever the class of the value
    if id(value) in copies:
        return copies[id(value)][1]
    found = value
    if isinstance(value, Mapping):
        found = {_plain(key, copies, depth + 1): _plain(item, copies, depth + 1) for key, item in value.items()}
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        found = [_plain(item, copies, depth + 1) for item in value]
    else:
        return next((kind(value) for kind in (bool, int, float) if isinstance(value, kind)), value)
    copies[id(value)] = value, found  # which keeps it, and so its id
    return found


def _leaves(value: Any) -> Iterator[Any]:
    waiting, seen = [value], set()
    while waiting:
        found = waiting.pop()
        if not isinstance(found, (dict, list)):
            yield found
        elif id(found) not in seen:
            seen.add(id(found))
            waiting.extend(found.values() if isinstance(found, dict) else found)
