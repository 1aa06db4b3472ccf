# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the first host of the inventory that has a site, regardless of `--limit`. Connects to no host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def first_hosts(task_vars: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return, for each of the sites `names`, the first host of the inventory that has it: site name -> host.

    The hosts are those of the group `web`, which the playbooks use, then all others; `--limit` and `web_hosts` do not
    change their order. A site that is in no host's variables (a play may have it in its `vars`) belongs to all hosts of
    the play. Reading the variables of a host takes milliseconds, so no more are read after all sites are found.
    """
    hostvars, groups = task_vars.get("hostvars", {}), task_vars.get("groups", {})
    left, found = dict.fromkeys(names), {}
    for host in dict.fromkeys([*groups.get("web", ()), *groups.get("all", ())]):
        if not left:
            break
        for name in [name for name in left if name in _present(hostvars, host)]:
            found[name] = str(host)
            del left[name]
    play = task_vars.get("ansible_play_hosts_all") or [task_vars.get("inventory_hostname", "")]
    return {**found, **{name: str(play[0]) for name in left}}


def is_first(task_vars: Mapping[str, Any], names: Sequence[str]) -> dict[str, bool]:
    """Return whether the host of a task is the first that has each of the sites: site name -> whether."""
    found = first_hosts(task_vars, names)
    return {name: found[name] == str(task_vars.get("inventory_hostname", "")) for name in names}


def _present(hostvars: Any, host: str) -> set[str]:
    """Return the names of the sites that a host has, without absent ones."""
    raw = hostvars.raw_get(host).get("web_sites")
    sites = listed_sites(raw)
    if raw and (not sites or any(is_template(site.get(key)) for site in sites for key in ("name", "state"))):
        try:
            sites = listed_sites(hostvars[host]["web_sites"]) or sites
        except Exception:  # the check of the sites reports faulty templates on the host that has them
            sites = [site for site in sites if not is_template(site.get("name"))]
    return {str(site["name"]) for site in sites if isinstance(site.get("name"), str) and site.get("state") != "absent"}


def listed_sites(given: Any) -> list[Mapping[str, Any]]:
    """Return the part of a variable that can be sites."""
    listed = given if isinstance(given, Sequence) and not isinstance(given, (str, bytes)) else []
    return [site for site in listed if isinstance(site, Mapping)]


def is_template(value: Any) -> bool:
    """Return whether a value of the inventory is a Jinja template."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)
