# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""End what a site has of https on a host: units, scripts and the link go, the pairs stay, unless all of it is to go."""

from __future__ import annotations

import contextlib
import os

from ..host import files
from ..host.shell import Shell
from ..model.layout import SYSTEMD, Layout
from . import hook
from .watch import Watch


def is_there(layout: Layout) -> bool:
    """Say whether a site has anything of https here; costs one look at a directory."""
    return os.path.lexists(layout.tls)


def leave(layout: Layout, shell: Shell, purge: bool, dry: bool, folder: str = SYSTEMD) -> list[str]:
    """End the renewal of a site that nginx does not serve over https any more, and remove the link to its pair.

    With `purge` the pairs go as well. Returns the paths that were, or in a dry run would be, removed.
    """
    if not is_there(layout):
        return []
    gone = end_renewal(layout, shell, dry, folder)
    doomed = [layout.tls] if purge else [path for path in (layout.tls_live, *_notes(layout)) if os.path.lexists(path)]
    if not dry:
        for path in doomed:
            files.remove(path)
        if purge:
            with contextlib.suppress(OSError):  # what else the site has there is not ours to judge
                os.rmdir(layout.config)
    return [*gone, *doomed]


def end_renewal(layout: Layout, shell: Shell, dry: bool, folder: str = SYSTEMD) -> list[str]:
    """Remove the units that look at somebody's files, and the scripts that take a renewed pair to nginx."""
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
