# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a project's dependencies without a lock: pyproject.toml (PEP 621, Poetry), Pipfile, requirements files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .constraints import python_marker, specifier
from .errors import nearest
from .pins import canonical, git_url, local_url, logical_lines
from .texts import Unreadable, table, text_of, toml, understood


def is_poetrys(root: str, name: str) -> bool:
    """Return whether a pyproject.toml has its dependencies only in Poetry's own table, which installers do not read."""
    if os.path.basename(name) != "pyproject.toml":
        return False
    data = toml(root, name)
    return bool(table(data, "tool", "poetry").get("dependencies")) and not table(data, "project").get("dependencies")


def is_dynamic(root: str, name: str) -> bool:
    """Return whether the dependencies of a pyproject.toml are dynamic, computed by the build tool."""
    dynamic = table(toml(root, name), "project").get("dynamic")
    return isinstance(dynamic, list) and "dependencies" in dynamic


@understood
def project(root: str, name: str, extras: Iterable[str] = (), groups: Iterable[str] = ()) -> list[str]:
    """Return the requirements in the table [project] of a pyproject.toml, with extras and dependency groups."""
    data = toml(root, name)
    lines = _texts(table(data, "project").get("dependencies", []), name, "project.dependencies")
    optional = table(data, "project", "optional-dependencies")
    for extra in extras:
        known = {canonical(label): label for label in optional}
        if canonical(extra) not in known:
            raise Unreadable(name, f"extras: it has no {extra!r}{nearest(extra, optional)}")
        lines += _texts(optional[known[canonical(extra)]], name, f"project.optional-dependencies.{extra}")
    for group in groups:
        lines += _group(name, table(data, "dependency-groups"), group, ())
    return lines


def _group(name: str, groups: Mapping[str, Any], wanted: str, above: tuple[str, ...]) -> list[str]:
    """Return the requirements of a dependency group (PEP 735), with those of the groups that it includes."""
    known = {canonical(label): label for label in groups}
    if canonical(wanted) not in known or wanted in above:
        raise Unreadable(name, f"groups: it has no {wanted!r}{nearest(wanted, groups)}")
    lines = []
    for item in groups[known[canonical(wanted)]]:
        if isinstance(item, dict):
            lines += _group(name, groups, str(item.get("include-group")), (*above, wanted))
        else:
            lines.append(str(item))
    return lines


@understood
def poetry(root: str, name: str, extras: Iterable[str] = (), groups: Iterable[str] = ()) -> list[str]:
    """Return the requirements in the tables of Poetry. Raises `Unreadable`."""
    data = table(toml(root, name), "tool", "poetry")
    wanted = dict(table(data, "dependencies"))
    of_extras = {canonical(label) for extra in extras for label in _of_extra(name, data, extra)}
    for group in groups:
        found = table(data, "group", group, "dependencies") or (
            table(data, "dev-dependencies") if group == "dev" else {}
        )
        if not found:
            raise Unreadable(name, f"groups: it has no {group!r}{nearest(group, table(data, 'group'))}")
        wanted.update(found)
    lines = []
    for label, given in wanted.items():
        if label == "python":
            continue
        for one in given if isinstance(given, list) else [given]:
            details = one if isinstance(one, dict) else {"version": one}
            if not details.get("optional") or canonical(label) in of_extras:
                lines.append(_line(root, name, label, details))
    return lines


def _of_extra(name: str, data: Mapping[str, Any], extra: str) -> list[str]:
    known = table(data, "extras")
    if extra not in known:
        raise Unreadable(name, f"extras: it has no {extra!r}{nearest(extra, known)}")
    return list(known[extra])


@understood
def pipfile(root: str, name: str, groups: Iterable[str] = ()) -> list[str]:
    """Return the requirements of a Pipfile. Raises `Unreadable`."""
    data = toml(root, name)
    sources = data.get("source", [])
    first = sources[0].get("name") if sources and isinstance(sources[0], dict) else None
    wanted = dict(table(data, "packages"))
    for group in groups:
        section = {"dev": "dev-packages", "develop": "dev-packages"}.get(group, group)
        if section not in data:
            raise Unreadable(name, f"groups: it has no {group!r}{nearest(group, data)}")
        wanted.update(table(data, section))
    lines = []
    for label, given in wanted.items():
        details = given if isinstance(given, dict) else {"version": given}
        if details.get("index") in (first, None):
            details = {key: value for key, value in details.items() if key != "index"}
        lines.append(_line(root, name, label, details))
    return lines


def _line(root: str, name: str, label: str, details: Mapping[str, Any]) -> str:
    """Convert one dependency of Poetry or pipenv to PEP 508."""
    place = details.get("source") or details.get("index")
    if place:
        raise Unreadable(
            name, f"{label} comes from the index {place!r}, which only a lock file can resolve; commit the lock file"
        )
    extras = f"[{','.join(details['extras'])}]" if details.get("extras") else ""
    try:
        asked = specifier(str(details.get("version", "*")))
        markers = [str(details["markers"])] if details.get("markers") else []
        if details.get("python"):
            markers.append(python_marker(str(details["python"])))
    except ValueError as error:
        raise Unreadable(name, f"{label}: {error}") from None
    markers += [f"{key} {details[key]}" for key in ("sys_platform", "platform_system", "os_name") if details.get(key)]
    if details.get("git"):
        reference = next((str(details[key]) for key in ("rev", "ref", "tag", "branch") if details.get(key)), "")
        asked = f" @ {git_url(details['git'], reference, str(details.get('subdirectory', '')))}"
    elif details.get("url") or str(details.get("file", "")).startswith("http"):
        asked = f" @ {details.get('url') or details['file']}"
    elif details.get("path") or details.get("file"):
        asked = f" @ {local_url(root, name, details.get('path') or details['file'], label)}"
    marker = " and ".join(f"({one})" for one in markers) if len(markers) > 1 else "".join(markers)
    return f"{label}{extras}{asked}" + (f" ; {marker}" if marker else "")


def requirement_lines(root: str, name: str, above: tuple[str, ...] = ()) -> list[str]:
    """Return the lines of a requirements file; each -r is replaced by the lines of its file.

    Paths of constraints files are made relative to the source; other options are kept. Raises `Unreadable` for a file
    that does not exist.
    """
    lines = []
    for line in logical_lines(text_of(root, name)):
        match = re.fullmatch(r"(?:-r|--requirement|(-c|--constraint))[\s=]*(\S+)", line)
        if not match or re.match(r"\w+://", match[2]):
            lines.append(line)
            continue
        inner = os.path.normpath(os.path.join(os.path.dirname(name), match[2]))
        if match[1]:
            lines.append(f"{match[1]} {inner}")
            continue
        if inner.startswith(("../", "/")):
            raise Unreadable(name, f"names {match[2]} with -r, which is outside the source; move it into the source")
        if inner in (*above, name):
            continue
        if not os.path.isfile(os.path.join(root, inner)):
            raise Unreadable(name, f"names {match[2]} with -r; the source has no such file")
        lines += requirement_lines(root, inner, (*above, name))
    return lines


def _texts(given: Any, name: str, key: str) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Unreadable(name, f"{key} is not a list of requirements")
    return list(given)
