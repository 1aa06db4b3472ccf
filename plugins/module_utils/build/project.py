# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a project's code runs with: its environment, and the uWSGI that loads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..model.layout import Layout
from . import overlay


def environment(layout: Layout, own: Mapping[str, str], build_root: str) -> dict[str, str]:
    """Return the environment of a project's code: `own`, which its processes get, and the overlay of its build."""
    return {
        **own,
        "DJANGO_SETTINGS_MODULE": overlay.SETTINGS_MODULE,
        "PYTHONPATH": f"{build_root}/overlay",
        "HOME": layout.state,
    }


def process_environment(secrets: Mapping[str, Any]) -> dict[str, str]:
    """Return what a site's processes get of its secrets: its `env` and its database."""
    return {**secrets["env"], **({"DATABASE_URL": secrets["database"]} if secrets["database"] else {})}


def uwsgi_binary(site: Mapping[str, Any], home: str) -> str:
    """Return where the site's uWSGI is: in its virtualenv, or where the distribution has it (Debian bin, EPEL sbin)."""
    if site["uwsgi"]["install"] != "distribution":
        return f"{home}/bin/uwsgi"
    return "/usr/sbin/uwsgi" if os.path.exists("/usr/sbin/uwsgi") else "/usr/bin/uwsgi"
