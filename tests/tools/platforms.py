#!/usr/bin/env python3
"""The platforms of the tests, from tests/platforms.json: platforms.py [names|local|full|images].

    names    all platforms
    local    platforms whose image can be made without a container registry; `make test` tests only these
    full     platforms on which `make test` tests everything
    images   for tests/images/build.sh, one line for each platform: name, base, codename, stream, userland (- for none)

Needs only python3. `python` is the Python of the system, `newest_python` the newest one of the distribution. `image`
says what the test image is made from: `base` in a registry. Without a registry, it is made from the packages of
`codename` (Debian), or it is a stand-in for `stream` (CentOS) on the image of another platform, `userland`: the one
with the most similar dnf, systemd and nginx. A platform without `codename` and `userland` is tested only if it is
named, as in the workflow.
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
    # Only for a distribution whose releases the major version does not identify.
    version: str = ""

    @property
    def key(self) -> str:
        """The platform's key in the tables of the roles."""
        return f"{self.distribution}-{self.version}" if self.version else f"{self.os_family}-{self.major}"

    @property
    def local(self) -> bool:
        """Whether the image can be made without a registry, from the distribution's packages or as a stand-in."""
        return bool(self.image.get("codename") or self.image.get("userland"))


PLATFORMS = {name: Platform(**facts) for name, facts in json.loads(FILE.read_text(encoding="utf-8")).items()}
LOCAL = [name for name, platform in PLATFORMS.items() if platform.local]
FULL = [name for name, platform in PLATFORMS.items() if platform.full]


def main(words: list[str]) -> int:
    word = words[0] if words else "names"
    if word == "images":
        for name, platform in PLATFORMS.items():
            print(name, *(platform.image.get(key, "-") for key in IMAGE_FIELDS))
    elif word in ("names", "local", "full"):
        print(*{"names": PLATFORMS, "local": LOCAL, "full": FULL}[word])
    else:
        print(f"unknown word {word!r}; expected names, local, full or images", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
