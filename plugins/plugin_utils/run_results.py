# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collect what happened on one host from the registered results of a run: plain data for the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.pyweb.stack.plugins.module_utils.host.visible import visible
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

# The prefixes of variables that tasks of the playbooks and roles register.
OURS = re.compile(r"(__)?(host|django|uwsgi|nginx|firewalld|web)_")
Results = Mapping[str, dict[str, Any]]  # name of the variable -> result
# The variable that the role nginx registers for certificates.
CERTIFICATES = "nginx_issued"
# Warnings of `check --deploy` for every site without TLS; they are not reported.
WITHOUT_TLS = {"security.W004", "security.W008", "security.W012", "security.W016"}
UNREACHABLE, FAILED, OK = "unreachable", "failed", "ok"


def registered(variables: Mapping[str, Any]) -> Results:
    """Return the results of our tasks among the variables of a host."""
    found = {}
    for name, value in variables.items():
        if OURS.match(name) and isinstance(value, Mapping) and ("changed" in value or "unreachable" in value):
            found[name] = plain(value)
    return found


def host_of(
    name: str, variables: Mapping[str, Any], alive: bool, notes: Iterable[str], command: Callable[[str], str]
) -> dict[str, Any]:
    """Return what happened on a host that has sites.

    `alive` tells whether all its tasks succeeded, `command` returns the command that rolls a site back.
    """
    results = registered(variables)
    bad = [result for result in results.values() if result.get("unreachable") or result.get("failed")]
    lost = any(result.get("unreachable") for result in bad)
    status = OK if alive else UNREACHABLE if lost else FAILED
    error = "" if alive else _first_line(bad) or "see the error of its task above"
    changed = _changed_on_host(results, variables)
    told = [*notes, *_notes(results), *_warnings(results), *_findings(results), *_hints(results)]
    host: dict[str, Any] = {"host": name, "status": status, "error": error, "changed": changed, "notes": told}
    # A fault of one site does not affect the others.
    done = alive or (bool(bad) and all(_after(result).get("faulty") for result in bad))
    host["sites"] = [_site(site, done, results, command) for site in _sites(results)]
    return host


