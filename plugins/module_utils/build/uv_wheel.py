# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fetch uv from the package index without pip, where nothing but the index says how pip is to fetch.

uv is one program in a wheel. pip takes 1.9 s of CPU time to install it, most of it its own imports; this takes 0.4 s.
Who calls it installs uv with pip where it returns False, so whatever is unusual about an index is left to pip.
"""

from __future__ import annotations

import hashlib
import html.parser
import os
import platform
import re
import urllib.parse
import zipfile
from collections.abc import Callable, Mapping

# Fetches a URL into a file. Raises OSError.
Fetch = Callable[[str, str], None]

INDEX = "https://pypi.org/simple"
# Whoever wrote one of these may have said there what only pip understands (pip's own order, with no home directory).
PIP_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf")
# What else is set for pip may change what it fetches, and from where.
UNDERSTOOD = ("PIP_INDEX_URL", "PIP_CERT", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_ROOT_USER_ACTION")
WHEEL = re.compile(r"uv-(\d+(?:\.\d+)*)-py3-none-([\w.]+)\.whl")
PROGRAM = re.compile(r"uv-[^/]+\.data/scripts/uv")


def fetch_uv(target: str, environment: Mapping[str, str], fetch: Fetch, scratch: str) -> bool:
    """Write the newest uv of the package index to `target`, and return whether that was possible.

    `environment` is that of every step that installs; `scratch` is a directory for downloads.
    """
    if not _is_plain(environment):
        return False
    page = f"{environment.get('PIP_INDEX_URL', INDEX).rstrip('/')}/uv/"
    try:
        fetch(page, f"{scratch}/uv.html")
        with open(f"{scratch}/uv.html", encoding="utf-8", errors="replace") as stream:
            url, digest = newest(stream.read(), page, platform.machine())
        if not url:
            return False
        fetch(url, f"{scratch}/uv.whl")
        if _sha256(f"{scratch}/uv.whl") != digest:
            return False
        _unpack(f"{scratch}/uv.whl", target)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return True


def newest(page: str, base: str, machine: str) -> tuple[str, str]:
    """Return (URL, sha256) of the newest wheel of an index page (PEP 503) that runs on this machine, or ('', '')."""
    links = _Links()
    links.feed(page)
    found: list[tuple[tuple[int, ...], str, str]] = []
    for link in links.found:
        url, _hash, fragment = link.partition("#")
        match = WHEEL.fullmatch(url.rpartition("/")[2])
        # Every platform of the collection has a younger glibc than 2.17.
        if match and f"manylinux2014_{machine}" in match[2].split(".") and fragment.startswith("sha256="):
            version = tuple(map(int, match[1].split(".")))
            found.append((version, urllib.parse.urljoin(base, url), fragment[len("sha256=") :]))
    return max(found)[1:] if found else ("", "")


def _is_plain(environment: Mapping[str, str]) -> bool:
    """Return whether the index is all that pip was told. Credentials in its URL are for pip as well."""
    told = {**os.environ, **environment}
    if any(name.startswith("PIP_") and name not in UNDERSTOOD for name in told) or any(map(os.path.exists, PIP_FILES)):
        return False
    return "@" not in environment.get("PIP_INDEX_URL", "")


class _Links(html.parser.HTMLParser):
    """The links of an index page, but for files that were withdrawn (PEP 592)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag == "a" and named.get("href") and "data-yanked" not in named:
            self.found.append(str(named["href"]))


def _sha256(path: str) -> str:
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def _unpack(wheel: str, target: str) -> None:
    """Write the program of a wheel to `target`, which appears when it is complete."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if PROGRAM.fullmatch(name)]
        if not names:
            raise ValueError(f"{wheel} has no program uv")
        folder = os.path.dirname(target)
        os.makedirs(folder, exist_ok=True)
        partial = f"{target}.partial"
        with open(partial, "wb") as stream:
            stream.write(archive.read(names[0]))
    # Every site's user runs it, whatever umask root has.
    for path in (os.path.dirname(folder), folder, partial):
        os.chmod(path, 0o755)  # noqa: S103
    os.rename(partial, target)
