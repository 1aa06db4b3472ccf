# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a setting is changed: the inventory's key on a host of this collection, else the file and line that has it."""

from __future__ import annotations

import re

from .evidence import Site

_PLACE = re.compile(r"(/[^\n:]{1,300}):(\d{1,6})")


def setting(site: Site, name: str, key: str = "") -> str:
    """Return where to change a setting; `key` is what a managed site has for it, by default under `settings`."""
    if site.managed:
        return key or f"web_sites[].settings.{name}"
    found = (site.inside.get("lines") or {}).get("at") or {}
    place = _PLACE.fullmatch(str(found.get(name, "")))
    return f"{name} in {place[1]}, line {place[2]}" if place else f"{name} in the settings"


def manage(site: Site) -> str:
    """Return the command that runs Django's commands for a site on its host."""
    if site.managed:
        return site.layout.manage
    options = site.uwsgi.options
    python, chdir = site.uwsgi.python, options.last("chdir")
    return f"cd {chdir} && {python} manage.py" if python.startswith("/") and chdir else "python manage.py"
