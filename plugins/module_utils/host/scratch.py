# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directories of an account that go away with a step: made where only root can make names, and open to nobody else."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator

from . import files, nofollow


@contextlib.contextmanager
def directory(parent: str, uid: int, gid: int, fill: Callable[[str], None] | None = None) -> Iterator[str]:
    """Give a new directory below `parent`, a directory of root's that is made if it is missing.

    `fill` puts files into it while it is root's still. What killed runs left here is removed first.
    """
    nofollow.ensure(parent, 0o755, os.geteuid(), os.getegid(), keep=True)
    _sweep(parent)
    path = f"{parent}/.step-{os.getpid()}-{secrets.token_hex(4)}"
    os.mkdir(path, 0o700)
    try:
        if fill:
            fill(path)
        os.chown(path, uid, gid)
        yield path
    finally:
        nofollow.remove(path)


def _sweep(parent: str) -> None:
    for name in files.names(parent):
        match = re.fullmatch(r"\.step-([0-9]+)-[0-9a-f]{8}", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            nofollow.remove(f"{parent}/{name}")
