# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A wrong inventory: the one exception for it, and the words in which its messages quote what was found."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from .urls import without_tokens


class InventoryError(ValueError):
    """All faults of one subject of the inventory (web_sites, nginx, firewalld), one a line, and their number.

    Whoever raises it does not know what was done before: what was left alone, the task says that asked.
    """

    def __init__(self, subject: str, faults: list[str]) -> None:
        self.subject, self.faults = subject, faults
        count = [f"{subject} has {len(faults)} faults"] if len(faults) > 1 else []
        super().__init__("\n".join([*faults, *count]))


def shown(value: Any) -> str:
    """Return a value as an error quotes it: short, on one line, without the credentials of a URL."""
    if isinstance(value, Mapping):
        return "a mapping"  # its values may be secrets
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    if isinstance(value, list):
        text = f"[{', '.join(shown(item) for item in value)}]"
    text = without_tokens(text)
    return text if len(text) <= 60 else text[:57] + "..."


def similar(word: Any, known: Iterable[str]) -> str:
    """Return '; did you mean X?' for the known word that is nearest, or '' when none is near."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def nearest(word: Any, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown word: the nearest known one, or all of them."""
    known = list(known)
    return similar(word, known) or f"; known are {', '.join(sorted(known))}"
