# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`pyweb manage` and `pyweb shell`: manage.py as the site's user, in the sandbox of its release.

The wrapper in the site's directory does the same. Its text is generated here from the record of the live release: the
directory may be in a user's home directory, and that user could replace the file that root would run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..host.shell import StepError
from ..release import scripts
from ..release.release import stored
from .output import complain
from .sites import SiteHere

# As in env(1): the command did not fail, it could not be run.
FAILED = 125
_ENVIRONMENT = ("TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE")


def run(site: SiteHere, words: Sequence[str]) -> int:
    """Replace this process by manage.py with these arguments. Returns only if that fails."""
    try:
        argv = command(site, words)
        os.execve(argv[0], argv, environment())  # noqa: S606 - it is to become the command
    except (StepError, OSError) as error:
        complain(str(error))
    return FAILED


def command(site: SiteHere, words: Sequence[str]) -> list[str]:
    """Return the command. Raises `StepError` where no release is live."""
    if not site.live:
        raise StepError(site.name, "manage", "no release is live")
    text = scripts.render(stored(site.layout, site.live))[site.layout.manage]
    return ["/bin/sh", "-c", text, site.layout.manage, *words]


def environment() -> dict[str, str]:
    """Return the environment of the wrapper: what a terminal needs, and programs of the system alone."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {**kept, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
