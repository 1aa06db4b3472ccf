# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carry out a plan of `firewall.plan` on a host, all of it in one call: the module `firewall_set`.

A running firewalld is changed over D-Bus, at runtime and permanently. For a stopped one, its zones' files are written,
so that everything required is open from its start.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from .firewall import Item, described, records
from .host import files, zone_files
from .host.firewalld_state import BUS, default_zone
from .model.layout import FIREWALLD_RECORDS

# Executes an argument list; returns (status, output, errors), like a module's `run_command`.
Run = Callable[[Sequence[str]], tuple[int, str, str]]

SERVICE_FILES = ("/etc/firewalld/services", "/usr/lib/firewalld/services")
OBJECT = "/org/fedoraproject/FirewallD1"


class FirewallError(Exception):
    """What firewalld refused, and why."""


def change(plan: Mapping[str, Any], run: Run) -> None:
    """Open, start and close according to `plan`. Raises `FirewallError`; what was opened until then is recorded."""
    check(plan)
    # Checked again: it reads its zones' files only when it starts.
    active = run(["systemctl", "is-active", "--quiet", "firewalld.service"])[0] == 0
    opening = [*plan["ssh"], *plan["open"], *plan["others"]]
    # First, so that a killed run leaves nothing open without a record.
    _note(records(plan))
    done: list[Item] = []
    try:
        for zone in dict.fromkeys(item["zone"] for item in opening):
            items = [item for item in opening if item["zone"] == zone]
            if active:
                for item in items:
                    _Running(run).change("add", item)
                    done.append(item)
            else:
                _add_to_file(zone, items)
                done += items
        if plan["start"]:
            _start(run)
    except (FirewallError, OSError):
        _note(records(plan, failed=[item for item in opening if item not in done]))
        raise
    for item in plan["close"]:
        _Running(run).change("remove", item)
    if plan["close"]:
        _note(records(plan, closed=True))


def check(plan: Mapping[str, Any]) -> None:
    """Raise for services and zones that firewalld does not know, before anything is changed."""
    known = {name[: -len(".xml")] for folder in SERVICE_FILES for name in files.names(folder)}
    zones = zone_files.zones()
    for item in [*plan["ssh"], *plan["open"]]:
        if zones and item["zone"] and item["zone"] not in zones:
            raise FirewallError(
                f"INVALID_ZONE: firewalld has no zone {item['zone']!r}; it has {', '.join(sorted(zones))}"
            )
        if known and item["service"] and item["service"] not in known:
            raise FirewallError(
                f"INVALID_SERVICE: firewalld has no service {item['service']!r}; `firewall-cmd --get-services` lists "
                "those that it has, and firewalld_ports accepts ports"
            )


def _note(notes: Mapping[str, Any]) -> None:
    """Write the records of what is ours, purpose to record, and remove empty ones."""
    for purpose, record in notes.items():
        path = f"{FIREWALLD_RECORDS}/{purpose}.json"
        if record:
            os.makedirs(FIREWALLD_RECORDS, mode=0o755, exist_ok=True)
            files.write(path, json.dumps(record, indent=1, sort_keys=True) + "\n")
        else:
            files.forget(path)


def _start(run: Run) -> None:
    status, _out, err = run(["systemctl", "enable", "--quiet", "--now", "firewalld.service"])
    if status:
        raise FirewallError(f"firewalld does not start: {err.strip()}; see journalctl -u firewalld")


class _Running:
    """A running firewalld (firewalld.dbus(5))."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def change(self, verb: str, item: Item) -> None:
        """`add` or `remove` a service or port, at runtime and permanently. If it is so already, that is no error."""
        zone = item["zone"] or default_zone()
        if item["service"]:
            method, words, kinds = f"{verb}Service", [item["service"]], "s"
        else:
            method, words, kinds = f"{verb}Port", item["port"].split("/"), "ss"
        lasting = f"{OBJECT}/config"
        try:
            path = self._call(lasting, f"{BUS}.config", "getZoneByName", "s", zone).split()[-1].strip('"')
            self._tolerant(path, f"{BUS}.config.zone", method, kinds, *words)
            timeout = ["0"] if verb == "add" else []
            self._tolerant(OBJECT, f"{BUS}.zone", method, f"s{kinds}{'i' if timeout else ''}", zone, *words, *timeout)
        except FirewallError as error:
            # The openings of a zone were removed with it.
            if not (verb == "remove" and "INVALID_ZONE" in str(error)):
                raise FirewallError(f"{described(item)}: {error}") from error

    def _tolerant(self, *call: str) -> None:
        try:
            self._call(*call)
        except FirewallError as error:
            if not re.search("ALREADY_ENABLED|NOT_ENABLED", str(error)):
                raise

    def _call(self, *call: str) -> str:
        status, out, err = self.run(["busctl", "call", BUS, *call])
        if status:
            raise FirewallError(err.strip().removeprefix("Call failed: "))
        return out


def _add_to_file(zone: str, items: Sequence[Item]) -> None:
    """Add services and ports to the file of a zone; the rest of the file is not changed."""
    zone = zone or default_zone()
    path = f"{zone_files.OWN}/{zone}.xml"
    text = files.read_or_empty(path) or files.read_or_empty(f"{zone_files.PACKAGED}/{zone}.xml")
    text = re.sub(r"<zone([^>]*)/>\s*$", r"<zone\1>\n</zone>\n", text)
    before, end, after = text.rpartition("</zone>")
    if not end:
        raise FirewallError(f"{path} is not a zone of firewalld: it has no </zone>")
    lines = "".join(f"  {_element(item)}\n" for item in items)
    os.makedirs(zone_files.OWN, mode=0o750, exist_ok=True)
    files.write(path, f"{before.rstrip()}\n{lines}{end}{after}")


def _element(item: Item) -> str:
    if item["service"]:
        return f"<service name={quoteattr(item['service'])}/>"
    port, _slash, protocol = item["port"].partition("/")
    return f"<port port={quoteattr(port)} protocol={quoteattr(protocol)}/>"
