#!/usr/bin/env python3
"""Update plugins/module_utils/build/pinned.py: the newest versions of what is downloaded by default, and their hashes.

    make pins                      the newest release of each
    make pins ARGS="uv=0.9.9"      this version of uv, and the newest of the others

Reads the JSON of the simple API (PEP 691) of PIP_INDEX_URL, by default of pip's own index. Withdrawn (yanked) releases
and pre-releases are ignored. Review the difference before you commit it: the hashes are those of the index today.
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

# pip's default index; pip has no public name for it.
from pip._internal.models.index import PyPI

TARGET = Path(__file__).resolve().parents[2] / "plugins/module_utils/build/pinned.py"
# What a site can use without a version.
NAMES = ("pyuwsgi", "uv", "uwsgi")
ACCEPT = "application/vnd.pypi.simple.v1+json"
HEAD = '''\
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions to download if the inventory names none, and the sha256 of each file.

Written by `make pins` (tests/tools/pins.py), which reads the package index; do not edit it.
"""

from __future__ import annotations

# Name -> (version, sha256 of its wheels for Linux and of its source distribution).
PINNED: dict[str, tuple[str, list[str]]] = {
'''


def text(pinned: Mapping[str, tuple[str, Iterable[str]]]) -> str:
    """Return the text of the file."""
    entries = []
    for name, (version, hashes) in sorted(pinned.items()):
        lines = "".join(f'            "{digest}",\n' for digest in sorted(hashes))
        entries.append(f'    "{name}": (\n        "{version}",\n        [\n{lines}        ],\n    ),\n')
    return HEAD + "".join(entries) + "}\n"


def choose(page: Mapping[str, Any], wanted: str = "") -> tuple[str, list[str]]:
    """Return a version, by default the newest, and the hashes of its files for Linux.

    `page` is the index's answer for one project. Raises ValueError if it lacks the version, or a hash.
    """
    found: dict[Version, list[str]] = {}
    for file in page["files"]:
        version = _version(file["filename"])
        if version is None or file.get("yanked") or (version.is_prerelease and not wanted):
            continue
        if "sha256" not in file["hashes"]:
            raise ValueError(f"the index has no sha256 of {file['filename']}")
        found.setdefault(version, []).append(file["hashes"]["sha256"])
    version = Version(wanted) if wanted else max(found, default=Version("0"))
    if version not in found:
        raise ValueError(f"the index has no {page['name']} {version}")
    return str(version), found[version]


def _version(filename: str) -> Version | None:
    """Return the version of a file; None for files that no Linux host downloads."""
    try:
        if filename.endswith(".whl"):
            if not re.search(r"-(any|[\w.]*linux[\w.]*)\.whl$", filename):
                return None
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def ask(name: str) -> dict[str, Any]:
    """Return the index's answer for a project."""
    index = os.environ.get("PIP_INDEX_URL", PyPI.simple_url).rstrip("/")
    request = urllib.request.Request(f"{index}/{name}/", headers={"Accept": ACCEPT})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def main(words: list[str]) -> int:
    wanted = dict(word.partition("=")[::2] for word in words)
    if unknown := sorted(set(wanted) - set(NAMES)):
        print(f"{', '.join(unknown)}: known are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    pinned = {name: choose(ask(name), wanted.get(name, "")) for name in NAMES}
    TARGET.write_text(text(pinned), encoding="utf-8")
    print("\n".join(f"{name} {version}: {len(hashes)} files" for name, (version, hashes) in pinned.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
