# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of the kernel's packet filter, from nft, iptables or ufw, in one form."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Test:
    """One condition of a rule.

    `kind` is iif, oif, nfproto, proto, dport, sport, saddr, daddr, saddrtype, daddrtype, state, flags, always, never,
    some (a few packets of an unknown kind) or maybe (unknown). `values` are alternatives, as
    text: 'eth0', 'eth*', 'tcp', '80', '8000-8010', '192.0.2.0/24', 'established'; of flags a mask and what it has to
    leave, as numbers.
    """

    __test__ = False  # pytest must not collect it

    kind: str
    values: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True)
class Rule:
    """One rule. `verdict` is accept, drop, jump, goto, return, redirect, away, unsure, or '' where it goes on.

    `target` is the chain of a jump, or the port of a redirect. `handle` is nft's number of the rule.
    """

    text: str
    tests: tuple[Test, ...] = ()
    verdict: str = ""
    target: str = ""
    handle: int = 0


@dataclass
class Chain:
    """One chain. `tool` shows it: nft, iptables or ip6tables. `hook` is '' where only other chains lead to it."""

    tool: str
    family: str
    table: str
    name: str
    hook: str = ""
    priority: int = 0
    policy: str = "accept"
    devices: tuple[str, ...] = ()
    rules: list[Rule] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.tool, self.family, self.table, self.name)


@dataclass
class PacketFilter:
    """All chains; `outer` are the interfaces of the default route, `asked` the programs that told of chains.

    `unasked` is the reason if they could not be listed.
    """

    outer: list[str] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    unasked: str = ""
