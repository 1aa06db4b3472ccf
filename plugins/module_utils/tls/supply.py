# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choose the pair for a site on a host, and write it there, without a change in nginx yet."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..host import files
from ..host.shell import BASE_ENVIRONMENT, Shell, StepError
from ..model import schemes
from ..model.layout import Layout
from . import hook, judge, openssl, pairs, selfsigned
from .openssl import Certificate
from .pairs import Pair


@dataclass
class Change:
    """What becomes of the certificate of one site.

    `state` is created, renewed, changed, reloaded, unchanged or removed. `live` is the ID of nginx's new pair, `was`
    that of its current one. `pair` are its texts in a dry run, which writes none. `before` and `after` describe their
    contents in lines.
    """

    site: str
    state: str = "unchanged"
    live: str = ""
    was: str = ""
    pair: Pair | None = None
    placeholder: bool = False
    before: str = ""
    after: str = ""
    ends: str = ""
    notes: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Return its part of the module's result."""
        return {"state": self.state, "ends": self.ends, "placeholder": self.placeholder}


class Supply:
    """The pair of one completed site. `key` is the private key of the inventory, if it has one."""

    def __init__(self, site: Mapping[str, Any], key: str, shell: Shell, dry: bool) -> None:
        self.site, self.key, self.shell, self.dry = site, key, shell, dry
        self.layout, self.domains = Layout.of(site), list(site["domains"])
        self.was = pairs.live(self.layout)
        self.old = pairs.read(self.layout) if self.was else Pair("", "")

    def bring(self) -> Change:
        """Write the pair beside the existing ones, and return what changes. Raises `StepError`."""
        kind = schemes.kind(self.site)
        bring = {"selfsigned": self._selfsigned, "acme": self._acme, "certificate": self._given, "path": self._path}
        change = bring[kind]()
        if kind == "acme" and not self.dry:
            _write_hook(self.layout)
        return change

    def _selfsigned(self) -> Change:
        found = self._served()
        if found and not pairs.is_placeholder(self.layout) and selfsigned.stays(found, self.domains):
            return self._unchanged(found)
        return self._made(found, placeholder=False)

    def _acme(self) -> Change:
        """Serve what was issued, whatever has changed since; only a placeholder is replaced."""
        found = self._served()
        if found and (not pairs.is_placeholder(self.layout) or selfsigned.stays(found, self.domains)):
            return self._unchanged(found)
        return self._made(found, placeholder=True)

    def _given(self) -> Change:
        pair = Pair(self.site["tls"]["certificate"], self.key)
        if self.was == pairs.pair_id(*pair) and pair == self.old:
            return Change(self.site["name"], live=self.was, was=self.was)
        return self._judged(pair)

    def _path(self) -> Change:
        # They may have expired in the meantime, so every run checks them.
        return self._judged(judge.of_host(self.shell, self.site["tls"]))

    def _judged(self, pair: Pair) -> Change:
        tls = self.site["tls"]
        if self.dry and not is_installed():  # a real run installs its package
            return self._put(pair, None, None)
        found = judge.judged(self.shell, pair, self.domains, tls)
        same = self.was == pairs.pair_id(*pair) and pair == self.old
        change = self._unchanged(found) if same else self._put(pair, self._served(), found)
        change.notes += judge.notes(self.shell, pair, found, tls)
        return change

    def _made(self, found: Certificate | None, placeholder: bool) -> Change:
        if self.dry and not is_installed():
            change = Change(self.site["name"], "created" if not self.was else "changed", was=self.was)
            change.placeholder, change.ends = placeholder, openssl.day(time.time() + selfsigned.DAYS * 86400)
            return change
        pair = selfsigned.make(self.shell, self.domains)
        change = self._put(pair, found, openssl.leaf(self.shell, pair.certificate), placeholder)
        if self.dry:  # a real run creates another one
            change.after = change.after.partition("sha256: ")[0]
        return change

    def _put(
        self, pair: Pair, before: Certificate | None, after: Certificate | None, placeholder: bool = False
    ) -> Change:
        """Write a pair beside the live one; not in a dry run."""
        name = pairs.pair_id(*pair) if self.dry else pairs.install(self.layout, *pair, placeholder)
        state = "changed" if self.was else "created"
        if before and after and set(before.names) == set(after.names):
            state = "renewed"
        change = Change(self.site["name"], state, name, self.was, pair if self.dry else None, placeholder)
        change.before, change.after = told(before), told(after)
        change.ends = after.date if after else ""
        return change

    def _unchanged(self, found: Certificate) -> Change:
        there = pairs.is_placeholder(self.layout)
        return Change(self.site["name"], live=self.was, was=self.was, placeholder=there, ends=found.date)

    def _served(self) -> Certificate | None:
        """Return the facts of the live pair; None if nginx could not serve it."""
        if not self.old.certificate or (self.dry and not is_installed()):
            return None
        try:
            found = openssl.leaf(self.shell, self.old.certificate)
            own = openssl.public_key(self.shell, self.old.key)
        except StepError:
            return None
        return found if own.split() == found.key.split() else None


def is_installed() -> bool:
    """Return whether the host has the program openssl."""
    return shutil.which("openssl", path=BASE_ENVIRONMENT["PATH"]) is not None


def told(found: Certificate | None) -> str:
    """Return the lines about a certificate for a difference."""
    if not found:
        return ""
    lines = [f"names: {', '.join(found.names)}", f"ends: {found.date}", f"issuer: {found.issuer}"]
    return "\n".join([*lines, f"sha256: {found.fingerprint}", ""])


def _write_hook(layout: Layout) -> None:
    """Write the script that certbot runs for a new pair."""
    path, text = hook.path(layout), hook.renewed(layout)
    if files.read_or_empty(path) != text or os.stat(path).st_mode & 0o777 != hook.MODE:
        files.write(path, text, hook.MODE, os.geteuid(), os.getegid())
