# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The exception for a wrong inventory, and how its messages quote values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .urls import without_tokens

# The maximum number of quoted items of a list and of digits of a number, which Python also limits.
_ITEMS, _LEVELS, _BITS = 20, 5, 1000
# A fault also quotes names, and its reader may not be the author of the inventory.
_FAULT_MAX = 1000


class InventoryError(ValueError):
    """All faults of one subject of the inventory (web_sites, nginx, firewalld), one on each line, with their number.

    It does not state what was done before; the task that raises it adds what was not changed.
    """

    def __init__(self, subject: str, faults: list[str]) -> None:
        faults = [_on_one_line(fault) for fault in faults]
        self.subject, self.faults = subject, faults
        count = [f"{subject} has {len(faults)} faults"] if len(faults) > 1 else []
        super().__init__("\n".join([*faults, *count]))


# A shortened path could not be found on a disk.
_PATH = re.compile(r"(~[\w.-]*|\.{1,2})?/")


def shown(value: Any, level: int = 0) -> str:
    """Return a value as an error quotes it: short, on one line, without credentials of URLs; paths in full."""
    if isinstance(value, Mapping):
        return "a mapping"  # its values may be secrets
    if isinstance(value, int) and value.bit_length() > _BITS:
        return f"a number of {value.bit_length()} bits"
    text = repr(str(value)) if isinstance(value, str) else ""
    if isinstance(value, list):
        items = ["a list" if level > _LEVELS else shown(item, level + 1) for item in value[:_ITEMS]]
        text = f"[{', '.join(items)}]"
    text = without_tokens(text or repr(value))
    if len(text) <= 60 or (isinstance(value, str) and _PATH.match(value)):
        return text
    return text[:57] + "..."


def shown_name(value: Any) -> str:
    """Return a name of a mapping with secrets as an error quotes it: in YAML, `{ada:secret}` is also a name."""
    if isinstance(value, str) and (found := re.match(r"[^:=]*[:=]", value)) and found[0] != value:
        return shown(f"{found[0]}...")
    return shown(value)


def _on_one_line(fault: str) -> str:
    """Return a fault without terminal control characters, and of limited length."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in fault[:_FAULT_MAX])
    return text if len(fault) <= _FAULT_MAX else f"{text}..."


def listed(names: Iterable[Any]) -> str:
    """Return names for a list in an error: words as they are, anything else quoted."""
    return ", ".join(
        name if isinstance(name, str) and re.fullmatch(r"[\w./@+ -]{1,60}", name) else shown(name) for name in names
    )


def similar(word: Any, known: Iterable[str]) -> str:
    """Return '; did you mean X?' for the most similar known word, or '' if none is similar."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def nearest(word: Any, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown word: the most similar known one, or all of them."""
    known = list(known)
    return similar(word, known) or f"; known are {', '.join(sorted(known))}"
