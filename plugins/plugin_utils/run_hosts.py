# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find which hosts of a run have sites, and the messages about the others. Connects to no host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pyweb.stack.plugins.plugin_utils.first_host import is_template, listed_sites

# Reading the variables of a host takes some milliseconds: with more hosts than this, a hint is not worth it.
HINT_MAX = 200


def without_sites(hostvars: Any, hosts: Sequence[str]) -> list[str]:
    """Return those of the hosts whose `web_sites` is unset or empty."""
    return [host for host in hosts if not has_sites(hostvars, host)]


def has_sites(hostvars: Any, host: str) -> bool:
    """Return whether a host's `web_sites` is set and not empty. Also if it is no list: the check refuses it."""
    given = hostvars.raw_get(host).get("web_sites")
    if isinstance(given, str):
        try:
            given = hostvars[host]["web_sites"]
        except Exception:  # the check of the sites reports faulty templates in full
            return True
    return given is not None and given != []


def forgotten(task_vars: Mapping[str, Any], hosts: Sequence[str]) -> list[str]:
    """Return the hosts that have sites and are not in the group `web`, which the playbooks use if it exists."""
    named = "web_hosts" in task_vars or "ansible_limit" in task_vars
    if named or "web" not in task_vars["groups"]:
        return []
    others = [host for host in task_vars["groups"]["all"] if host not in hosts]
    if len(others) > HINT_MAX:
        return []
    return [host for host in others if has_sites(task_vars["hostvars"], host)]


def names_of_several(task_vars: Mapping[str, Any], hosts: Sequence[str]) -> dict[str, list[str]]:
    """Return the domains that several hosts of the inventory have: domain -> hosts.

    Nothing if no site of the run has `acme`: only these need it, and reading the variables of all hosts takes some
    milliseconds for each.
    """
    hostvars = task_vars["hostvars"]
    if not any(_may_have_acme(hostvars.raw_get(host)) for host in hosts):
        return {}
    owners: dict[str, list[str]] = {}
    for host in dict.fromkeys([*hosts, *task_vars["groups"].get("all", ())]):
        for domain in _domains(hostvars, host):
            owners.setdefault(domain, []).append(str(host))
    return {domain: found for domain, found in owners.items() if len(found) > 1}


def _may_have_acme(variables: Mapping[str, Any]) -> bool:
    """Return whether a site of a host may have `acme`, according to its unevaluated variables."""
    given = variables.get("web_sites")
    keys = [variables.get("web_tls"), *(site.get("tls") for site in listed_sites(given))]
    return is_template(given) or any(is_template(tls) or (isinstance(tls, Mapping) and "acme" in tls) for tls in keys)


def _domains(hostvars: Any, host: str) -> set[str]:
    """Return the domains of a host's sites; none if they cannot be evaluated, which the check of the sites reports."""
    given = hostvars.raw_get(host).get("web_sites")
    sites = listed_sites(given)
    if is_template(given) or any(is_template(value) for site in sites for value in _of_domains(site)):
        try:
            sites = listed_sites(hostvars[host]["web_sites"])
        except Exception:  # a faulty template
            return set()
    present = [site for site in sites if site.get("state") != "absent"]
    return {value.lower() for site in present for value in _of_domains(site)[1:] if isinstance(value, str)}


def _of_domains(site: Mapping[str, Any]) -> list[Any]:
    """Return the state of a site and its domains, as in the inventory."""
    given = site.get("domains")
    is_list = isinstance(given, Sequence) and not isinstance(given, (str, bytes))
    return [site.get("state"), *(given if is_list and given else [given])]


def lines(skipped: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the messages about hosts without sites and about forgotten ones, one line for each host."""
    return [
        *(f"{host}: not touched, it has no sites (web_sites is unset or empty)" for host in skipped),
        *(f"{host}: not touched, it has web_sites but is not in the group web; see web_hosts" for host in others),
    ]


def warning(skipped: Sequence[str], hosts: Sequence[str]) -> str:
    """Return the message if no host has sites, '' otherwise."""
    if len(skipped) < len(hosts):
        return ""
    many = f"none of the {len(hosts)} hosts of this run has" if len(hosts) > 1 else f"{hosts[0]} has no"
    return f"{many} sites, so nothing was done: web_sites is unset or empty; set it in group_vars or host_vars"
