# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fix fits the host: a key of the inventory if this collection set up the host, otherwise a file and a command.

A judge writes both where they differ: 'set web_sites[].domains, then run pyweb.stack.site; by hand: set server_name'.
Text before the key that ends in a colon is for both: 'correct the address: web_sites[].database; by hand: ...'.
A key in parentheses is left out on a host that was set up by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .evidence import Site
from .evidence_servers import SUPERVISOR, VASSAL

BY_HAND = "; by hand: "
RELOAD = "nginx -t && systemctl reload nginx"
# What makes no sense on a host without an inventory.
INVENTORY = re.compile(
    r"web_sites\b|web_roots\b|pyweb\.stack\.|playbooks/|\b\w+\.yml\b|\bfirewalld_ports\b|\bnginx_ipv6\b|this collection"
)
_PLACE = re.compile(r"(/[^\n:]{1,300}):(\d{1,6})")
_ASIDE = re.compile(r" \(([^()]*(?:\([^()]*\)[^()]*)*)\)")


def fix_for(text: str, managed: bool) -> str:
    """Return the fix for a host that this collection set up, or for one that was set up by hand."""
    inventory, found, by_hand = text.partition(BY_HAND)
    if managed:
        return inventory
    if found:
        key = INVENTORY.search(inventory)
        both = inventory[: key.start()] if key else ""
        text = (both if both.endswith(": ") else "") + by_hand
    return _ASIDE.sub(lambda aside: "" if INVENTORY.search(aside[1]) else aside[0], text)


def restart(site: Site) -> str:
    """Return the command that restarts a site's processes."""
    start, unit = site.server.start, site.uwsgi.unit.get("Id", "")
    if start and start.way == VASSAL:
        return f"touch {start.file}"
    if start and start.way == SUPERVISOR:
        return f"supervisorctl restart {start.group or start.name}"
    return f"systemctl restart {unit}" if unit else f"restart {site.server.label}"


def listen_anew(site: Site) -> str:
    """Return the command after which a server's socket is a new one: that of a socket unit belongs to the unit."""
    start = site.server.start
    if start and start.socket:
        return f"systemctl stop {start.unit.get('Id', start.name)} && systemctl restart {start.socket['Id']}"
    return restart(site)


def start(unit: str, masked: bool = False) -> str:
    """Return the command that starts a unit. A masked unit is unmasked first."""
    quoted = f"'{unit}'" if re.search(r"[^\w.-]", unit) else unit
    return f"systemctl unmask {quoted} && systemctl start {quoted}" if masked else f"systemctl start {quoted}"


def is_masked(unit: Mapping[str, str]) -> bool:
    """Return whether a unit is masked."""
    return unit.get("LoadState") == "masked" or unit.get("UnitFileState", "").startswith("masked")


def ini(site: Site) -> str:
    """Return the file with the uWSGI options of a site."""
    files = site.uwsgi.options.files
    return files[-1] if files else "the command line of uWSGI"


def manage(site: Site) -> str:
    """Return the command that runs Django's commands for a site on its host."""
    return site.layout.manage if site.managed else manage_by_hand(site)


def manage_by_hand(site: Site) -> str:
    """Return the command line of the project's manage.py, as the user of its processes."""
    options, user = site.uwsgi.options, site.uwsgi.user
    chdir, home = options.last("chdir").rstrip("/"), options.last("home")
    python = site.uwsgi.python if site.uwsgi.python.startswith("/") else f"{home}/bin/python" if home else "python"
    as_user = f"sudo -u {user} " if user and user != "root" else ""
    return f"{as_user}{python} {chdir}/manage.py" if chdir else f"{as_user}{python} manage.py"


def setting(site: Site, name: str, key: str = "") -> str:
    """Return where to change a setting; `key` is what a managed site has for it, by default under `settings`."""
    if site.managed:
        return key or f"web_sites[].settings.{name}"
    return f"{name} in {settings_file(site, name)}"


def settings_file(site: Site, name: str = "") -> str:
    """Return the file of the settings, with the line of one of them; else what can be told from their module."""
    place = _PLACE.fullmatch(str(((site.inside.get("lines") or {}).get("at") or {}).get(name, "")))
    if place:
        return f"{place[1]}, line {place[2]}"
    module = str(site.inside.get("settings", {}).get("module", ""))
    chdir = site.uwsgi.options.last("chdir").rstrip("/")
    if not module:
        return "the settings"
    return f"{chdir}/{module.replace('.', '/')}.py" if chdir else module
