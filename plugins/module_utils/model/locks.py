# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the pins of a lock file: of poetry.lock, pdm.lock, Pipfile.lock and pylock.toml.

Markers are kept; only extras and groups are resolved here. An entry that installers cannot handle is refused by name.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import nearest
from .old_poetry import old_pins, poetry_pin
from .pins import Pin, canonical, either, git_url, index_url, local_url, settled
from .texts import Unreadable, json_text, table, toml, understood


@understood
def locked(root: str, name: str, extras: Iterable[str], groups: Iterable[str]) -> list[Pin]:
    """Return the pins of the lock file `name` of the source `root` for these extras and groups. Raises `Unreadable`."""
    readers = {"poetry.lock": _poetry, "pdm.lock": _pdm, "Pipfile.lock": _pipenv, "pylock.toml": _pylock}
    return readers[os.path.basename(name)](root, name, list(extras), list(groups))


@understood
def registries(root: str, name: str) -> dict[tuple[str, str], str]:
    """Return the index of each package of a uv.lock: (package, version) -> URL."""
    return {
        (canonical(str(package.get("name"))), str(package.get("version"))): str(package["source"]["registry"])
        for package in _packages(toml(root, name), "package", name)
        if "registry" in table(package, "source")
    }


@understood
def places(root: str, name: str) -> dict[str, str]:
    """Return the packages of a uv.lock that are in the source: path -> package."""
    kinds = ("directory", "editable", "path")
    return {
        str(package["source"][kind]): canonical(str(package.get("name")))
        for package in _packages(toml(root, name), "package", name)
        for kind in kinds
        if kind in table(package, "source")
    }


# --- Poetry ---


def _poetry(root: str, name: str, extras: list[str], groups: list[str]) -> list[Pin]:
    data = toml(root, name)
    packages = _packages(data, "package", name)
    if packages and not any("groups" in package for package in packages):
        return old_pins(root, name, data, extras, groups)
    _known(name, "extras", extras, data.get("extras", {}))
    _known(name, "groups", groups, {group for package in packages for group in package.get("groups", [])})
    wanted = {"main", *groups}
    pins = []
    for package in packages:
        chosen = [group for group in package.get("groups", []) if group in wanted]
        if not chosen:
            continue
        given = package.get("markers", "")
        markers = [given] if isinstance(given, str) else [given.get(group, "") for group in chosen]
        found = [marker for text in markers if (marker := settled(text, {"extra": extras})) is not None]
        if found:
            pins.append(poetry_pin(root, name, package, either(found)))
    return pins


# --- PDM ---


def _pdm(root: str, name: str, extras: list[str], groups: list[str]) -> list[Pin]:
    data = toml(root, name)
    packages = _packages(data, "package", name)
    if packages and not any("groups" in package for package in packages):
        raise Unreadable(name, "it names no groups (the format of PDM before 2.9); create it again: pdm lock")
    known = {group for package in packages for group in package.get("groups", [])}
    known.update(table(data, "metadata").get("groups", []))
    _known(name, "extras and groups", [*extras, *groups], known)
    wanted = {"default", *extras, *groups}
    indexes = _pdm_sources(root, os.path.join(os.path.dirname(name), "pyproject.toml"))
    pins: dict[tuple[str, str], Pin] = {}
    for package in packages:
        if not wanted & set(package.get("groups", [])):
            continue
        label, version = str(package.get("name")), str(package.get("version", ""))
        key, marker = (canonical(label), version), str(package.get("marker", ""))
        chosen = f"[{','.join(package['extras'])}]" if package.get("extras") else ""
        if "git" in package:
            revision = str(package.get("revision") or package.get("ref") or "")
            address = git_url(package["git"], revision, package.get("subdirectory", ""))
            pin = Pin(key[0], f"{label}{chosen} @ {address}", marker)
        elif "path" in package:
            pin = Pin(key[0], f"{label}{chosen} @ {local_url(root, name, package['path'], label)}", marker, local=True)
        elif "url" in package:
            pin = Pin(key[0], f"{label}{chosen} @ {package['url']}", marker)
        else:
            hashes = tuple(sorted({str(file["hash"]) for file in package.get("files", []) if "hash" in file}))
            index = next((url for pattern, url in indexes if fnmatch.fnmatchcase(key[0], pattern)), "")
            pin = Pin(key[0], f"{label}{chosen}=={version}", marker, hashes, index_url(index) if index else "")
        if not (key in pins and not chosen):  # the same package is repeated for its extras
            pins[key] = pin
    return list(pins.values())


def _pdm_sources(root: str, name: str) -> list[tuple[str, str]]:
    """Return (pattern of package names, index) of the sources in a PDM project."""
    if not os.path.isfile(os.path.join(root, name)):
        return []
    found, others = [], []
    for source in table(toml(root, name), "tool", "pdm").get("source", []):
        label, url = source.get("name"), str(source.get("url", ""))
        if source.get("include_packages"):
            found += [(canonical(pattern).replace("-*", "*"), url) for pattern in source["include_packages"]]
        elif label == "pypi":
            others.append(("*", url))
        else:
            raise Unreadable(
                name,
                (
                    f"tool.pdm.source {label!r} has no include_packages, so it is unknown which packages come "
                    "from it; add them"
                ),
            )
    return [*found, *others]


