# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The zones of firewalld as its files have them: what is open after a reload, whether it runs or not."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection
from xml.etree import ElementTree

from .files import read_or_empty

# An administrator's own files win over the package's (firewalld.zone(5)).
OWN, PACKAGED = "/etc/firewalld/zones", "/usr/lib/firewalld/zones"


def zones(own: str = OWN, packaged: str = PACKAGED) -> dict[str, dict[str, list[str]]]:
    """Return the services and ports that every zone opens, zone to {services, ports}; ports as in 8080/tcp."""
    found = {}
    for folder in (packaged, own):
        for path in sorted(glob.glob(f"{folder}/*.xml")):
            found[os.path.basename(path)[: -len(".xml")]] = opened(read_or_empty(path))
    return found


def bound(own: str = OWN, packaged: str = PACKAGED) -> dict[str, list[str]]:
    """Return the zones that interfaces or sources were put into, zone to these; not zones that turn sources away.

    What comes in there does not go through the default zone (firewalld.zones(5)).
    """
    found = {}
    texts = {os.path.basename(path): path for folder in (packaged, own) for path in glob.glob(f"{folder}/*.xml")}
    for name, path in sorted(texts.items()):
        root = _parsed(read_or_empty(path))
        if root is None:
            continue
        there = [element.get("name", "") for element in root.findall("interface")]
        if root.get("target") not in ("DROP", "%%REJECT%%"):
            there += [next(iter(element.attrib.values()), "") for element in root.findall("source")]
        if there:
            found[name[: -len(".xml")]] = there
    return found


def opened(text: str) -> dict[str, list[str]]:
    """Return the services and ports that the text of a zone's file opens; none where it is no XML."""
    root = _parsed(text)
    if root is None:
        return {"services": [], "ports": []}
    services = [element.get("name", "") for element in root.findall("service")]
    ports = [f"{element.get('port', '')}/{element.get('protocol', '')}" for element in root.findall("port")]
    return {"services": sorted(services), "ports": sorted(ports)}


def same(one: str, other: str, without: Collection[tuple[str, str]] = ()) -> bool:
    """Return whether two texts of a zone's file mean the same: firewalld writes them anew in its own order.

    `without` are services and ports, (kind, name), that do not count in the first.
    """
    first, second = _parsed(one), _parsed(other)
    if first is None or second is None:
        return False
    for element in list(first):
        port = f"{element.get('port', '')}/{element.get('protocol', '')}"
        if (element.tag, element.get("name", port)) in without:
            first.remove(element)
    return _meaning(first) == _meaning(second)


def _parsed(text: str) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - root's own file, and it has no document type
    except ElementTree.ParseError:
        return None


def _meaning(element: ElementTree.Element) -> tuple[str, ...]:
    """Return an element as something that can be compared: neither blanks nor the order of its children count."""
    children = sorted(repr(_meaning(child)) for child in element)
    return (element.tag, repr(sorted(element.attrib.items())), (element.text or "").strip(), *children)
