# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the code of a build runs in: its Python and its uWSGI, the modules of its overlay, and its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model.layout import Layout
from ..model.schemes import authority
from ..model.types import Secrets, Site

if TYPE_CHECKING:
    from ..host.shell import Shell

# The modules in the `overlay` directory of a build.
SETTINGS_MODULE = "pyweb_settings"
WSGI_MODULE = "pyweb_wsgi"
ERRORS_MODULE = "pyweb_errors"
ENTRY_MODULE = "pyweb_entry"
# The variable that `database` becomes.
DATABASE_VARIABLE = "DATABASE_URL"


def interpreter(home: str) -> str:
    """Return the Python of a virtualenv, or the system's where `home` is ''."""
    return f"{home}/bin/python" if home else "/usr/bin/python3"


def uwsgi_binary(site: Site, home: str) -> str:
    """Return where the site's uWSGI is: in its virtualenv, or where the distribution has it (Debian bin, EPEL sbin)."""
    if site["uwsgi"]["install"] != "distribution":
        return f"{home}/bin/uwsgi"
    return "/usr/sbin/uwsgi" if os.path.exists("/usr/sbin/uwsgi") else "/usr/bin/uwsgi"


def has_routing(shell: Shell, program: str, user: str) -> bool:
    """Ask a uWSGI, as the user whose it may be, whether it was built with routing: without, it guards no socket."""
    return "--route-if-not" in shell.run("uwsgi", [program, "--help"], user, timeout=60).stdout


def environment(layout: Layout, own: Mapping[str, str], build_root: str) -> dict[str, str]:
    """Return the environment for the project's code: `own`, which its processes get, and the overlay of a build."""
    return {
        **own,
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        "PYTHONPATH": f"{build_root}/overlay",
        "HOME": layout.state,
    }


def process_environment(secrets: Secrets, configuration: str = "") -> dict[str, str]:
    """Return what a site's processes get of its secrets: its `env` and its database.

    `configuration` is the class of the settings where `env` names none: with it every program of the project, a worker
    too, uses the same one.
    """
    database = {DATABASE_VARIABLE: secrets["database"]} if secrets["database"] else {}
    chosen = {"DJANGO_CONFIGURATION": configuration} if configuration else {}
    return {**chosen, **secrets["env"], **database}


def host(site: Site) -> str:
    """Return the Host under which a site asks itself: that of its visitors, with a name in the place of a wildcard."""
    return authority(site).replace("*", "www", 1)
