# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dependencies of a site in the files of its source, read in the same way on the controller and on a host."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import manifests
from .dependency_files import LOCKS, find, others
from .locks import locked, places, registries
from .pins import Pin, canonical, exported
from .python_versions import DJANGO_PYTHONS
from .texts import Unreadable, table, toml, understood
from .types import Site


@dataclass
class Wanted:
    """What is to be installed.

    `names` are requirements, `listed` files that the installer reads itself, `pins` those of a lock. `uv_lock` is a
    lock that only uv reads; its pins are what uv exports. `files` are all files that were read, `opaque` those of
    `listed` whose requirements only an installer can read. Paths are relative to the source.
    """

    names: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    uv_lock: str = ""
    files: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)


def dependency_names(site: Site, root: str) -> list[str]:
    """Return the dependency files of a site, relative to its source `root`. Raises `Unreadable`."""
    if site["requirements"] is not None:
        return list(site["requirements"])
    found = find(root, site["manage"])
    return [found] if found else []


def wanted(site: Site, root: str) -> Wanted:
    """Return the contents of a site's dependency files. Raises `Unreadable`, which names the file."""
    extras, groups = site["extras"], site["groups"]
    result = Wanted(files=dependency_names(site, root))
    for name in result.files:
        kind = os.path.basename(name)
        if not os.path.isfile(os.path.join(root, name)):
            raise Unreadable(name, "the source has no such file")
        if kind == "uv.lock":
            result.uv_lock = name
        elif kind in LOCKS:
            result.pins += locked(root, name, extras, groups)
        elif kind == "Pipfile":
            result.names += manifests.pipfile(root, name, groups)
        elif manifests.is_poetrys(root, name):
            result.names += manifests.poetry(root, name, extras, groups)
        else:
            result.listed.append(name)
            if manifests.is_dynamic(root, name) if kind == "pyproject.toml" else not name.endswith(".txt"):
                result.opaque.append(name)
    if (extras or groups) and result.files and all(name.endswith(".txt") for name in result.files):
        key = "extras" if extras else "groups"
        raise Unreadable(
            result.files[0], f"{key} is {(extras or groups)[0]!r}; a requirements file has none; remove it"
        )
    return result


def read_lines(site: Site, root: str) -> Iterator[str]:
    """Yield all requirements in the files of a site that can be read without running anything."""
    found = wanted(site, root)
    yield from found.names
    pinned = [pin.line for pin in found.pins] + (locked_by_uv(root, found.uv_lock) if found.uv_lock else [])
    # A lock for several Pythons may pin several versions of Django; the host's Python decides which one applies.
    if len({line for line in pinned if names_django([line])}) < 2:
        yield from pinned
    for name in found.listed:
        if name.endswith("pyproject.toml"):
            yield from manifests.project(root, name, site["extras"], site["groups"])
        elif not name.endswith((".toml", ".py", ".cfg", ".lock")):
            yield from manifests.requirement_lines(root, name)


@understood
def locked_by_uv(root: str, name: str) -> list[str]:
    """Return NAME==VERSION of the packages in a uv.lock, of all groups."""
    packages = [package for package in toml(root, name).get("package", []) if isinstance(package, dict)]
    return [f"{package.get('name')}=={package['version']}" for package in packages if "version" in package]


def names_django(lines: list[str]) -> bool:
    """Return whether one of the requirements is Django itself."""
    return any(re.match(r"django\s*(\[[^]]*\]\s*)?($|[=<>!~@;(,])", line.strip(), re.IGNORECASE) for line in lines)


def may_bring_django(found: Wanted, lines: list[str]) -> bool:
    """Return whether the requirements, all that are known, may name Django; `found` are the files that they are from.

    A package that depends on Django does not determine the version that the project was written for. It is accepted in
    what the inventory names alone, and in what only an installer can read: setup.py, dynamic dependencies, a
    repository, a directory.
    """
    if names_django(lines) or not found.files:
        return bool(lines)
    return bool(found.opaque) or any(re.match(r"-e|--editable|-r|[./]|\S+://|git\+|.*\s@\s", line) for line in lines)


def constraints(lines: list[str], root: str) -> list[str]:
    """Return the lines of the constraints files that the lines of requirements files name; URLs are left out."""
    named = [match[1] for line in lines if (match := re.fullmatch(r"(?:-c|--constraint) (?!\w+://)(\S+)", line))]
    own = [name for name in named if not os.path.normpath(name).startswith(("../", "/"))]
    there = [name for name in own if os.path.isfile(os.path.join(root, name))]
    return [line for name in there for line in manifests.requirement_lines(root, name)]


def newest_django(python: str) -> str:
    """Return the requirement of the newest Django that supports a Python such as 3.12, or any Python if it is ''."""
    numbers = tuple(int(part) for part in python.split(".")[:2]) if re.fullmatch(r"[0-9]+\.[0-9]+.*", python) else ()
    fitting = [minor for minor, (low, high) in DJANGO_PYTHONS.items() if not numbers or low <= numbers <= high]
    major, minor = max(fitting or DJANGO_PYTHONS)
    return f"Django>={major}.{minor},<{major}.{minor + 1}"


def no_django(files: list[str], root: str, python: str, given: bool = False) -> str:
    """Return the fault of a project that does not name Django, and the line to add.

    `given` tells whether the site names its dependency files itself.
    """
    add = f'packages: ["{newest_django(python)}"]'
    if files:
        others_that_do = "".join(f", or `{line}`, which does" for name in files for line in _optional(root, name))
        return f"{', '.join(files)} does not name Django; add it there, or `{add}`{others_that_do}"
    if given:
        return f"requirements is empty, and packages does not name Django; add `{add}`"
    there = [name for name in others(root) if os.path.isfile(os.path.join(root, name))][:3]
    found = f"; requirements can name {', '.join(there)}" if there else ""
    return f"the source has no dependency file, and packages does not name Django; add `{add}`{found}"


def _optional(root: str, name: str) -> list[str]:
    """Return the inventory lines that select extras and groups of a pyproject.toml with Django."""
    if os.path.basename(name) != "pyproject.toml":
        return []
    data = toml(root, name)
    kinds = {"extras": table(data, "project", "optional-dependencies"), "groups": table(data, "dependency-groups")}
    return [
        f"{key}: [{label}]"
        for key, optional in kinds.items()
        for label, lines in optional.items()
        if isinstance(lines, list) and names_django([line for line in lines if isinstance(line, str)])
    ]


def of_uv_export(text: str, root: str, name: str) -> list[Pin]:
    """Return the pins in the output of `uv export` of a lock, each with the index that the lock has for it."""
    return exported(text, registries(root, name), places(root, name), root, name)


def competing(lines: list[str], install: str) -> list[str]:
    """Return which of uwsgi and pyuwsgi some requirements name in addition to the site's own `install`."""
    named = {canonical(match[0]) for line in lines if (match := re.match(r"[A-Za-z0-9][\w.-]*", line.strip()))}
    return sorted(({"uwsgi", "pyuwsgi"} - {install}) & named)
