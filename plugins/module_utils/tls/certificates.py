# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The certificates of all sites of a host, before and after the installation of nginx's files.

`prepare` writes the pairs, `entries` are added to the set of nginx's files, so that the link to a pair changes together
with nginx's files or not at all, and `finish` does the rest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..host import files, memory
from ..host.shell import Shell, StepError, own_fault
from ..model import schemes
from ..model.layout import SYSTEMD, Layout
from . import leave, pairs, stale
from .supply import Change, Supply
from .watch import Watch

# A pair that a concurrent run has just written is not live yet.
PRUNED_AFTER = 3600.0


class Certificates:
    """The desired certificates of `sites`; `keys` is site name -> private key of the inventory."""

    def __init__(
        self, sites: Sequence[Mapping[str, Any]], keys: Mapping[str, str], dry: bool, units: str = SYSTEMD
    ) -> None:
        self.sites = {site["name"]: site for site in sites if _concerns(site)}
        self.keys, self.dry, self.units = keys, dry, units
        self.changes: dict[str, Change] = {}
        # Site name -> the fault of its certificate. Nothing in nginx changes for such a site.
        self.faults: dict[str, str] = {}

    def prepare(self) -> None:
        """Write the pairs on the host; a fault of one site affects only that site."""
        for name, site in self.sites.items():
            if wanted(site):
                self._do(name, lambda site=site: self._bring(site))
            else:
                layout = Layout.of(site)
                leaves = "removed" if os.path.lexists(layout.tls_live) else "unchanged"
                self.changes[name] = Change(name, leaves, was=pairs.live(layout))

    def entries(self) -> list[dict[str, Any]]:
        """Return what changes with nginx's files, as entries of a set of files."""
        found = []
        for name, change in self.changes.items():
            layout = Layout.of(self.sites[name])
            if not wanted(self.sites[name]):
                if os.path.lexists(layout.tls_live):
                    found.append({"path": layout.tls_live, "state": "absent", "of": name})
                continue
            if change.pair and change.live:
                folder, texts = pairs.path(layout, change.live), change.pair
                own: dict[str, Any] = {"of": name, "secret": True, "mode": "0600"}
                own.update(owner=str(os.geteuid()), group=str(os.getegid()))
                found.append({"path": f"{folder}/{pairs.CERTIFICATE}", "content": texts.certificate, **own})
                found.append({"path": f"{folder}/{pairs.KEY}", "content": texts.key, **own})
            # A live pair is left out: certbot's hook may have renewed it since.
            if change.live not in ("", change.was):
                found.append({"path": layout.tls_live, "link": f"pairs/{change.live}", "of": name})
        return found

    @property
    def unknown(self) -> bool:
        """Return whether a dry run cannot create a pair for nginx, because openssl is not installed yet."""
        return any(change.state != "unchanged" and not change.live for change in self._wanted())

    def is_own(self, path: str) -> bool:
        """Return whether a path is one of `entries`, which are reported separately."""
        return any(path.startswith(f"{Layout.of(site).tls}/") for site in self.sites.values())

    def finish(self, refused: Mapping[str, str]) -> None:
        """Finish after nginx has accepted the pairs. What nginx refused for a site is not changed."""
        for name, change in self.changes.items():
            if name in refused:
                change.state, change.live = "unchanged", change.was
            elif name not in self.faults:
                self._do(name, lambda name=name: self._settle(name))

    def stale(self) -> list[str]:
        """Return the sites for which nginx serves another certificate than the live one."""
        served = [name for name, change in self.changes.items() if name not in self.faults and change.live]
        return [
            name
            for name in served
            if wanted(self.sites[name])
            and not (self.dry and self.changes[name].state != "unchanged")
            and stale.is_stale(self.sites[name])
        ]

    @property
    def changed(self) -> bool:
        return any(change.state != "unchanged" or change.removed for change in self.changes.values())

    @property
    def notes(self) -> list[str]:
        return [note for change in self.changes.values() for note in change.notes]

    def shown(self) -> dict[str, dict[str, Any]]:
        """Return site name -> what changed in its certificate."""
        told = {name: change for name, change in self.changes.items() if name not in self.faults}
        return {
            name: change.shown()
            for name, change in told.items()
            if wanted(self.sites[name]) or change.state == "removed"
        }

    def diff(self) -> list[dict[str, str]]:
        """Return the differences for Ansible's diff mode: names and dates, no key."""
        return [
            {
                "before_header": f"certificate of {name}",
                "after_header": f"certificate of {name}: {change.state}",
                "before": change.before,
                "after": change.after or "".join(f"removed {path}\n" for path in change.removed),
            }
            for name, change in self.changes.items()
            if name not in self.faults and change.state not in ("unchanged", "reloaded")
        ]

    def _wanted(self) -> list[Change]:
        return [change for name, change in self.changes.items() if wanted(self.sites[name])]

    def _bring(self, site: Mapping[str, Any]) -> None:
        name, key = site["name"], self.keys.get(site["name"], "")
        layout = Layout.of(site)
        if not self.dry:
            _note(layout)
        with _lock(name, self.dry):
            self.changes[name] = Supply(site, key, Shell(name, {}, [key]), self.dry).bring()

    def _settle(self, name: str) -> None:
        site, change = self.sites[name], self.changes[name]
        layout, shell = Layout.of(site), Shell(name, {})
        if not wanted(site):
            change.removed = leave.leave(
                layout, shell, bool(site.get("purge")) and _is_absent(site), self.dry, self.units
            )
            change.state = "removed" if change.removed else change.state
            if not (self.dry or os.path.lexists(layout.config) or os.path.lexists(layout.state)):
                files.forget(layout.memory)
            return
        watch = Watch(shell, layout, self.units)
        if schemes.kind(site) == "path":
            wanted_files = watch.wanted(site["tls"], site["domains"])
            done, verb = watch.ensure(wanted_files, self.dry), "wrote"
        else:
            done, verb = watch.remove(self.dry), "removed"
        if done and change.state == "unchanged":
            change.state, change.after = "changed", "".join(f"{verb} {path}\n" for path in done)
        if not self.dry:
            if change.was != change.live:
                pairs.remember(layout, change.was)
            files.forget(f"{layout.tls}/.pending")
            pairs.prune(layout, PRUNED_AFTER)

    def _do(self, name: str, what: Any) -> None:
        try:
            with own_fault(name, Shell(name, {}, [self.keys.get(name, "")]).mask):
                what()
        except StepError as error:
            self.faults[name] = str(error)
        except OSError as error:
            self.faults[name] = str(StepError(name, "certificate", f"{error.filename}: {error.strerror}"))


def wanted(site: Mapping[str, Any]) -> bool:
    """Return whether a site is to be served over https."""
    return not _is_absent(site) and schemes.has_tls(site)


def _is_absent(site: Mapping[str, Any]) -> bool:
    return str(site.get("state", "present")) == "absent"


def _concerns(site: Mapping[str, Any]) -> bool:
    """Return whether a site has, or will have, a certificate here. Without one, this reads one directory."""
    return wanted(site) or leave.is_there(Layout.of(site))


def _note(layout: Layout) -> None:
    """Record the paths of the site for an uninstall, if only the role nginx is used."""
    if not os.path.exists(layout.memory):
        parent = os.path.dirname(layout.config)
        made = [] if os.path.lexists(parent) else [parent]
        memory.note_site(layout, "", False, made)


def _lock(name: str, dry: bool) -> Any:
    return contextlib.nullcontext() if dry else files.locked(name)
