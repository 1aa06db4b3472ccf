#!/usr/bin/env python3
"""What the tests know about each platform, from tests/platforms.json: platforms.py [names|local|full|images].

    names    the platforms
    local    those whose image can be made where no registry answers; `make test` asks no other one
    full     those that are asked everything
    images   for tests/images/build.sh, one platform a line: name, base, codename, stream, userland (- for none)

Needs only python3. `python` is the system's own, `newest_python` the newest that the distribution offers. `image` says
what the test image is made from: `base` in a registry; where no registry answers, the packages of `codename` (Debian),
or a stand-in for `stream` (CentOS) on the image of another platform, its `userland`. That is the one whose dnf,
systemd and nginx are nearest. One with neither of the two is asked only where it is named, as the workflow does.
`full`: the platform is asked everything by `make test`.
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
    # Of a distribution that counts its releases by more than the major number.
    version: str = ""

    @property
    def key(self) -> str:
        """The platform's key in the tables of the roles."""
        return f"{self.distribution}-{self.version}" if self.version else f"{self.os_family}-{self.major}"

    @property
    def local(self) -> bool:
        """Whether there is an image without a registry: of the distribution's packages, or a stand-in."""
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
