# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers in front of nginx in its files: which it trusts, and where they use the PROXY protocol."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from ..nginx import match
from ..nginx.dump import Config

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Proxies:
    """`trusted` are the networks that nginx trusts about a client; `spoken` the listeners with the PROXY protocol."""

    trusted: tuple[Network, ...]
    spoken: frozenset[str]

    @classmethod
    def of(cls, config: Config, servers: Sequence[match.Server]) -> Proxies:
        """Return the load balancers in a configuration of the `servers` of one site."""
        words = [
            word for server in servers for given in server.chain[-1].all("set_real_ip_from") for word in given.args
        ]
        trusted: list[Network] = []
        for word in words:
            with contextlib.suppress(ValueError):  # `unix:`
                trusted.append(ipaddress.ip_network(word, strict=False))
        # One `listen` applies to every server of an address.
        spoken = {
            str(match.listen(given.args))
            for server in match.servers(config)
            for given in server.chain[-1].all("listen")
            if "proxy_protocol" in given.args
        }
        return cls(tuple(trusted), frozenset(spoken))

    def trust(self, address: str) -> bool:
        return any(ipaddress.ip_address(address) in network for network in self.trusted)

    def first(self, addresses: Sequence[str]) -> list[str]:
        """Return addresses of this host, first those that nginx trusts; a loopback one if it trusts that."""
        loopback = [address for address in LOOPBACK if self.trust(address)]
        return sorted([*addresses, *loopback], key=lambda address: not self.trust(address))
