# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Parse uWSGI's option files: ini, XML, YAML and JSON, as uWSGI's own parsers do. Pure functions.

uWSGI parses YAML line by line if it was built without libyaml; common files have one level of names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

# Suffixes of files that uWSGI accepts as an option's value: the parser's name.
KINDS = {"ini": "ini", "xml": "xml", "yaml": "yaml", "yml": "yaml", "json": "json", "js": "json", "skel": "ini"}


def options_in(text: str, kind: str, section: str) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of a section of a file; nothing if the file cannot be parsed as its type."""
    reader: Callable[[str, str], Iterator[tuple[str, str]]] = {"xml": _xml, "yaml": _yaml, "json": _json}.get(
        kind, _ini
    )
    yield from reader(text, section or "uwsgi")


def _ini(text: str, wanted: str) -> Iterator[tuple[str, str]]:
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] in ";#":
            continue
        header = re.fullmatch(r"\[([^\]]*)\]", line)
        if header:
            section = header[1]
        elif section == wanted:
            name, _equals, value = line.partition("=")
            yield name.strip(), value.strip() or "true"


def _xml(text: str, wanted: str) -> Iterator[tuple[str, str]]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # no entity is needed here, and one may expand endlessly
        return
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - it has no entities, see above
    except (ElementTree.ParseError, ValueError):
        return
    found = [root] if root.tag == "uwsgi" else root.findall("uwsgi")
    for element in found:
        if wanted in ("uwsgi", element.get("id")):
            for child in element:
                yield child.tag, (child.text or "").strip() or "true"


def _yaml(text: str, wanted: str) -> Iterator[tuple[str, str]]:
    section = name = ""
    for line in text.splitlines():
        words = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if not words.strip():
            continue
        if not words[0].isspace() and words.lstrip()[0] != "-":
            section = words.partition(":")[0]
            continue
        if section != wanted:
            continue
        item = re.match(r"\s*-\s+(.*)$", words)
        if item:
            yield name, _unquoted(item[1])
            continue
        name, _colon, value = (part.strip() for part in words.partition(":"))
        if value:
            yield name, _unquoted(value)


def _json(text: str, wanted: str) -> Iterator[tuple[str, str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    section = found.get(wanted) if isinstance(found, dict) else None
    for name, given in section.items() if isinstance(section, dict) else ():
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, bool):
                yield name, "true" if value else "false"
            elif isinstance(value, (str, int, float)):
                yield name, str(value)


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
