# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pairs of a certificate and its key on a host, and the link to the one that nginx serves.

A pair is a directory that never changes, named after its contents. Renaming the link is the switch. The script in
`hook` does the same without Ansible.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from typing import NamedTuple

from ..host import files, nofollow
from ..model import regular
from ..model.layout import ID_LENGTH, ID_PATTERN, Layout

CERTIFICATE, KEY = "fullchain.pem", "privkey.pem"
# The third file of a placeholder pair, until a CA has issued one.
PLACEHOLDER = "placeholder"


class Pair(NamedTuple):
    """The texts of both files; '' if there are none."""

    certificate: str
    key: str


def pair_id(certificate: str, key: str) -> str:
    """Return the ID of a pair: the first digits of the SHA-256 of both files, one after the other."""
    return hashlib.sha256((certificate + key).encode("utf-8", "surrogateescape")).hexdigest()[:ID_LENGTH]


def install(layout: Layout, certificate: str, key: str, placeholder: bool = False) -> str:
    """Create the directory of a pair, unless it exists, and return its ID. Raises OSError."""
    name = pair_id(certificate, key)
    texts = {CERTIFICATE: certificate, KEY: key, **({PLACEHOLDER: ""} if placeholder else {})}
    folder, partial = path(layout, name), path(layout, f".{name}.partial")
    if _texts(folder) == texts:
        return name
    _ensure_folders(layout)
    files.remove(partial)
    os.mkdir(partial, 0o700)
    for file, text in texts.items():
        content = text.encode("utf-8", "surrogateescape")
        files.put(f"{partial}/{file}", content, 0o600, os.geteuid(), os.getegid())
    files.sync(partial)
    files.remove(folder)  # one that was changed
    files.move(partial, folder)
    return name


def live(layout: Layout) -> str:
    """Return the ID of the pair that nginx serves; '' if there is none."""
    target = files.read_link(layout.tls_live)
    found = re.fullmatch(rf"pairs/({ID_PATTERN})", target)
    return found[1] if found and os.path.isdir(path(layout, found[1])) else ""


def previous(layout: Layout) -> str:
    """Return the ID of the previously live pair; '' if there was none."""
    found = re.fullmatch(rf"pairs/({ID_PATTERN})", files.read_link(_previous(layout)))
    return found[1] if found else ""


def switch(layout: Layout, name: str) -> None:
    """Make a pair the one that nginx reads; '' removes the link. nginx serves it after a reload."""
    before = live(layout)
    if before == name and os.path.lexists(layout.tls_live) == bool(name):
        return
    if not name:
        files.forget(layout.tls_live)
        return
    remember(layout, before)
    files.link(f"pairs/{name}", layout.tls_live)
    files.sync(layout.tls)


def remember(layout: Layout, before: str) -> None:
    """Record the previously live pair; '' for none."""
    if before:
        files.relink(_previous(layout), f"pairs/{before}")


def read(layout: Layout, name: str = "") -> Pair:
    """Return a pair, or the live one, from the host."""
    found = _texts(path(layout, name) if name else layout.tls_live)
    return Pair(found.get(CERTIFICATE, ""), found.get(KEY, ""))


def text(file: str) -> str:
    """Return a file's text, byte for byte. Raises OSError."""
    return regular.content(file).decode("utf-8", "surrogateescape")


def is_placeholder(layout: Layout) -> bool:
    """Return whether the live pair is a placeholder until a CA has issued one."""
    return bool(live(layout)) and os.path.exists(f"{layout.tls_live}/{PLACEHOLDER}")


def prune(layout: Layout, age: float = 0.0) -> None:
    """Remove all pairs except the live and the previous one that are at least `age` seconds old."""
    kept, oldest = {live(layout), previous(layout)}, time.time() - age
    for name in files.names(_folder(layout)):
        folder = path(layout, name)
        if name not in kept and os.lstat(folder).st_ctime <= oldest:
            files.remove(folder)


def _texts(folder: str) -> dict[str, str]:
    """Return the files of a pair, name to text, with their line ends."""
    found = {}
    for name in files.names(folder):
        with contextlib.suppress(OSError):
            found[name] = text(f"{folder}/{name}")
    return found


def _ensure_folders(layout: Layout) -> None:
    """Create the directories of a site's pairs, which only root may enter."""
    if not os.path.isdir(layout.config):  # the role nginx alone has created none
        nofollow.ensure(layout.config, 0o750, os.geteuid(), os.getegid())
    for folder in (layout.tls, _folder(layout)):
        nofollow.ensure(folder, 0o700, os.geteuid(), os.getegid())


def _folder(layout: Layout) -> str:
    return f"{layout.tls}/pairs"


def path(layout: Layout, name: str) -> str:
    """Return the directory of a pair."""
    return f"{_folder(layout)}/{name}"


def _previous(layout: Layout) -> str:
    return f"{layout.tls}/previous"
