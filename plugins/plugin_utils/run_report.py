# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The result of a run: one JSON document for all hosts, and the lines that are printed, one for each site.

`docs/run-report.schema.json` is the schema of the document. Existing keys are kept; a change that breaks a reader
increases SCHEMA.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA = 1
NO_SITES, NOT_REACHED = "no_sites", "not_reached"
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "cyan"
# The first word of a change, in one word for a site's line.
KINDS = (
    *("build", "release", "rollback", "command", "superuser", "stopped"),
    *("packages", "nginx", "firewall", "certificate"),
)
# More migrations than this are counted, not named.
NAMED = 4


def begun(hosts: Sequence[str], skipped: Sequence[str], check_mode: bool) -> dict[str, Any]:
    """Return the document of an interrupted run."""
    found = [bare(host, NO_SITES if host in skipped else NOT_REACHED) for host in hosts]
    return {**document(found, 0.0, check_mode), "finished": False, "ok": False}


def bare(host: str, status: str) -> dict[str, Any]:
    """Return a host without anything to report."""
    return {"host": host, "status": status, "error": "", "changed": [], "notes": [], "sites": []}


def document(hosts: Sequence[Mapping[str, Any]], seconds: float, check_mode: bool) -> dict[str, Any]:
    """Return what happened on all hosts."""
    return {
        "schema": SCHEMA,
        "finished": True,
        "ok": all(host["status"] in ("ok", NO_SITES) for host in hosts),
        "check_mode": check_mode,
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "hosts": list(hosts),
    }


def text(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (text, colour) for the terminal: a line for each site, then messages about its host."""
    shown: list[tuple[str, str]] = []
    for host in found["hosts"]:
        if host["status"] == NO_SITES:
            continue
        if host["status"] != "ok" and not any(site["error"] for site in host["sites"]):
            shown.append((f"{host['host']}: {_host_error(host)}", RED))
        shown += [_line(site, host, found) for site in host["sites"]]
        shown += [(f"{host['host']}: {note}", BLUE) for note in host["notes"]]
    skipped = [host["host"] for host in found["hosts"] if host["status"] == NO_SITES]
    if skipped:
        shown.append((f"not touched, without sites: {', '.join(skipped)}", BLUE))
    return shown


def _host_error(host: Mapping[str, Any]) -> str:
    word = {"unreachable": "unreachable", "failed": "failed"}[host["status"]]
    return f"{word}: {host['error']}"


def _line(site: Mapping[str, Any], host: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, str]:
    check_mode = found["check_mode"]
    changed = _kinds([*site["changed"], *host["changed"]])
    if site["state"] == "absent" and site["status"] == "ok":
        parts = [_removed(site, check_mode)]
    else:
        parts = [*_fault(site), *_serves(site, check_mode)]
        if changed:
            parts.append(("would change: " if check_mode else "changed: ") + ", ".join(changed))
        elif site["untouched"] and site["release"] is not None:
            parts.append("nothing would change" if check_mode else "nothing changed")
        if site["migrations"]:
            parts.append(_migrations(site, check_mode))
    parts.append(f"{found['seconds']:.{0 if found['seconds'] >= 10 else 1}f} s")
    if site["rollback"]:
        # After a rollback, the same command goes forward again.
        parts.append(("undo: " if "rollback" in changed else "roll back: ") + site["rollback"])
    colour = RED if site["status"] != "ok" else YELLOW if changed else GREEN
    name = " ".join(word for word in (host["host"], site["name"], site["url"]) if word)
    return f"{name}: {'; '.join(parts)}", colour


def _fault(site: Mapping[str, Any]) -> list[str]:
    """Return what went wrong, if anything did."""
    if site["status"] == "failed":
        return [f"FAILED: {site['error'].rstrip('.')}"]
    if site["status"] == "ok":
        return []
    if site["release"] is None and site["untouched"]:
        return ["not done, and not changed: the run did not reach this site"]
    return ["not done, because the run failed on this host"]


def _serves(site: Mapping[str, Any], check_mode: bool) -> list[str]:
    if site["release"] is None:
        return [] if site["untouched"] else ["it is not known which release is live"]
    good = site["status"] == "ok"
    if not site["release"]:
        return ["would serve a new release" if check_mode and good else "nothing is live"]
    what = f"release {site['release']}{_code(site)}"
    if good:
        word = "would serve" if check_mode and not site["untouched"] else "serves"
    else:
        word = "still serves" if site["untouched"] else "serves"
    return [f"{word} {what}"]


def _code(site: Mapping[str, Any]) -> str:
    """Return the commit with its subject, or the source of code that is from no commit."""
    if site["commit"]:
        subject = f' "{site["subject"]}"' if site["subject"] else ""
        return f", commit {site['commit'][:12]}{subject}"
    return f" of {site['source']}" if site["source"] else ""


def _removed(site: Mapping[str, Any], check_mode: bool) -> str:
    if not site["changed"]:
        return "is absent; nothing " + ("would change" if check_mode else "changed")
    return "would be removed" if check_mode else "was removed"


def _migrations(site: Mapping[str, Any], check_mode: bool) -> str:
    names = site["migrations"]
    shown = ", ".join(names) if len(names) <= NAMED else f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    word = "would apply migrations" if check_mode else "migrations applied"
    return f"{word}: {shown}" + (" (they stay)" if site["status"] == "failed" else "")


def _kinds(changed: Sequence[str]) -> list[str]:
    """Return the changes in single words of KINDS, each once; files for paths."""
    kinds = []
    for item in changed:
        found = re.match(rf"(?:a )?({'|'.join(KINDS)})\b", item)
        # Paths and accounts are files; anything else is a short note of the release.
        kinds.append(found.group(1) if found else item if " " in item and "/" not in item else "files")
    return list(dict.fromkeys(kinds))
