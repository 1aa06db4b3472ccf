# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What firewalld allows, and what the role firewalld opened."""

from __future__ import annotations

import glob
import json
import os
import re
from typing import Any

from ..model.layout import FIREWALLD_RECORDS
from . import zone_files
from .files import read_or_empty

BUS = "org.fedoraproject.FirewallD1"


def records() -> dict[str, dict[str, Any]]:
    """Return what the role opened earlier: purpose to zone, services and ports."""
    return {
        os.path.basename(path)[: -len(".json")]: json.loads(read_or_empty(path) or "{}")
        for path in glob.glob(f"{FIREWALLD_RECORDS}/*.json")
    }


def default_zone() -> str:
    """Return the default zone, for interfaces that are in no other zone (firewalld.conf(5))."""
    match = re.search(r"^DefaultZone=(\S+)", read_or_empty("/etc/firewalld/firewalld.conf"), re.MULTILINE)
    return match[1] if match else "public"


def zones(opened: dict[str, dict[str, Any]]) -> list[str]:
    """Return the default zone and the zones in which something was opened."""
    return sorted({default_zone(), *(record["zone"] for record in opened.values() if record.get("zone"))})


def let_in(module: Any, names: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return what is open now and after a reload, by zone (firewalld.dbus(5)). `module` runs the host's own tools."""

    def ask(*call: str) -> object:
        status, out, _err = module.run_command(["busctl", "call", "--json=short", BUS, *call])
        return json.loads(out)["data"][0] if status == 0 else None

    found = {}
    for name in names:
        running = ask("/org/fedoraproject/FirewallD1", f"{BUS}.zone", "getZoneSettings2", "s", name)
        path = ask("/org/fedoraproject/FirewallD1/config", f"{BUS}.config", "getZoneByName", "s", name)
        permanent = ask(str(path), f"{BUS}.config.zone", "getSettings2") if path else None
        if isinstance(running, dict) and isinstance(permanent, dict):
            found[name] = {
                key: [entry for entry in _listed(running, key) if entry in _listed(permanent, key)]
                for key in ("services", "ports")
            }
    return found


def will_let_in(names: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return what a stopped firewalld would allow, by zone: as `let_in`, from its files."""
    zones = zone_files.zones()
    if not zones:
        # Not installed yet. SSH is open in its default zone in every package.
        zones = {"public": {"services": ["ssh"], "ports": []}}
    return {name: zones[name] for name in names if name in zones}


def _listed(settings: dict[str, dict[str, Any]], key: str) -> list[str]:
    """Return a zone's services, or its ports in the format of firewall-cmd: 8080/tcp."""
    entries = settings.get(key, {}).get("data", [])
    return ["/".join(entry) if isinstance(entry, list) else entry for entry in entries]