def _after(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a failed task reports about the sites, in one key: Ansible shows it below the message."""
    return result.get("sites_after") or result.get("set_after") or {}


def _sites(results: Results) -> list[dict[str, str]]:
    """Return name, url and state of the sites of the run; for a rollback, of one."""
    for name in ("web_checked", "uwsgi_rolled_back"):
        if name in results:
            return list(results[name].get("sites") or [])
    return []


def _site(
    site: Mapping[str, str],
    done: bool,
    results: Results,
    command: Callable[[str], str],
) -> dict[str, Any]:
    name = site["name"]
    names = ("django_builds", "uwsgi_releases", "uwsgi_rolled_back", CERTIFICATES)
    steps = [results.get(step, {}) for step in names]
    steps = [{**step, **_after(step)} for step in steps]
    error = _shown(_error_of(name, results), 300)
    wanted = next((step["releases"][name] for step in steps if name in step.get("releases", {})), None)
    after = next((step["live"][name] for step in steps if name in step.get("live", {})), None)
    now = wanted or after or {}
    # A release that was restarted is not its own previous release.
    previous = now.get("previous", "") if now.get("previous") != now.get("id") else ""
    made = [text for step in steps for text in step.get("made") or [] if text.startswith(f"{name}: ")]
    changed = [*dict.fromkeys(text[len(name) + 2 :] for text in made), *_nginx_files(results, name)]
    switches = [text for text in changed if re.match(r"(a )?(release|rollback|removed)\b", text)]
    # If the connection was lost during a release, the result is unknown; a build changes nothing that is live.
    unsure = any(step.get("unreachable") for step in steps[1:3])
    return {
        "name": name,
        "url": site["url"],
        "state": site["state"],
        "status": "failed" if error else "ok" if done else "not_done",
        "error": error,
        "release": now.get("id") if now else None,
        "previous": previous if now else None,
        "commit": _shown(now.get("commit", "")),
        "subject": _shown(now.get("subject", "")),
        "source": _shown(now.get("source", ""), 300),
        "untouched": not (unsure or switches or now.get("switched")),
        "changed": changed,
        "migrations": [_shown(str(name)) for name in now.get("migrations") or []],
        "rollback": command(name) if previous and site["state"] == "present" else "",
    }


def _changed_on_host(results: Results, variables: Mapping[str, Any]) -> list[str]:
    """Return what changed on the host for all its sites: packages, nginx, the firewall."""
    changed = []
    installed = sorted(_packages(variables) - _packages(results.get("host_looked", {})))
    if installed and "host_looked" in results:
        changed.append(f"packages: {', '.join(installed)}")
    sites = [site["name"] for site in _sites(results)]
    own = {path for name in sites for path in _nginx_files(results, name)}
    nginx = [path for path in _nginx_files(results) if path not in own]
    configured = [result for name, result in results.items() if "nginx_" in name and name != CERTIFICATES]
    if any(result.get("changed") for result in configured) and (nginx or not own):
        nginx = nginx or ["nginx: started"]
    changed += nginx
    if any(result.get("changed") for name, result in results.items() if "firewalld_" in name):
        changed.append("firewall" + _openings(results))
    certificates = results.get(CERTIFICATES, {})
    return changed + [f"certificate: {what}" for what in {**certificates, **_after(certificates)}.get("host") or []]


def _warnings(results: Results) -> list[str]:
    """Return the warnings of Django's check for the new builds, a line for each site."""
    built = _built(results)
    told = []
    for site, manifest in (built.get("builds") or {}).items():
        codes = sorted({*re.findall(r"\((\w+\.[WE]\d+)\)", str(manifest.get("check", "")))} - WITHOUT_TLS)
        if codes and any(text.startswith(f"{site}: build ") for text in built.get("made") or []):
            told.append(f"{site}: check --deploy warns of {', '.join(codes)}; manage check --deploy shows them")
    return told


def _notes(results: Results) -> list[str]:
    """Return what failed without preventing a site from being served."""
    released = results.get("uwsgi_releases", {})
    return [_shown(str(note), 300) for note in {**released, **_after(released)}.get("notes") or []]


def _findings(results: Results) -> list[str]:
    """Return the notes of the new builds about their sites, a line each."""
    return [f"{site}: {_shown(str(note), 600)}" for site, note in _of_builds(results, "notes")]


def _hints(results: Results) -> list[str]:
    """Return the hints about parts of new builds without a step, a line each."""
    return [f"{site}: hint: {hint}" for site, hint in _of_builds(results, "hints")]


def _of_builds(results: Results, key: str) -> list[tuple[str, Any]]:
    """Return pairs of a site and one of the values of a key, of the builds that this run made."""
    built = _built(results)
    made = built.get("made") or []
    return [
        (site, value)
        for site, manifest in (built.get("builds") or {}).items()
        if any(text.startswith(f"{site}: build ") for text in made)
        for value in manifest.get(key) or []
    ]


def _built(results: Results) -> Mapping[str, Any]:
    built = results.get("django_builds", {})
    return {**built, **_after(built)}


def _packages(variables: Mapping[str, Any]) -> set[str]:
    facts = variables.get("ansible_facts") or {}
    return set(plain((facts.get("pyweb") or {}).get("packages") or []))


def _nginx_files(results: Results, site: str = "") -> list[str]:
    """Return the changed files of nginx, as `nginx: PATH STATE`; with a site's name, only its own."""
    return [
        f"nginx: {file['path']} {file['state']}"
        for name, result in results.items()
        if "nginx_" in name and result.get("changed")
        for file in {**result, **_after(result)}.get("files") or []
        if isinstance(file, Mapping) and file.get("state", "unchanged") != "unchanged"
        if not site or re.search(rf"/{re.escape(site)}(\.\w+)?$", str(file.get("path")))
    ]


def _openings(results: Results) -> str:
    """Return what was opened and closed, as `: opened http in zone public, closed 8080/tcp in zone public`."""
    done = [result for name, result in results.items() if "firewalld_" in name and result.get("changed")]
    said = [f"{word} {what}" for word in ("opened", "closed") for result in done for what in result.get(word) or []]
    return f": {', '.join(said)}" if said else ""


def _error_of(site: str, results: Results) -> str:
    """Return what a failed task reports about one site: `site 'shop': STEP failed: CAUSE`."""
    for result in results.values():
        if result.get("failed"):
            found = re.search(rf"^site '{re.escape(site)}': (.+)$", str(result.get("msg") or ""), re.MULTILINE)
            if found:
                return found[1]
    return ""


def _first_line(bad: Iterable[Mapping[str, Any]]) -> str:
    """Return the first line of the first error that has one; for a loop, of its first failed item."""
    for result in bad:
        items = [item for item in result.get("results") or [] if isinstance(item, Mapping) and item.get("failed")]
        for found in [*items, result]:
            lines = str(found.get("msg") or "").strip().splitlines()
            if lines:
                return _shown(lines[0], 300)
    return ""


def _shown(text: str, most: int = 100) -> str:
    """Return external text as one line, without control characters of terminals."""
    text = " ".join(visible(" ".join(text.splitlines())).split())
    return text if len(text) <= most else text[: most - 3] + "..."
