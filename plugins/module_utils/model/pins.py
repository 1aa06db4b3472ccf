# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pinned requirements: one package of a lock file, and their format for an installer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .texts import Unreadable

# The default index of installers, as lock files write it.
DEFAULT_INDEX = re.compile(r"https://(www\.)?pypi\.(python\.)?org/simple/?")
TRUE, FALSE = "python_version >= '0'", "python_version < '0'"


@dataclass(frozen=True)
class Pin:
    """One package of a lock. `requirement` is NAME==VERSION or NAME @ URL, `index` its index, '' for the default one.

    `local` tells whether the code is in the source, so that it may change without a new version.
    """

    name: str
    requirement: str
    marker: str = ""
    hashes: tuple[str, ...] = ()
    index: str = ""
    local: bool = False

    @property
    def line(self) -> str:
        """Return the requirement with its marker."""
        if not self.marker:
            return self.requirement
        return f"{self.requirement} ; {self.marker}"

    @property
    def text(self) -> str:
        """Return the requirement with its marker and its hashes, as in a requirements file."""
        return " \\\n    ".join([self.line, *(f"--hash={digest}" for digest in self.hashes)]) + "\n"


@dataclass(frozen=True)
class Batch:
    """The requirements of one call of an installer: of one index, and all of them with hashes, or none."""

    index: str
    text: str


def batches(pins: Iterable[Pin]) -> list[Batch]:
    """Group pins that can be installed together: pip requires hashes of all requirements or of none."""
    found: dict[tuple[str, bool], list[str]] = {}
    for pin in sorted(pins, key=lambda pin: (pin.name, pin.line)):
        found.setdefault((pin.index, bool(pin.hashes)), []).append(pin.text)
    return [Batch(index, "".join(texts)) for (index, _hashed), texts in sorted(found.items())]


def canonical(name: str) -> str:
    """Return the name of a package normalized as in PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def index_url(url: str) -> str:
    """Return the index if it must be named, '' for the default one."""
    return "" if DEFAULT_INDEX.fullmatch(url) else url


def git_url(url: str, commit: str, folder: str = "") -> str:
    """Return the URL of a commit in a repository in the format of installers."""
    match = re.fullmatch(r"([\w.-]+@[\w.-]+):(?!//)(.+)", url)  # in the format of scp
    address = f"ssh://{match[1]}/{match[2]}" if match else url
    prefix = "" if address.startswith("git+") else "git+"
    return f"{prefix}{address}" + (f"@{commit}" if commit else "") + (f"#subdirectory={folder}" if folder else "")


def local_url(root: str, name: str, path: str, package: str) -> str:
    """Return the file URL of code at `path`, relative to the lock file `name`. Raises `Unreadable`."""
    top = os.path.realpath(root)
    try:
        there = os.path.realpath(os.path.join(top, os.path.dirname(name), path))
    except ValueError:  # a NUL, or half of a surrogate pair
        raise Unreadable(name, f"{package} has the path {path!r}, which is invalid") from None
    if f"{there}/".startswith(f"{top}/") and os.path.exists(there):
        return f"file://{there}"
    raise Unreadable(name, f"{package} has the path {path!r}, which is not in the source; add it to the repository")


def settled(marker: str, variables: Mapping[str, Iterable[str]]) -> str | None:
    """Return a marker with extras and groups resolved; '' for always, None for never.

    `variables` maps extra, extras and dependency_groups to the selected ones.
    """
    for variable, wanted in variables.items():
        truth = {canonical(name) for name in wanted}

        def settle(match: re.Match[str], truth: set[str] = truth) -> str:
            return TRUE if (canonical(match["name"]) in truth) != ("!" in match[0] or "not in" in match[0]) else FALSE

        quoted = r"(['\"])(?P<name>[^'\"]+)\1"
        marker = re.sub(rf"\b{variable}\s*[!=]=\s*{quoted}", settle, marker)
        marker = re.sub(rf"{quoted}\s*[!=]=\s*{variable}\b", settle, marker)
        marker = re.sub(rf"{quoted}\s+(?:not\s+)?in\s+{variable}\b", settle, marker)
    return {TRUE: "", f"({TRUE})": "", FALSE: None, f"({FALSE})": None}.get(marker.strip(), marker.strip())


def either(markers: Iterable[str]) -> str:
    """Return the marker that is true if one of these is; '' is always true."""
    all_of_them = list(dict.fromkeys(markers))
    if "" in all_of_them or not all_of_them:
        return ""
    return all_of_them[0] if len(all_of_them) == 1 else " or ".join(f"({marker})" for marker in all_of_them)


def exported(
    text: str, registries: Mapping[tuple[str, str], str], places: Mapping[str, str], root: str, name: str
) -> list[Pin]:
    """Return the pins in the output of `uv export`.

    `registries` are (package, version) -> index, `places` path -> package for code in the source.
    """
    pins = []
    for line in logical_lines(text):
        words, *digests = re.split(r"\s--hash=", line)
        requirement, _semicolon, marker = (part.strip() for part in words.partition(" ; "))
        match = re.match(r"([A-Za-z0-9][\w.-]*)(\[[^]]*\])?\s*(?:==\s*(\S+)|@\s*(\S+))", requirement)
        if not match:  # a folder of the source, possibly editable
            path = re.sub(r"^(-e|--editable)\s+", "", requirement)
            path = path[len("file://") :] if path.startswith("file://") else path
            url = local_url(root, name, path, os.path.basename(os.path.normpath(path)))
            known = {
                os.path.realpath(os.path.join(root, os.path.dirname(name), place)): places[place] for place in places
            }
            package = known.get(url[len("file://") :], canonical(os.path.basename(url)))
            pins.append(Pin(package, f"{package} @ {url}", marker, local=True))
            continue
        package, version, url = canonical(match[1]), match[3] or "", match[4] or ""
        local = bool(url) and not re.match(r"(git\+|https?:)", url)
        if local:
            url = local_url(root, name, url[len("file://") :] if url.startswith("file://") else url, package)
            requirement = f"{match[1]}{match[2] or ''} @ {url}"
        index = index_url(registries.get((package, version), "")) if version else ""
        local = local or bool(index and "://" not in index)  # wheels in the source, for which uv records no hash
        pins.append(Pin(package, requirement, marker, tuple(digest.strip() for digest in digests), index, local))
    return pins


def logical_lines(text: str) -> list[str]:
    """Return the lines of a requirements file without comments; continued lines are joined."""
    joined = " ".join(part.strip() for part in re.split(r"\\\r?\n", text))
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def without(pins: Iterable[Pin], names: Iterable[str]) -> list[Pin]:
    """Return the pins of all other packages."""
    left_out = set(names)
    return [replace(pin) for pin in pins if pin.name not in left_out]
