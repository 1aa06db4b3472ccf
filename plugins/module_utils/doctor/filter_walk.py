# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Follow a visitor's first packet through the packet filter, as netfilter would. Pure functions.

The visitor is any client: a rule for some addresses does not apply to it. If a rule is not understood, what it might
allow is a doubt, and no fault is reported.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from .evidence_filter import Chain, PacketFilter, Rule, Test

# How surely a rule applies to the visitor: not at all, not known, for some visitors, for most of them, for all.
NO, MAYBE, SOME, MOST, YES = range(5)
# Hosts of containers have thousands of rules; more steps than these mean that there is a loop.
_STEPS_MAX, _DEPTH_MAX = 20000, 16
# netfilter runs `filter` at 0; its hooks in the order in which a packet comes by.
_HOOKS = ("ingress", "prerouting", "input")
_INNER = ("lo", "docker*", "br-*", "veth*", "virbr*", "cni*", "lxc*", "lxd*", "podman*", "flannel*", "cali*")
_SYN, _SYN_ACK = 2, 18
_ANY = ("0.0.0.0/0", "::/0", "0.0.0.0", "::")  # noqa: S104 - what rules say for everybody


@dataclass
class Packet:
    """A packet of a visitor to `port`, or with `answer` the host's first one back. `own` are the host's addresses."""

    port: int
    outer: Sequence[str]
    own: Sequence[str]
    family: str = "ip"
    answer: bool = False


@dataclass
class Walked:
    """What became of it: the chain and rule that drop it, `rule` None where the chain's policy does.

    `limited` are rules that let some visitors in, `doubts` those that perhaps let all in. `away` says that it is handed
    on to somewhere else.
    """

    dropped_in: Chain | None = None
    rule: Rule | None = None
    limited: list[Rule] = field(default_factory=list)
    doubts: list[Rule] = field(default_factory=list)
    away: bool = False

    @property
    def dropped(self) -> bool:
        return self.dropped_in is not None and not self.away and not self.doubts


def walk(found: PacketFilter, packet: Packet) -> Walked:
    """Return what becomes of a packet; of a filter without chains nothing."""
    walker = _Walker(found, packet)
    for hook in ("output", "postrouting") if packet.answer else _HOOKS:
        for chain in sorted((one for one in found.chains if one.hook == hook), key=lambda one: one.priority):
            fits = chain.family in (packet.family, "inet") or (chain.family == "netdev" and _on(chain, packet))
            if fits and walker.walk_base(chain):
                return walker.said
    return walker.said


def _on(chain: Chain, packet: Packet) -> bool:
    return bool(set(chain.devices) & set(packet.outer))


