# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a table of keys is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .checks import Check


@dataclass(frozen=True)
class Key:
    """One key of a mapping: what its value may be, what it is when left out, and what it decides.

    A value is one that `check` accepts, or a mapping that has the keys of the table `keys`, or one that has those of
    exactly one of the tables `kinds` (or one of the `words`, each of which is a kind without keys), or a mapping of
    names, which `check` accepts, to mappings that have the keys of the table `each`. A section of `keys` of which some
    are `required` is empty when it is left out.
    Of a `secret` key no message, file or report shows the value; one with `credentials` is shown without them.
    `stored` is its name in `Secrets`, where its own name is another key's there. No error quotes the value of a `quiet`
    one: it is no secret, but somebody may have put one into it.
    `example` is a value as YAML, for the error about a site that lacks the key.
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
        """What an error or a page says that the key's value has to be."""
        if self.kinds is not None:
            words = "".join(f"{word}, " for word in self.words)
            return f"{words and words[:-2] + ', or '}a mapping with one of {', '.join(self.kinds)}"
        if self.keys is not None:
            return f"a mapping of {', '.join(self.keys)}"
        if self.each is not None:
            return f"a mapping of names to mappings of {', '.join(self.each)}"
        return self.check.wants if self.check else ""


Keys = dict[str, Key]
