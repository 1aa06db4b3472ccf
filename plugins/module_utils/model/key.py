# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows of the tables of keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .checks import Check


@dataclass(frozen=True)
class Key:
    """One key of a mapping: its accepted values, its default, and its description.

    A value is one that `check` accepts, or a mapping with the keys of the table `keys`, or one with the keys of exactly
    one of the tables `kinds` (or one of the `words`, each of which is a kind without keys), or a mapping of names,
    which `check` accepts, to mappings with the keys of the table `each`. The default of a section of `keys` with
    `required` keys is empty.

    The value of a `secret` key is not shown in any message, file or report; one with `credentials` is shown without
    them. `stored` is its name in `Secrets`, if another key has its own name there. No error quotes the value of a
    `quiet` key: it is not secret, but may contain a secret by mistake. `example` is a value as YAML, for the error
    about a site that lacks the key.
    """

    check: Check | None = None
    default: Any = None
    doc: str = ""
    keys: Keys | None = None
    kinds: Mapping[str, Keys] | None = None
    words: tuple[str, ...] = ()
    each: Keys | None = None
    required: bool = False
    example: str = ""
    secret: bool = False
    credentials: bool = False
    stored: str = ""
    quiet: bool = False

    @property
    def wants(self) -> str:
        """Return the description of the key's value in errors and in the documentation."""
        if self.kinds is not None:
            words = "".join(f"{word}, " for word in self.words)
            return f"{words and words[:-2] + ', or '}a mapping with one of {', '.join(self.kinds)}"
        if self.keys is not None:
            return f"a mapping of {', '.join(self.keys)}"
        if self.each is not None:
            return f"a mapping of names to mappings of {', '.join(self.each)}"
        return self.check.wants if self.check else ""


Keys = dict[str, Key]
