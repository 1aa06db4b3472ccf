# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses of this host."""

from __future__ import annotations

import contextlib
import re
import socket

from .files import read_or_empty


def own_addresses() -> list[str]:
    """Return the addresses of this host without loopback, the one that it uses for outgoing connections first."""
    local = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", read_or_empty("/proc/net/fib_trie"))
    first = ""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # RFC 5737: an address that nobody has; connecting UDP sends nothing
        first = probe.getsockname()[0]
    found = [address for address in dict.fromkeys([first, *local]) if address and not address.startswith("127.")]
    for line in read_or_empty("/proc/net/if_inet6").splitlines():
        text = line.split()[0]
        address = ":".join(text[start : start + 4] for start in range(0, 32, 4))
        if not text.startswith("fe80") and text != "0" * 31 + "1":
            found.append(socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address)))
    return found