# --- pipenv ---


def _pipenv(root: str, name: str, extras: list[str], groups: list[str]) -> list[Pin]:
    data = json_text(root, name)
    if extras:
        raise Unreadable(name, f"it has no extras; extras is {', '.join(extras)}; remove it or use groups")
    aliases = {"dev": "develop", "dev-packages": "develop"}
    wanted = ["default", *(aliases.get(group, group) for group in groups)]
    _known(name, "groups", wanted, {"default", *(key for key in data if key != "_meta")})
    sources = {source.get("name"): str(source.get("url", "")) for source in table(data, "_meta").get("sources", [])}
    first = next(iter(sources.values()), "")
    pins: dict[str, Pin] = {}
    for group in wanted:
        for label, package in table(data, group).items():
            index = sources.get(package.get("index"), first)
            pins.setdefault(canonical(label), _pipenv_pin(root, name, label, package, index))
    return list(pins.values())


def _pipenv_pin(root: str, name: str, label: str, package: Mapping[str, Any], index: str) -> Pin:
    marker, chosen = str(package.get("markers", "")), package.get("extras")
    with_extras = label + (f"[{','.join(chosen)}]" if chosen else "")
    if "git" in package:
        address = git_url(package["git"], str(package.get("ref", "")), str(package.get("subdirectory", "")))
        return Pin(canonical(label), f"{with_extras} @ {address}", marker)
    path = package.get("path") or package.get("file")
    if path and not str(path).startswith(("http:", "https:")):
        return Pin(canonical(label), f"{with_extras} @ {local_url(root, name, path, label)}", marker, local=True)
    if path:
        return Pin(canonical(label), f"{with_extras} @ {path}", marker)
    if "$" in index:
        raise Unreadable(name, f"{label} comes from an index whose URL has variables; write its URL without them")
    version = str(package.get("version", "*"))
    requirement = with_extras if version == "*" else with_extras + version
    hashes = tuple(sorted(map(str, package.get("hashes", []))))
    return Pin(canonical(label), requirement, marker, hashes, index_url(index) if index else "")


# --- pylock.toml (PEP 751) ---


def _pylock(root: str, name: str, extras: list[str], groups: list[str]) -> list[Pin]:
    data = toml(root, name)
    _known(name, "extras", extras, data.get("extras", []))
    _known(name, "groups", groups, data.get("dependency-groups", []))
    variables = {"extras": extras, "dependency_groups": [*data.get("default-groups", []), *groups]}
    pins = []
    for package in _packages(data, "packages", name):
        marker = settled(str(package.get("marker", "")), variables)
        if marker is not None:
            pins.append(_pylock_pin(root, name, package, marker))
    return pins


def _pylock_pin(root: str, name: str, package: Mapping[str, Any], marker: str) -> Pin:
    label = str(package.get("name"))
    vcs, directory, archive = (table(package, key) for key in ("vcs", "directory", "archive"))
    if vcs:
        if vcs.get("type") != "git" or "url" not in vcs:
            raise Unreadable(name, f"{label} comes from {vcs.get('type')!r}, not from the URL of a git repository")
        address = git_url(vcs["url"], str(vcs.get("commit-id", "")), str(vcs.get("subdirectory", "")))
        return Pin(canonical(label), f"{label} @ {address}", marker)
    if "url" in archive:
        return Pin(canonical(label), f"{label} @ {archive['url']}", marker, tuple(_hashes(archive)))
    path = directory.get("path") or archive.get("path")
    if path:
        return Pin(canonical(label), f"{label} @ {local_url(root, name, path, label)}", marker, local=True)
    distributions = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    if not distributions or "version" not in package:
        raise Unreadable(name, f"{label} has neither version and files nor a location; create the file again")
    hashes = tuple(sorted({digest for file in distributions for digest in _hashes(file)}))
    index = str(package.get("index", ""))
    return Pin(canonical(label), f"{label}=={package['version']}", marker, hashes, index_url(index) if index else "")


def _hashes(file: Mapping[str, Any]) -> list[str]:
    return [f"{kind}:{digest}" for kind, digest in table(file, "hashes").items() if kind == "sha256"]


# --- all of them ---


def _packages(data: Mapping[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    packages = data.get(key, [])
    if not isinstance(packages, list) or not all(isinstance(package, dict) for package in packages):
        raise Unreadable(name, f"{key} is not a list of tables; create the file again")
    return packages


def _known(name: str, key: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    there = {canonical(word) for word in known} | {"main", "default"}
    for word in wanted:
        if canonical(word) not in there:
            raise Unreadable(name, f"{key}: it has no {word!r}{nearest(word, there)}")
