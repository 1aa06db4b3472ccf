# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of sources of code: repositories, the keys of their servers, and the names of packages."""

from __future__ import annotations

import re
from typing import Any

from .checks import Wrong, accepts

# A line of a known_hosts file (sshd(8)): an optional marker, names, a type of key, the key in base64.
_NAMES = r"(@(cert-authority|revoked) )?[^\s@#][^\s]*"
_KNOWN_HOST = re.compile(rf"{_NAMES} (?P<kind>[a-z0-9@.-]+) AAAA[A-Za-z0-9+/]+={{0,2}}( .*)?", re.ASCII)
# To apt, a - after a name means to remove it, a + to install it. Both treat = and / as a version or an origin, ^ as a
# task, and * ? [ as patterns. dnf treats @ as a group, and a path or a URL as a file.
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*(?<![.+-])(\+\+)?(:[a-z0-9]+(-[a-z0-9]+)*)?", re.ASCII)


@accepts("the URL or path of a repository")
def repository(value: Any) -> str:
    """A repository. git gets a password or token of a web URL separately, which is not possible for a query."""
    if not isinstance(value, str) or not re.fullmatch(r"(?!-)[^\s\x00-\x1f\x7f]+", value):
        raise Wrong
    if re.match(r"(?i)https?://", value) and re.search(r"[?#]", value.rpartition("@")[2]):
        raise Wrong("a URL without ? and #", "put a token before the host: https://TOKEN@host/path.git")
    if re.match(r"(?i)(git\+)?ssh://[^/@]*:[^/]*@", value):
        raise Wrong("no password in a URL of ssh", "ssh accepts none; set a deploy key in source.key")
    return str(value)


@accepts("lines as ssh-keyscan prints them, such as 'git.example.com ssh-ed25519 AAAA...'")
def known_hosts(value: Any) -> list[str]:
    """The keys of servers, as a text or a list of lines; comments are left out."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
        raise Wrong
    found = [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for line in found:
        if not _KNOWN_HOST.fullmatch(line):
            raise Wrong
    if not found:
        raise Wrong
    return found


@accepts(
    "names of packages such as libmagic1, g++ or libc6:i386",
    "a name alone, without a version: apt and dnf treat other characters as commands, for example a - after a name as "
    "its removal",
)
def package(value: Any) -> str:
    """The name of a package, without anything that apt or dnf treats as something else."""
    if not isinstance(value, str) or not _PACKAGE.fullmatch(value):
        raise Wrong
    return str(value)
