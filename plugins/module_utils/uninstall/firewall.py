# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Close what the role firewalld opened, and restore the files of firewalld as before the first run."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..host import facts, file_set, files, firewalld_state, zone_files
from ..model import layout as layouts
from . import services
from .report import Fault, Report

# The prefix of records of ports opened for others, which were in use when firewalld was started.
OF_OTHERS = "_others."


class Opening(NamedTuple):
    """A service or a port that is open in a zone; `kind` is service or port."""

    zone: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.name} in firewalld's zone {self.zone}"


def give_back(run: file_set.Run, before: Mapping[str, Any], report: Report, check_mode: bool) -> None:
    """Close what is ours and remove its records. Raises `Fault`.

    If firewalld will not run afterwards, it is stopped already: closing SSH first could lock out the administrator.
    """
    records = sorted(glob.glob(f"{layouts.FIREWALLD_RECORDS}/*.json"))
    if not records:
        return
    was = before.get("firewalld", {})
    stays = not before or services.was_active(before, "firewalld")
    active = stays and services.is_active(run, "firewalld")
    doomed = [item for item in openings() if not _was_open(item, was)]
    if stays:
        # Other processes listen there, and firewalld continues to filter.
        others = openings(of_others=True)
        report.kept += [
            (f"{item}, which a run opened for another program") for item in others if not _was_open(item, was)
        ]
    else:
        doomed += [item for item in openings(of_others=True) if not _was_open(item, was)]
    extra = [item for item in _ssh(was) if item not in doomed] if before else []
    if stays:
        report.kept += [f"{item}, because SSH may need it" for item in extra]
    else:
        doomed += extra
    if not file_set.which("firewall-offline-cmd"):  # firewalld was removed
        doomed = []
    for item in [item for item in dict.fromkeys(doomed) if _is_open(item, run, active)]:
        if not check_mode:
            _close(item, run, active)
        report.removed.append(str(item))
    if before:
        _put_files_back(was.get("files", {}), doomed, report, check_mode)
    report.removed += records
    if not check_mode:
        files.remove(layouts.FIREWALLD_RECORDS)


def openings(of_others: bool = False) -> list[Opening]:
    """Return what the role's records list as opened: for our purposes, or for processes of others."""
    found = []
    for purpose, record in firewalld_state.records().items():
        if purpose.startswith(OF_OTHERS) is not of_others:
            continue
        zone = record.get("zone") or firewalld_state.default_zone()
        found += [Opening(zone, "service", name) for name in record.get("services", [])]
        found += [Opening(zone, "port", name) for name in record.get("ports", [])]
        for item in record.get("closing", []):
            kind = "service" if item.get("service") else "port"
            found.append(Opening(item.get("zone") or zone, kind, item.get("service") or item.get("port", "")))
    return sorted(set(found))


def _ssh(was: Mapping[str, Any]) -> list[Opening]:
    """Return the ports of SSH that a run opened before it started firewalld, which are in no record."""
    found = []
    for port in facts.listening_ports("sshd") | facts.connection_ports():
        for zone, opened in _zones().items():
            item = Opening(zone, "port", f"{port}/tcp")
            if item.name in opened["ports"] and not _was_open(item, was):
                found.append(item)
    return found


def _zones() -> dict[str, dict[str, list[str]]]:
    return zone_files.zones(zone_files.OWN, zone_files.PACKAGED)


def _was_open(item: Opening, was: Mapping[str, Any]) -> bool:
    return item.name in was.get("zones", {}).get(item.zone, {}).get(f"{item.kind}s", [])


def _is_open(item: Opening, run: file_set.Run, active: bool) -> bool:
    if item.name in _zones().get(item.zone, {}).get(f"{item.kind}s", []):
        return True
    return active and run(["firewall-cmd", f"--zone={item.zone}", f"--query-{item.kind}={item.name}"])[0] == 0


def _close(item: Opening, run: file_set.Run, active: bool) -> None:
    words = [f"--zone={item.zone}", f"--remove-{item.kind}={item.name}"]
    commands = [["firewall-cmd", "--permanent", *words], ["firewall-cmd", *words]]
    if not active:
        # There, `--remove-service` without a zone has another meaning (firewall-offline-cmd(1)).
        verb = "--remove-service-from-zone" if item.kind == "service" else "--remove-port"
        commands = [["firewall-offline-cmd", f"--zone={item.zone}", f"{verb}={item.name}"]]
    for argv in commands:
        status, out, err = run(argv)
        # The openings of a zone were removed with it.
        if status and "INVALID_ZONE" not in out + err and "NOT_ENABLED" not in out + err:
            raise Fault(f"firewalld: {item} cannot be closed: {(err or out).strip()}")


def _put_files_back(texts: Mapping[str, str], closed: Sequence[Opening], report: Report, check_mode: bool) -> None:
    """Restore the zones' files, byte for byte, if they mean the same, or the same as the package's file.

    firewalld rewrites a file when something in it changes, and keeps the previous text beside it as FILE.old.
    """
    for path in sorted(glob.glob(f"{zone_files.OWN}/*.xml")):
        zone = os.path.basename(path)[: -len(".xml")]
        former = texts.get(path, files.read_or_empty(f"{zone_files.PACKAGED}/{zone}.xml"))
        gone = [(item.kind, item.name) for item in closed if item.zone == zone]
        if not zone_files.same(files.read_or_empty(path), former, gone):
            continue  # it was changed since
        _put_back(path, texts, report, check_mode)
        _put_back(f"{path}.old", texts, Report(), check_mode)  # removed with its file, so not reported


def _put_back(path: str, texts: Mapping[str, str], report: Report, check_mode: bool) -> None:
    if path in texts:
        if files.read_or_empty(path) != texts[path]:
            if not check_mode:
                status = os.stat(path) if os.path.exists(path) else None
                files.write(path, texts[path], (status.st_mode & 0o777) if status else 0o644)
            report.restored.append(path)
    elif os.path.lexists(path):
        if not check_mode:
            files.remove(path)
        report.removed.append(path)
