# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the sockets of a release can be restricted to requests: that needs a uWSGI with routing.

Without it, a client that can connect runs code as the site (`GUARDED` in `model/uwsgi_options.py`): on a unix socket
this is only nginx, on a TCP port every account of the host.
"""

from __future__ import annotations

import os

from ..build import runtime
from ..host.shell import Shell, StepError
from ..model.types import Manifest, Site

_FIXES = {
    "distribution": "uwsgi.install: pyuwsgi, whose wheel includes it",
    "pyuwsgi": "a newer uwsgi.version",
}
_COMPILED = "a newer uwsgi.version, which is built with the PCRE headers that are installed now"


def guarded(site: Site, manifest: Manifest, shell: Shell) -> bool:
    """Return whether the uWSGI of a build can guard the sockets of `site`.

    It is run as the site's user, which may own the program. Raises `StepError` if it cannot and must: on TCP ports.
    """
    program = manifest["uwsgi"]
    if not os.access(program, os.X_OK):
        return True  # nothing can be started, which `Shelf.prepare` reports
    if runtime.has_routing(shell, program, site["user"]):
        return True
    if site["uwsgi"]["socket"]:
        fix = _FIXES.get(manifest["install"], _COMPILED)
        raise StepError(
            site["name"],
            "uwsgi",
            f"uwsgi.socket is {', '.join(site['uwsgi']['socket'])}, and {program} was built without routing, without "
            "which every account of this host could run code as the site through that port; "
            f"expected unix, or {fix}",
        )
    return False
