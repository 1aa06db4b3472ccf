# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""End the renewal of a site's certificate: remove certbot's lineage, timer and files; those of others are kept.

`end` is for one site, `give_back` for what they share, after the last one was removed.
"""

from __future__ import annotations

import contextlib
import os

from ..host import files
from ..model import layout as layouts
from ..model.layout import Layout
from . import acme_found, acme_request, acme_timer
from .acme_found import Run


def end(layout: Layout, purge: bool, run: Run, dry: bool) -> list[str]:
    """End the renewal of a site, and with `purge` remove what was issued; return the paths removed, or to be removed.

    A certificate of that name that a foreign script uses is kept. Raises OSError.
    """
    name = layout.name
    conf, own = acme_found.configuration(name), bool(acme_found.lineage(name))
    going = [conf] if own else []
    going += [path for path in (acme_request.folder(layout), acme_found.authority_path(name)) if os.path.lexists(path)]
    if purge and (own or not os.path.exists(conf)):
        going += [path for path in issued(layout) if os.path.lexists(path)]
    if going and not dry:
        for path in going:
            files.remove(path)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(acme_found.authority_path(name)))
        acme_timer.ensure_authorities(run, dry)
    return [*going, *give_back(run, dry, without=name)]


def issued(layout: Layout) -> list[str]:
    """Return the paths of a site's issued certificates in certbot."""
    return [f"{layouts.LETSENCRYPT}/{part}/{layout.lineage}" for part in ("live", "archive")]


def give_back(run: Run, dry: bool, without: str = "") -> list[str]:
    """Undo what all certificates share, unless one is left; `without` is a site that is being removed."""
    left = [name for name in acme_found.named() if name != without and acme_found.lineage(name)]
    if left:
        return []
    done = acme_timer.give_back(run, dry) if os.path.exists(acme_timer.record()) else []
    if os.path.isdir(layouts.ACME_WEBROOT):
        done.append(layouts.ACME_WEBROOT)
        if not dry:
            files.remove(layouts.ACME_WEBROOT)
    return done
