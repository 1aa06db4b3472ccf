# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show what a project or a host has printed: nothing of it commands a terminal, or passes for Ansible's own words."""

from __future__ import annotations

import unicodedata
from typing import Any

# Control and format characters (bidi overrides, zero-width ones), surrogates, separators of lines and paragraphs.
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# In front of every line of a text but its first one: Ansible's own words (`fatal:`, PLAY RECAP) begin a line.
INDENT = "  "
# So much of a text is looked at for what it may mean, in lines and in characters of each: what searches it takes the
# square of its length, and whoever wrote it may want that.
FIRST_LINES, LAST_LINES, LINE_MAX = 300, 2000, 1000


def visible(text: str) -> str:
    r"""Return the text with what nobody sees written as Python does: \x1b, \r, \u202e. Line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text.replace("\r\n", "\n"))


def in_measure(text: str) -> str:
    """Return the first and the last lines of a text, none of them endless: all of it where a program meant well."""
    lines = text.split("\n")
    if len(lines) > FIRST_LINES + LAST_LINES:
        lines = [*lines[:FIRST_LINES], *lines[-LAST_LINES:]]
    return "\n".join(line[:LINE_MAX] for line in lines)


def one_line(text: str) -> str:
    """Return the text as one visible line."""
    return " ".join(visible(line).strip() for line in text.splitlines() if line.strip())


def below(text: str) -> str:
    """Return the text visible, each of its lines indented, to stand below a line of our own."""
    return "\n".join(INDENT + line if line else line for line in visible(text).split("\n"))


def all_visible(value: Any) -> Any:
    """Return plain data with every text in it visible, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {all_visible(key): all_visible(inner) for key, inner in value.items()}
    return [all_visible(inner) for inner in value] if isinstance(value, list) else value


def _shown(character: str) -> str:
    if character in "\n\t" or character.isprintable() or unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()
