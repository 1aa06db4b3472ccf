# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts of a run have sites, and what is said of the others. Nothing here connects to a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# To read the variables of a host takes some milliseconds: of more hosts than this it is not worth a hint.
HINT_MAX = 200


def without_sites(hostvars: Any, hosts: Sequence[str]) -> list[str]:
    """Return those of the hosts whose `web_sites` is unset or empty."""
    return [host for host in hosts if not has_sites(hostvars, host)]


def has_sites(hostvars: Any, host: str) -> bool:
    """Say whether a host's `web_sites` is set and not empty. What is no list counts: the check refuses it."""
    given = hostvars.raw_get(host).get("web_sites")
    if isinstance(given, str):
        try:
            given = hostvars[host]["web_sites"]
        except Exception:  # whatever is wrong with a template: the check of the sites says so, with all its words
            return True
    return given is not None and given != []


def forgotten(task_vars: Mapping[str, Any], hosts: Sequence[str]) -> list[str]:
    """Return the hosts that have sites and are not in the group `web`, which the playbooks take where there is one."""
    named = "web_hosts" in task_vars or "ansible_limit" in task_vars
    if named or "web" not in task_vars["groups"]:
        return []
    others = [host for host in task_vars["groups"]["all"] if host not in hosts]
    if len(others) > HINT_MAX:
        return []
    return [host for host in others if has_sites(task_vars["hostvars"], host)]


def lines(skipped: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return what is told of hosts without sites and of those that were forgotten, one line a host."""
    return [
        *(f"{host}: not touched, it has no sites (web_sites is unset or empty)" for host in skipped),
        *(f"{host}: not touched, it has web_sites but is not in the group web; see web_hosts" for host in others),
    ]


def warning(skipped: Sequence[str], hosts: Sequence[str]) -> str:
    """Return what is said where nobody has sites, '' where somebody has."""
    if len(skipped) < len(hosts):
        return ""
    many = f"none of the {len(hosts)} hosts of this run has" if len(hosts) > 1 else f"{hosts[0]} has no"
    return f"{many} sites, so nothing was done: web_sites is unset or empty; set it in group_vars or host_vars"
