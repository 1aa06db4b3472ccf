# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which host of the inventory is the first that has a site: it does what one of several hosts does.

Of the whole inventory, not of the hosts of a run: with --limit it is the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


def others(task_vars: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Return site name -> the first host that has it, of those sites whose first host is another one than this."""
    here = str(task_vars.get("inventory_hostname", ""))
    groups = task_vars.get("groups") or {}
    found: dict[str, str] = {}
    undecided = set(names)
    for host in plain(groups.get("all") or []):
        if host == here or not undecided:
            break  # the rest is this host's
        here_too = undecided & _sites(task_vars, host)
        found.update(dict.fromkeys(here_too, host))
        undecided -= here_too
    return found


def _sites(task_vars: Mapping[str, Any], host: str) -> set[str]:
    """Return the names of a host's sites. A list that cannot be read, such as one that needs facts, has none."""
    hostvars = task_vars["hostvars"]
    try:
        given = hostvars.raw_get(host).get("web_sites")
        if given is None:
            return set()
        sites = plain(hostvars[host]["web_sites"])
        return {
            str(site["name"])
            for site in sites
            if isinstance(site, Mapping) and "name" in site and site.get("state", "present") == "present"
        }
    except Exception:  # whatever is wrong with a template: a run on that host says so, with all its words
        return set()
