# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge what the packet filter does to the site's visitors: nft, iptables and ufw, in addition to firewalld."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .evidence import Host, Site
from .evidence_filter import Chain, PacketFilter, Rule
from .fault import ADVICE, BROKEN, DEGRADED, UNKNOWN, Fault, Faults
from .filter_walk import Packet, Walked, walk
from .front import served_inside

_USUAL = (80, 443)


def judge(faults: Faults, site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    """Yield a fault for each port of the site that a packet filter closes, other than firewalld's own tables."""
    found = _without_firewalld(host)
    if not found.chains:
        if not host.firewall.running:
            why = found.unasked or ("" if found.asked else "nothing was checked")
            seen.append(f"it is not known what the packet filter does: {why}" if why else "there is no packet filter")
        return
    ports = sorted({entrance.port for entrance in site.entrances})
    walks = {port: _walked(found, host, port) for port in ports}
    open_ports = {port for port, walked in walks.items() if not walked.dropped}
    for port, walked in walks.items():
        if any(visit.port == port and visit.status for visit in site.visitors.visits):
            seen.append(f"{port}/tcp answered the controller")
        elif not walked.dropped:
            tools = ", ".join(dict.fromkeys(chain.tool for chain in found.chains))
            doubt = ", as far as the doctor understands it" if walked.doubts else ""
            seen.append(f"the packet filter ({tools}) allows {port}/tcp{doubt}")
        elif port not in _USUAL and open_ports & set(_USUAL):
            seen.append(f"{_what(walked, port)}; visitors use another port")
        else:
            fault = _fault(faults, site, host, port, walked, port == 80 and 443 in open_ports)
            seen += [fault.cause] if fault.status == ADVICE else []
            yield fault


def _without_firewalld(host: Host) -> PacketFilter:
    """Return the filter without what firewalld made, where that runs: its zones say what they let in."""
    found, wall = host.packet_filter, host.firewall
    if not wall.running:
        return found
    chains = [chain for chain in found.chains if not (chain.tool == "nft" and chain.table == "firewalld")]
    if any(chain.name == "INPUT_ZONES" for chain in chains):  # its older way, by iptables
        chains = [chain for chain in chains if chain.tool == "nft"]
    return PacketFilter(found.outer, chains, found.asked, found.unasked)


def _walked(found: PacketFilter, host: Host, port: int) -> Walked:
    """Return what becomes of the visitor's first packet, and where that comes in, of the answer."""
    come = walk(found, Packet(port, found.outer, host.addresses))
    if come.dropped_in or come.away or come.doubts:
        return come
    return walk(found, Packet(port, found.outer, host.addresses, answer=True))


# The table of `firewall-cmd --panic-on`.
_PANIC = "firewalld_policy_drop"


def _fault(faults: Faults, site: Site, host: Host, port: int, walked: Walked, other: bool) -> Fault:
    evidence = [_quoted(walked)]
    evidence += [f"allowed: {rule.text}" for rule in walked.limited[:3] if rule is not walked.rule]
    evidence += [visit.said for visit in site.visitors.visits if visit.port == port and not visit.proxied][:1]
    what = _what(walked, port)
    if any(_names(rule, port) for rule in walked.limited):
        cause = f"{what} except for some clients: nobody else can visit the site, which may be intended"
        return faults.fault(
            "firewalld.limited", ADVICE, cause, f"if this is not intended: {_fix(walked, port)}", evidence
        )
    inside = served_inside(site, host)
    if walked.limited or inside:
        who = f"visitors may come through {inside}" if inside else "some addresses or interfaces are allowed"
        cause = (
            f"{what} on the outer interface {_outer(host)}; {who}: the doctor cannot tell whether others should have "
            "access"
        )
        return faults.fault("firewalld.limited", UNKNOWN, cause, f"if they should: {_fix(walked, port)}", evidence)
    if walked.dropped_in and walked.dropped_in.table == _PANIC:
        cause = "firewalld is in panic mode: it drops everything, and visitors get no connection"
        return faults.fault("firewalld.dropped", BROKEN, cause, "firewall-cmd --panic-off", evidence)
    itself = any(entrance.port == port and entrance.answer for entrance in site.entrances)
    cause = f"{what} on the outer interface {_outer(host)}: visitors get no connection"
    cause += ", though the host itself does" if itself else ""
    status = DEGRADED if other else BROKEN
    return faults.fault("firewalld.dropped", status, cause, _fix(walked, port), evidence)


def _outer(host: Host) -> str:
    return ", ".join(host.packet_filter.outer) or "(unknown)"


def _what(walked: Walked, port: int) -> str:
    chain = walked.dropped_in
    if chain is None:
        return f"a packet filter drops {port}/tcp"
    way = "the answers of " if chain.hook in ("output", "postrouting") else ""
    who = "ufw" if _by_ufw(chain) else chain.tool
    by = "a rule" if walked.rule else f"the policy {chain.policy}"
    return f"a packet filter ({who}) drops {way}{port}/tcp by {by} of chain {chain.name} in table {_table(chain)}"


def _quoted(walked: Walked) -> str:
    chain, rule = walked.dropped_in, walked.rule
    if chain is None:
        return ""
    where = f"{chain.tool}, table {_table(chain)}, chain {chain.name}"
    if rule is None:
        number = len({rule.handle or rule.text for rule in chain.rules})
        return f"{where}: policy {chain.policy}, and none of its {number} rules allows the port"
    return f"{where}: {rule.text}" + (f" # handle {rule.handle}" if rule.handle else "")


def _table(chain: Chain) -> str:
    return f"{chain.family} {chain.table}" if chain.tool == "nft" else chain.table


def _by_ufw(chain: Chain) -> bool:
    """Return whether ufw made a chain, or filled it: its policies are in the built-in ones."""
    return chain.name.startswith("ufw") or any(rule.target.startswith("ufw") for rule in chain.rules)


def _names(rule: Rule, port: int) -> bool:
    """Return whether a rule is about this port, and not about certain clients."""
    numbers = [value for test in rule.tests if test.kind in ("dport", "sport") for value in test.values]
    return any(_holds(value, port) for value in numbers)


def _holds(value: str, port: int) -> bool:
    found = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", value)
    return bool(found) and int(found[1]) <= port <= int(found[2] or found[1]) if found else False


def _fix(walked: Walked, port: int) -> str:
    chain, rule = walked.dropped_in, walked.rule
    if chain is None:
        return "look for the rule with nft list ruleset or iptables-save"
    answers = chain.hook in ("output", "postrouting")
    if _by_ufw(chain):
        return f"ufw allow {'out ' if answers else ''}{port}/tcp"
    mine = rule is not None and _about(rule, port)
    side = "sport" if answers else "dport"
    if chain.tool == "nft":
        place = f"{chain.family} {chain.table} {chain.name}"
        keep = "and the same in the file that loads it, such as /etc/nftables.conf"
        if mine and rule is not None:
            return f"nft delete rule {place} handle {rule.handle}, {keep}"
        return f"nft insert rule {place} tcp {side} {port} accept, {keep}"
    program = chain.tool.partition("-")[0] if "legacy" not in chain.tool else chain.tool
    table = "" if chain.table == "filter" else f"-t {chain.table} "
    keep = "then keep it: netfilter-persistent save (Debian), service iptables save (Red Hat)"
    if mine and rule is not None:
        return f"{program} {table}{rule.text.replace('-A ', '-D ', 1)}, {keep}"
    return f"{program} {table}-I {chain.name} -p tcp --{side} {port} -j ACCEPT, {keep}"


def _about(rule: Rule, port: int) -> bool:
    """Return whether a rule drops this port alone."""
    values: Sequence[str] = [value for test in rule.tests if test.kind in ("dport", "sport") for value in test.values]
    return values in ([str(port)], ["http"] if port == 80 else ["https"] if port == 443 else [])
