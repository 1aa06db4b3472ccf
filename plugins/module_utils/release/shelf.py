# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a site on a host: its releases, the links to the live and the previous one, their builds; removal.

A release is a directory of links to a build, its `uwsgi.ini`, the link to its socket and, after its health checks
passed, its `release.json`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection
from typing import cast

from ..host import files
from ..host.live import release_of
from ..host.shell import Shell, StepError
from ..model.layout import SYSTEMD, Layout
from ..model.types import Record, Site
from . import scripts, units
from .background_units import BackgroundUnits
from .release import Release


class Shelf:
    """The releases of one site on this host."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    def current(self) -> str:
        """Return the ID of the live release, or ''."""
        return release_of(self.layout.current)

    @property
    def previous(self) -> str:
        """Return the ID of the previously live release, or ''."""
        return release_of(self.layout.previous)

    def live_ini(self) -> str:
        return files.read(self.layout.live_ini)

    def record_of(self, release_id: str) -> Record:
        """Return the record of a release; {} if it has none."""
        return cast(Record, files.recorded(self.layout.record(release_id)))

    def has(self, release_id: str) -> bool:
        """Return whether there is a directory of this release, finished or not."""
        return os.path.isdir(self.layout.release(release_id))

    def complete(self, release: Release) -> bool:
        """Return whether the release on the host is complete and unchanged."""
        return os.path.exists(self.layout.record(release.id)) and files.read(self.layout.ini(release.id)) == release.ini

    def prepare(self, release: Release) -> None:
        """Write the release's directory, its environment and the link to its socket. Raises `StepError`."""
        partial = self.layout.release(f".{release.id}.partial")
        files.remove(partial)
        os.mkdir(partial, 0o755)
        manifest = release.manifest
        sources = {"src": manifest["src"], "venv": manifest["home"], "uwsgi": manifest["uwsgi"]}
        if manifest["overlay"]:
            sources.update({"overlay": f"{manifest['path']}/overlay", "static": f"{manifest['path']}/static"})
        for name, target in sources.items():
            if target:
                os.symlink(target, f"{partial}/{name}")
        os.symlink(self.layout.socket(release.id), f"{partial}/uwsgi.sock")
        files.write(f"{partial}/uwsgi.ini", release.ini)
        # systemd reads it as root; no other account needs to.
        files.write(self.layout.env(release.id), release.environment_file, 0o600, 0, 0)
        if self.has(release.id):
            # An earlier run's, to be replaced file by file, because it may be live.
            for name in os.listdir(partial):
                os.rename(f"{partial}/{name}", f"{release.folder}/{name}")
            os.rmdir(partial)
        else:
            os.rename(partial, release.folder)
        if not os.access(f"{release.folder}/uwsgi", os.X_OK):
            raise StepError(
                release.name,
                "uwsgi",
                f"there is no uWSGI at {manifest['uwsgi']}; install it there, or change uwsgi.install",
            )

    def record(self, release: Release, known: list[str]) -> None:
        """Write the record, which completes the release: all that a rollback to it needs."""
        text = json.dumps(release.record(known, int(time.time())), indent=1, sort_keys=True) + "\n"
        files.write(self.layout.record(release.id), text)

    def switch(self, release_id: str) -> None:
        """Make a release live: from now on nginx uses its unix socket and its static files."""
        old = self.current
        if old == release_id:
            return
        if old and self.has(old):
            files.link(f"releases/{old}", self.layout.previous)
        files.link(f"releases/{release_id}", self.layout.current)

    def links(self) -> dict[str, str]:
        """Return the links to the live and the previous release: path -> target, or ''."""
        return {path: files.read_link(path) for path in (self.layout.current, self.layout.previous)}

    def put_back(self, links: dict[str, str]) -> None:
        """Restore the links to the targets in `links`."""
        for path, target in links.items():
            files.relink(path, target)

    def remove(self, release_id: str) -> None:
        """Remove the files of a release."""
        for path in (
            self.layout.release(release_id),
            self.layout.env(release_id),
            self.layout.socket(release_id),
            self.layout.stats(release_id),
        ):
            files.remove(path)

    def tidy(self, release: Release, check_mode: bool, used: Collection[str] = ()) -> list[str]:
        """Write the site's scripts, and remove releases beyond `keep_releases` and unused builds.

        Releases in `used` are kept, because they still have processes. Returns the paths of scripts and releases that
        were, or in check mode would be, written or removed.
        """
        texts = {path: text for path, text in scripts.render(release).items() if files.read(path) != text}
        kept = {*self.kept(release), *used}
        stale = [name for name in files.names(self.layout.releases) if name not in kept]
        if not check_mode:
            for path, text in texts.items():
                files.write(path, text, 0o755)
            for name in stale:
                self.remove(name)
            _prune_builds(self.layout, {release.manifest["id"], *map(self._build_of, kept)})
        return [*texts, *(self.layout.release(name) for name in stale)]

    def _build_of(self, release_id: str) -> str:
        """Return the ID of a release's build; one that never went live has no record, but a link to its code."""
        linked = os.path.dirname(files.read_link(f"{self.layout.release(release_id)}/src"))
        return str(self.record_of(release_id).get("build") or os.path.basename(linked))

    def kept(self, release: Release) -> set[str]:
        """Return the IDs to keep: the live one, the previous one, and the newest up to `keep_releases`."""
        kept = {name for name in (self.current, self.previous, release.id) if name}
        # A release without a record never passed its health checks.
        made = {
            name: record["made"]
            for name in files.names(self.layout.releases)
            if not name.startswith(".") and (record := self.record_of(name)) and "made" in record
        }
        for name in sorted(made, key=lambda name: made[name], reverse=True):
            if len(kept) < release.keep_releases:
                kept.add(name)
        return kept


