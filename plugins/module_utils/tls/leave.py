# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove a site's HTTPS from a host: units, scripts and the link; the pairs only with `purge`."""

from __future__ import annotations

import contextlib
import os

from ..host import files
from ..host.shell import Shell
from ..model.layout import SYSTEMD, Layout
from . import hook
from .watch import Watch


def is_there(layout: Layout) -> bool:
    """Return whether a site has HTTPS files here; reads one directory."""
    return os.path.lexists(layout.tls)


def leave(layout: Layout, shell: Shell, purge: bool, dry: bool, folder: str = SYSTEMD) -> list[str]:
    """End the renewal of a site that nginx no longer serves over HTTPS, and remove the link to its pair.

    With `purge`, the pairs are removed too. Returns the paths that were, or in a dry run would be, removed.
    """
    if not is_there(layout):
        return []
    gone = end_renewal(layout, shell, dry, folder)
    doomed = [layout.tls] if purge else [path for path in (layout.tls_live, *_notes(layout)) if os.path.lexists(path)]
    if not dry:
        for path in doomed:
            files.remove(path)
        if purge:
            with contextlib.suppress(OSError):  # other files of the site there are not checked
                os.rmdir(layout.config)
    return [*gone, *doomed]


def end_renewal(layout: Layout, shell: Shell, dry: bool, folder: str = SYSTEMD) -> list[str]:
    """Remove the units that watch files managed by others, and the scripts that install a renewed pair."""
    if not is_there(layout):
        return []
    gone = Watch(shell, layout, folder).remove(dry)
    script = hook.path(layout)
    if os.path.lexists(script):
        gone.append(script)
        if not dry:
            files.remove(script)
    return gone


def _notes(layout: Layout) -> tuple[str, ...]:
    return f"{layout.tls}/previous", f"{layout.tls}/.pending"
