# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files in pyweb.d beside that of a site: its pages, its users, and whether it is in maintenance.

The controller writes the pages and the maintenance, the host the users (`htpasswd.py`). All of them contain our mark.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..host.files import read_or_empty
from ..model.checks import Wrong, boolean, integer, list_of, network
from ..model.errors import nearest, shown
from ..model.prefixes import sharing
from ..model.types import Site
from . import extras, names

RETRY_AFTER = 600  # seconds; the end of a maintenance is unknown


def state() -> dict[str, Any]:
    """Return the facts of a host: the files of sites, and the maintenance of sites."""
    found = sorted(path for path in glob.glob(f"{names.ETC}/{names.FOLDER}/*") if not path.endswith(".conf"))
    closed = {}
    for path in found:
        name, _dot, what = os.path.basename(path).partition(".")
        if what == "maintenance":
            closed[name] = _settings(read_or_empty(path))
    return {"site_files": found, "maintenance": closed}


def asked(
    given: Mapping[str, Any], sites: Sequence[Site], host: Mapping[str, Any], faults: list[str]
) -> dict[str, Any]:
    """Return the facts of a host as they will be with the maintenance `given`.

    `given` has site, on, allow and retry_after. Its faults are added to `faults`.
    """
    if not given:
        return dict(host)
    name, present = given.get("site") or "", [site["name"] for site in sites if site["state"] == "present"]
    if name not in present:
        known = f"there is no site {shown(name)}{nearest(name, present)}" if name else f"one of {', '.join(present)}"
        faults.append(f"maintenance_site: {known}")
    elif name not in host.get("sites", []):
        faults.append(f"maintenance_site: nginx has no site {name!r} on this host; run pyweb.stack.site first")
    found = {}
    for key, check, default in (("on", boolean, None), ("allow", list_of(network), []), ("retry_after", _SECONDS, 0)):
        value = given.get(key)
        try:
            found[key] = check(_WORDS.get(str(value).lower(), value) if key == "on" else value or default)
        except Wrong as wrong:
            variable = "maintenance" if key == "on" else f"maintenance_{key}"
            faults.append(f"{variable} is {shown(value)}; expected {wrong.wanted}" + (wrong.fix and f"; {wrong.fix}"))
    others = {other: settings for other, settings in host.get("maintenance", {}).items() if other != name}
    if found.get("on"):
        others[name] = {"allow": found.get("allow", []), "retry_after": found.get("retry_after") or RETRY_AFTER}
    return {**host, "maintenance": others}


def kept(sites: Sequence[Site], given: Mapping[str, Any]) -> set[str]:
    """Return the names of the sites whose files are not changed: those that failed, or are not `given`'s."""
    alone = given.get("site")
    return {site["name"] for site in sites if site.get("kept") or alone not in (None, site["name"])}


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_SECONDS = integer(0, 604800)


def wanted(sites: Sequence[Site], host: Mapping[str, Any], kept: set[str]) -> list[dict[str, Any]]:
    """Return the `files` of `config_set` for all sites; those of sites that are `kept` are not changed.

    Files that are not needed any more are removed. Of the users, only the path is known here.
    """
    result, stays = [], set()
    present = [site for site in sites if site["state"] == "present"]
    servers = {group[0]["name"] for group in sharing(present)}
    for site in present:
        name = site["name"]
        own = list(_of_site(site, host.get("maintenance", {}).get(name)))
        stays |= {file["path"] for file in own}
        if site["nginx"]["basic_auth"] and name in servers:
            stays.add(names.beside_site(name, "htpasswd"))
        result += [] if name in kept else [{**file, "of": name} for file in own]
    named = {site["name"] for site in sites} - kept
    doomed = [path for path in host.get("site_files", []) if os.path.basename(path).partition(".")[0] in named]
    return [*result, *(removal(path) for path in doomed if path not in stays)]


def removal(path: str) -> dict[str, Any]:
    """Return the removal of one of these files."""
    name, _dot, what = os.path.basename(path).partition(".")
    note = {"note": f"site '{name}': maintenance is over"} if what == "maintenance" else {}
    return {"path": path, "state": "absent", "marked": names.MARK, "prune": True, **note}


def _of_site(site: Site, maintenance: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    name = site["name"]
    for status, page in extras.pages(site, maintenance).items():
        if not page.startswith("/"):
            # At the front, so that a truncated page has it too.
            text = f"<!--\n# {names.MARK}\n-->\n{page.rstrip()}\n"
            yield {"path": names.beside_site(name, f"{status}.html"), "content": text}
    if maintenance is not None:
        text = f"# {names.MARK}: maintenance of site {name}, see pyweb.stack.maintenance.\n{json.dumps(maintenance)}\n"
        allowed = f", except {', '.join(maintenance['allow'])}" if maintenance.get("allow") else ""
        note = f"site '{name}': maintenance is on; visitors get 503{allowed}"
        yield {"path": names.beside_site(name, "maintenance"), "content": text, "note": note}


def _settings(text: str) -> dict[str, Any]:
    """Return the maintenance of a site; of a hand-written file, only what is valid."""
    try:
        found = json.loads(text.partition("\n")[2])
        return {"allow": list_of(network)(found["allow"]), "retry_after": _SECONDS(found["retry_after"])}
    except (ValueError, KeyError, TypeError):
        return {"allow": [], "retry_after": RETRY_AFTER}
