# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the pins of a poetry.lock. Poetry 1 does not record why a package is in it, so this follows pyproject.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from .constraints import python_marker
from .pins import Pin, canonical, either, git_url, index_url, local_url
from .texts import Unreadable, table, toml

Edge = tuple[str, frozenset[str], str]


def old_pins(root: str, name: str, data: Mapping[str, Any], extras: list[str], groups: list[str]) -> list[Pin]:
    """Return the pins for the project beside the lock. Raises `Unreadable`."""
    packages: dict[str, dict[str, Any]] = {}
    for package in data.get("package", []):
        label = canonical(str(package.get("name")))
        if label in packages:
            raise Unreadable(
                name,
                (f"{label} is in it twice, and Poetry 1 does not record the conditions; create it again: poetry lock"),
            )
        packages[label] = package
    files = table(data, "metadata", "files")  # of Poetry before 1.3
    pins = []
    for label, markers in _reached(packages, _roots(root, name, extras, groups)).items():
        if label not in packages:
            raise Unreadable(name, f"it has no {label}, which pyproject.toml requires; create it again: poetry lock")
        package = packages[label]
        package = package if "files" in package else {**package, "files": files.get(str(package.get("name")), [])}
        pins.append(poetry_pin(root, name, package, markers))
    return pins


def poetry_pin(root: str, name: str, package: Mapping[str, Any], marker: str) -> Pin:
    """Return the pin of one package of a poetry.lock."""
    label, version = str(package.get("name")), str(package.get("version"))
    source = table(package, "source")
    kind, url = source.get("type", ""), str(source.get("url", ""))
    if kind == "git":
        commit = str(source.get("resolved_reference") or source.get("reference") or "")
        address = git_url(url, commit, str(source.get("subdirectory", "")))
        return Pin(canonical(label), f"{label} @ {address}", marker)
    if kind in ("directory", "file"):
        return Pin(canonical(label), f"{label} @ {local_url(root, name, url, label)}", marker, local=True)
    if kind == "url":
        return Pin(canonical(label), f"{label} @ {url}", marker)
    if kind not in ("", "legacy"):
        raise Unreadable(name, f"{label} has a source of type {kind!r}, which is not supported")
    hashes = tuple(sorted({str(file["hash"]) for file in package.get("files", []) if "hash" in file}))
    return Pin(canonical(label), f"{label}=={version}", marker, hashes, index_url(url) if url else "")


def _roots(root: str, name: str, extras: list[str], groups: list[str]) -> list[Edge]:
    """Return the dependencies of the project itself: (package, its extras, marker)."""
    manifest = os.path.join(os.path.dirname(name), "pyproject.toml")
    poetry = table(toml(root, manifest), "tool", "poetry")
    of_extras = {canonical(label) for extra in extras for label in table(poetry, "extras").get(extra, [])}
    edges = []
    for label, given in table(poetry, "dependencies").items():
        if label != "python":
            edges += _edges(label, given, of_extras)
    for group in groups:
        found = table(poetry, "group", group, "dependencies") or (
            table(poetry, "dev-dependencies") if group == "dev" else {}
        )
        if not found:
            raise Unreadable(manifest, f"groups: it has no {group!r}")
        for label, given in found.items():
            edges += _edges(label, given, set())
    return edges


def _edges(label: str, given: Any, optional: set[str]) -> list[Edge]:
    """Return the requirements of one dependency; optional ones only if they are selected."""
    edges = []
    for one in given if isinstance(given, list) else [given]:
        details = one if isinstance(one, dict) else {}
        if details.get("optional") and canonical(label) not in optional:
            continue
        markers = [str(details["markers"])] if details.get("markers") else []
        if details.get("python"):
            markers.append(python_marker(str(details["python"])))
        marker = " and ".join(f"({one})" for one in markers) if len(markers) > 1 else "".join(markers)
        edges.append((canonical(label), frozenset(details.get("extras", [])), marker))
    return edges


def _reached(packages: Mapping[str, Mapping[str, Any]], roots: list[Edge]) -> dict[str, str]:
    """Return the packages that are required, each with the marker of its requirements."""
    ways: dict[str, set[frozenset[str]]] = {}
    seen: set[tuple[str, frozenset[str], frozenset[str]]] = set()
    waiting = [(edge, frozenset[str]()) for edge in roots]
    while waiting:
        (label, extras, marker), before = waiting.pop()
        conditions = before | {marker} if marker else before
        if (label, extras, conditions) in seen:
            continue
        seen.add((label, extras, conditions))
        ways.setdefault(label, set()).add(conditions)
        package = packages.get(label, {})
        named = table(package, "extras")
        texts = [text for extra in extras for text in named.get(extra, [])]
        optional = {canonical(re.split(r"[ \[(;<>=!~]", text)[0]) for text in texts}
        for dependency, given in table(package, "dependencies").items():
            waiting += [(edge, conditions) for edge in _edges(dependency, given, optional)]
    return {label: _marker(found) for label, found in ways.items()}


def _marker(ways: set[frozenset[str]]) -> str:
    """Return the marker for all requirements of a package, without those that another one covers."""
    shortest = [way for way in ways if not any(other < way for other in ways)]
    return either(sorted(" and ".join(f"({one})" for one in sorted(way)) for way in shortest))
