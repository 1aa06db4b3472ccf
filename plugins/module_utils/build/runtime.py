# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the code of a build runs: its Python and uWSGI, the modules of its overlay, and its environment."""

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
# The variable that contains `database`.
DATABASE_VARIABLE = "DATABASE_URL"


def interpreter(home: str) -> str:
    """Return the Python of a virtualenv, or the system's if `home` is ''."""
    return f"{home}/bin/python" if home else "/usr/bin/python3"


def uwsgi_binary(site: Site, home: str) -> str:
    """Return the path of the site's uWSGI: in its virtualenv, or the distribution's (Debian bin, EPEL sbin)."""
    if site["uwsgi"]["install"] != "distribution":
        return f"{home}/bin/uwsgi"
    return "/usr/sbin/uwsgi" if os.path.exists("/usr/sbin/uwsgi") else "/usr/bin/uwsgi"


def has_routing(shell: Shell, program: str, user: str) -> bool:
    """Return whether a uWSGI was built with routing, which guards the sockets. It runs as the user who may own it."""
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
    """Return the environment that a site's processes get of its secrets: its `env` and its database.

    `configuration` is the settings class if `env` sets none, so that every program of the project, workers included,
    uses the same one.
    """
    database = {DATABASE_VARIABLE: secrets["database"]} if secrets["database"] else {}
    chosen = {"DJANGO_CONFIGURATION": configuration} if configuration else {}
    return {**chosen, **secrets["env"], **database}


def host(site: Site) -> str:
    """Return the Host that a site uses to request itself: its visitors' domain, with a name in place of a wildcard."""
    return authority(site).replace("*", "www", 1)
