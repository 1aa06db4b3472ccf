#!/usr/bin/env python3
"""Check that everything is ready for the release of a tag, and print its notes: release.py v0.2.0.

galaxy.yml, changelogs/changelog.yaml and CHANGELOG.md must contain the version of the tag, and no fragment may be left
over: `antsibull-changelog release` does this. The notes are the section of the version in CHANGELOG.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.compile(r"v(\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+)?)")


def main(words: list[str], root: Path = ROOT) -> int:
    if len(words) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    faults = list(missing(words[0], root))
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(notes(words[0][1:], (root / "CHANGELOG.md").read_text(encoding="utf-8")))
    return 1 if faults else 0


def missing(tag: str, root: Path) -> list[str]:
    """Return the reasons why a tag cannot be released."""
    match = VERSION.fullmatch(tag)
    if not match:
        return [f"the tag is {tag!r}; expected v and a version, for example v0.2.0"]
    version, faults = match[1], []
    named = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    if named != version:
        faults.append(f"galaxy.yml has version {named}, but the tag is {tag}")
    known = yaml.safe_load((root / "changelogs/changelog.yaml").read_text(encoding="utf-8"))["releases"]
    how = f"antsibull-changelog release --version {version}"
    if version not in known:
        faults.append(f"changelogs/changelog.yaml has no release {version}; run {how}")
    elif not notes(version, (root / "CHANGELOG.md").read_text(encoding="utf-8")):
        faults.append(f"CHANGELOG.md has no notes for {version}; run antsibull-changelog generate")
    left = sorted(path.name for path in (root / "changelogs/fragments").glob("*.y*ml"))
    if left:
        faults.append(f"changelogs/fragments still has {', '.join(left)}; run {how}")
    return faults


def notes(version: str, changelog: str) -> str:
    """Return the section of a version in CHANGELOG.md, '' if there is none."""
    escaped = version.replace(".", r"\.").replace("-", r"\-")
    _before, _heading, after = changelog.partition(f"\n## v{escaped}\n")
    return re.split(r'\n(?:<a id="[^"]*"></a>\n)?## ', after)[0].strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