class _Walker:
    def __init__(self, found: PacketFilter, packet: Packet) -> None:
        self.chains = {chain.key: chain for chain in found.chains}
        self.packet, self.port, self.said, self.steps = packet, packet.port, Walked(), 0

    def walk_base(self, chain: Chain) -> bool:
        """Return whether the way ends in this hook's chain."""
        end = self._walk(chain, YES, 0)
        if end == "" and chain.policy == "drop":
            self.said.dropped_in, end = chain, "drop"
        return end == "drop" or self.said.away

    def _walk(self, chain: Chain, sure: int, depth: int) -> str:
        """Return accept, drop, or '' where the chain's end is reached. `sure` is how surely the packet is here."""
        for rule in chain.rules:
            self.steps += 1
            if self.steps > _STEPS_MAX or depth > _DEPTH_MAX:
                self.said.doubts.append(rule)
                return "accept"
            how = min([sure, *(self._holds(test) for test in rule.tests)])
            if how == NO or not rule.verdict:
                continue
            if rule.verdict in ("jump", "goto"):
                target = self.chains.get((chain.tool, chain.family, chain.table, rule.target))
                end = self._walk(target, how, depth + 1) if target else self._unsure(rule)
                if how >= MOST and (end or rule.verdict == "goto"):
                    return end
                continue
            ended = self._verdict(chain, rule, how)
            if ended is not None:
                return ended
        return ""

    def _verdict(self, chain: Chain, rule: Rule, how: int) -> str | None:
        """Return what a rule does that `how` surely is about the packet; None where the way goes on."""
        said = self.said
        if rule.verdict == "drop":
            if how < MOST:
                return None
            said.dropped_in, said.rule = chain, rule
            said.limited += [rule] if how == MOST else []
            return "drop"
        if how == SOME:
            said.limited.append(rule)
            return None
        if how == MAYBE or rule.verdict == "unsure":
            said.doubts.append(rule)
            return "accept" if how >= MOST else None
        if rule.verdict == "redirect":
            self.port = int(rule.target) if rule.target else self.port
        said.away = said.away or rule.verdict == "away"
        return "" if rule.verdict == "return" else "accept"

    def _unsure(self, rule: Rule) -> str:
        self.said.doubts.append(rule)
        return ""

    # --- conditions ---

    def _holds(self, test: Test) -> int:
        found = self._found(test)
        if not test.negated or found == MAYBE:
            return found
        return {NO: YES, SOME: MOST, MOST: SOME, YES: NO}[found]

    def _found(self, test: Test) -> int:
        packet, kind, values = self.packet, test.kind, test.values
        if kind in ("always", "never", "some", "maybe"):
            return {"always": YES, "never": NO, "some": SOME}.get(kind, MAYBE)
        if kind in ("iif", "oif"):
            return self._interface(values) if (kind == "oif") == packet.answer else MAYBE
        if kind in ("dport", "sport"):
            own = (kind == "sport") == packet.answer
            return _port(values, self.port) if own else SOME if any(_wide(one) for one in values) else MAYBE
        if kind in ("saddr", "daddr"):
            return self._near(values) if (kind == "saddr") == packet.answer else _far(values)
        if kind == "flags":
            bits = _SYN_ACK if packet.answer else _SYN
            return YES if bits & int(values[0]) == int(values[1]) else NO
        wanted = {
            "proto": ("tcp", "6", "all", "0"),
            "nfproto": ("ipv4", "ip") if packet.family == "ip" else ("ipv6", "ip6"),
            "state": ("established",) if packet.answer else ("new",),
            "daddrtype": ("unicast", "other") if packet.answer else ("local", "host"),
            "saddrtype": ("local",) if packet.answer else ("unicast",),
        }.get(kind)
        return MAYBE if wanted is None else YES if set(values) & set(wanted) else NO

    def _interface(self, values: Sequence[str]) -> int:
        if not self.packet.outer:
            return NO if set(values) <= {"lo"} else MAYBE
        if any(fnmatch.fnmatchcase(outer, value) for outer in self.packet.outer for value in values):
            return YES
        inner = all(any(fnmatch.fnmatchcase(value, one) for one in _INNER) for value in values)
        return NO if inner else SOME

    def _near(self, values: Sequence[str]) -> int:
        """Return whether the host's own address is among these; not known if it is another one of its own."""
        own = [one for one in self.packet.own if (":" in one) == (self.packet.family == "ip6")]
        if any(value in _ANY for value in values):
            return YES
        if not own:
            return MAYBE
        within = [any(_within(address, value) for value in values) for address in own]
        return YES if within[0] else MAYBE if any(within) else NO


def _port(values: Sequence[str], port: int) -> int:
    for value in values:
        low, _dash, high = value.partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            name = {"http": 80, "https": 443, "http-alt": 8080, "ssh": 22}.get(value)
            if name is None:
                return MAYBE
            low, high = str(name), ""
        if int(low) <= port <= int(high or low):
            return YES
    return NO


def _wide(value: str) -> bool:
    """Return whether a range of the visitor's own ports has those that clients use."""
    low, _dash, high = value.partition("-")
    return low.isdigit() and high.isdigit() and int(low) <= 32768 and int(high) >= 60999


def _far(values: Sequence[str]) -> int:
    """Return which visitors have an address among these."""
    if any(value in _ANY for value in values):
        return YES
    if all(value.startswith("127.") or value in ("::1", "::1/128") for value in values):
        return NO
    return SOME


def _within(address: str, value: str) -> bool:
    try:
        if "-" in value:
            low, _dash, high = value.partition("-")
            number = int(ipaddress.ip_address(address))
            return int(ipaddress.ip_address(low)) <= number <= int(ipaddress.ip_address(high))
        return ipaddress.ip_address(address) in ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
