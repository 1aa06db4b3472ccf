# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor's report: lines for a terminal, one HTML page, one JSON document, for all hosts together."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from typing import Any

import jinja2
from ansible_collections.pyweb.stack.plugins.module_utils.host.visible import all_visible

# Marks in addition to colours, which not everyone can distinguish.
MARKS = {"ok": "✓", "broken": "✕", "degraded": "!", "unknown": "?"}
WORDS = {"ok": "all ok", "broken": "broken", "degraded": "works with problems", "unknown": "partly unknown"}
COLOURS = {"ok": "green", "broken": "red", "degraded": "yellow", "unknown": "dark gray"}
# The status of a single fault that does not change the status of its hop.
ADVICE = "advice"
FAULT_MARKS = {**MARKS, ADVICE: "i"}
FAULT_COLOURS = {**COLOURS, ADVICE: "cyan"}
# Lines on the terminal are short; the page has the rest.
LINE_MAX = 110
# How many lines of the first fault's evidence are quoted, and how long.
SAID_LINES, SAID_MAX = 3, 300


def collected(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return {host, error, sites} for each host, in order, from what `site_doctor` returned there.

    A host that was not reached has no sites and an error.
    """
    hosts = []
    for host, found in results.items():
        given = found if isinstance(found, Mapping) else {}
        error = ""
        if "sites" not in given:
            word = "unreachable" if given.get("unreachable") else "no report"
            error = f"{word}: {given.get('msg') or 'the doctor did not run there'}"
        hosts.append(all_visible({"host": host, "error": error, "sites": list(given.get("sites") or [])}))
    return hosts


def lines(hosts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return (text, colour) for the terminal: one aligned line for each hop, then the first fault in full."""
    shown: list[tuple[str, str]] = []
    for host in hosts:
        if host["error"]:
            shown.append((f"{host['host']}: {host['error']}", COLOURS["broken"]))
        for site in host["sites"]:
            title = f"{host['host']}  {site['name']} ({', '.join(site['domains'])}): {WORDS[site['status']]}"
            shown.append((title, COLOURS[site["status"]]))
            for hop in site["hops"]:
                says = hop["cause"] or "; ".join(hop["evidence"]) or "it was not examined"
                more = sum(fault["status"] != ADVICE for fault in hop["faults"]) - 1
                tail = (f"  [follows from {hop['follows']}]" if hop["follows"] else "") + (
                    f"  [+{more}]" if more > 0 else ""
                )
                text = f"  {MARKS[hop['status']]} {hop['hop']:<12}{hop['status']:<10}"
                shown.append((text + _cut(says, LINE_MAX - len(text) - len(tail)) + tail, COLOURS[hop["status"]]))
            for rung in site["ladder"]:
                text = f"  {MARKS[rung['status']]} step        {rung['status']:<10}{rung['rung']}"
                says = f": {rung['cause']}" if rung["cause"] else ""
                shown.append((text + _cut(says, LINE_MAX - len(text)), COLOURS[rung["status"]]))
            if site["first"]:
                first = site["first"]
                says = f"  first   {first['hop']}: {first['cause']}  [{first['fault']}]"
                shown.append((says, COLOURS[site["status"]]))
                shown.append((f"  fix     {first['fix']}", COLOURS[site["status"]]))
                shown += [(f"  says    {text}", "normal") for text in said(first)]
            shown += [(f"  advice  {text}", FAULT_COLOURS[ADVICE]) for text in advised(site)]
            shown += [(f"  {text}", COLOURS["degraded"]) for text in changed(site)]
            shown.append(("", "normal"))
    return shown


def said(fault: Mapping[str, Any]) -> list[str]:
    """Return the lines of nginx, systemd, a database or a traceback behind a fault, unless its cause has them."""
    cut = [_cut(text, SAID_MAX) for text in fault["evidence"]]
    return [text for text in dict.fromkeys(cut) if text and text not in fault["cause"]][:SAID_LINES]


def advised(site: Mapping[str, Any]) -> list[str]:
    """Return the advice for a site, with the fixes, a line each."""
    faults = [fault for hop in site["hops"] for fault in hop["faults"] if fault["status"] == ADVICE]
    return [f"{fault['hop']}: {fault['cause']}; {fault['fix']}  [{fault['fault']}]" for fault in faults]


def changed(site: Mapping[str, Any]) -> list[str]:
    """Return a heading and what has changed since a site last worked, a line each; nothing if not known."""
    changes = site.get("changes")
    if not changes:
        return []
    when = datetime.datetime.fromtimestamp(changes["since"], datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    head = f"changed since {when}, when {'all was ok' if changes['how'] == 'ok' else 'it last worked'}:"
    found = [f"- {change['kind']}: {change['what']}" for change in changes["found"]]
    return [head, *found] if found else [f"{head} nothing that the doctor records"]


def page(hosts: list[dict[str, Any]], when: datetime.datetime) -> str:
    """Return one self-contained HTML page. The template engine itself escapes everything that comes from a host."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.dirname(os.path.abspath(__file__))),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sites = [site for host in hosts for site in host["sites"]]
    counts = {status: sum(site["status"] == status for site in sites) for status in MARKS}
    return environment.get_template("doctor_report.html.j2").render(
        hosts=hosts,
        changed=changed,
        marks=FAULT_MARKS,
        words=WORDS,
        counts=counts,
        lost=sum(bool(host["error"]) for host in hosts),
        when=when.strftime("%Y-%m-%d %H:%M:%S %Z").strip(),
    )


def document(hosts: list[dict[str, Any]], when: datetime.datetime) -> dict[str, Any]:
    """Return all findings of all hosts as data."""
    return {"made": when.isoformat(timespec="seconds"), "hosts": hosts}


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"
