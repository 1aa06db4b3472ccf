#!/usr/bin/env python3
"""What the tests know about each platform, from tests/platforms.json: platforms.py [names|full|images].

    names    the platforms
    full     those that are asked everything
    images   for tests/images/build.sh, one platform a line: name, base, codename, stream, userland (- for none)

Needs only python3. `python` is the system's own, `newest_python` the newest that the distribution offers. `image` says
what the test image is made from: `base` in a registry; where no registry answers, the packages of `codename` (Debian),
or a stand-in for `stream` (CentOS) on the image of another platform, its `userland`. That is the one whose dnf,
systemd and nginx are nearest. `full`: the platform is asked everything by `make test`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "platforms.json"
IMAGE_FIELDS = ("base", "codename", "stream", "userland")


@dataclass(frozen=True)
class Platform:
    """One platform. `os_family`, `distribution`, `major` and `pkg_mgr` are what Ansible's facts say of it."""

    os_family: str
    distribution: str
    major: str
    pkg_mgr: str
    python: str
    newest_python: str
    # A requirement: the newest Wagtail's template asks for Django 6.1, which needs Python 3.12.
    wagtail: str
    full: bool
    image: dict[str, str]
    # Where the stand-in offers less than the distribution.
    stand_in: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The platform's key in the tables of the roles."""
        return f"{self.os_family}-{self.major}"


PLATFORMS = {name: Platform(**facts) for name, facts in json.loads(FILE.read_text(encoding="utf-8")).items()}
FULL = [name for name, platform in PLATFORMS.items() if platform.full]


def main(words: list[str]) -> int:
    word = words[0] if words else "names"
    if word == "images":
        for name, platform in PLATFORMS.items():
            print(name, *(platform.image.get(key, "-") for key in IMAGE_FIELDS))
    elif word in ("names", "full"):
        print(*(FULL if word == "full" else PLATFORMS))
    else:
        print(f"unknown word {word!r}; expected names, full or images", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