def withdraw(
    site: Site, shell: Shell, check_mode: bool, forget: Callable[[], list[str]], folder: str = SYSTEMD
) -> list[str]:
    """Stop an absent site and remove its units, releases and builds; return what was, or would be, removed.

    `forget` then removes its accounts and directories, and returns what it removed.
    """
    layout = Layout.of(site)
    present = layout.units_present(folder)
    paths = [f"{folder}/{name}" for name in [*present, *layout.background_present(folder)]]
    changes = [*paths, *([layout.root] if os.path.isdir(layout.root) else [])]
    if not check_mode and changes:
        BackgroundUnits(shell, layout, folder).withdraw()
        plain = [name for name in present if not units.is_template(name)]
        shell.run("units", ["systemctl", "disable", "--quiet", "--now", *plain], check=False)
        shell.run("units", ["systemctl", "stop", layout.unit("*")], check=False)
        for path in paths:
            files.remove(path)
        shell.run("units", ["systemctl", "daemon-reload"])
        shell.run("units", ["systemctl", "reset-failed", layout.unit("*")], check=False)
        files.remove(layout.root)
    if not check_mode:
        # The secret key is kept with the data, so logins survive if the site is deployed again.
        for name in files.names(layout.config):
            if name.endswith(".env") or name == "files":
                files.remove(f"{layout.config}/{name}")
        files.remove(layout.sizing)
        files.remove(layout.doctor_request)
    return changes + forget()


def _prune_builds(layout: Layout, used: set[str]) -> None:
    """Remove the builds that are not `used`, and the virtualenvs and stored files that no used build needs."""
    for name in files.names(layout.builds):
        if name not in used:
            files.remove(layout.build(name))
    manifests = [files.recorded(layout.manifest(name)) for name in used]
    homes = {manifest.get("home") for manifest in manifests}
    for name in files.names(layout.virtualenvs):
        if layout.virtualenv(name) not in homes:
            files.remove(layout.virtualenv(name))
    # The contents of `files` of an inventory, by digest.
    stored = {str(manifest.get("files")) for manifest in manifests}
    for name in files.names(f"{layout.config}/files"):
        if name not in stored:
            files.remove(layout.files(name))
