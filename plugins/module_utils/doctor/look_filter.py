# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask nft, iptables and ip6tables what the packet filter was told. Only what lists is run, nothing that changes."""

from __future__ import annotations

import glob
import ipaddress
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..host.files import read_or_empty
from . import ask, filter_iptables, filter_nft
from .evidence_filter import Chain, PacketFilter

# The tables that iptables makes in nft: iptables-save tells of them what nft cannot.
_SHARED = ("filter", "nat", "mangle", "raw", "security")
# Where firewalld is installed, nft itself may be missing and its library there.
_LIBRARY = """\
import nftables, sys
nft = nftables.Nftables()
nft.set_json_output(sys.argv[1] == "json")
nft.set_handle_output(True)
status, out, err = nft.cmd("list ruleset")
print(out or err)
sys.exit(1 if status else 0)
"""
_PYTHON = "/usr/bin/python3"
_BINDINGS = ("/usr/lib/python3/dist-packages/nftables", "/usr/lib/python3.*/site-packages/nftables")
_LEGACY = {"iptables-legacy": "/proc/net/ip_tables_names", "ip6tables-legacy": "/proc/net/ip6_tables_names"}


def look_at_filter(addresses: Sequence[str], timeout: float = ask.COMMAND_TIMEOUT) -> PacketFilter:
    """Return all chains that any of the programs tells of."""
    found = PacketFilter(outer=outer_interfaces(read_or_empty("/proc/net/route"), addresses))
    commands = {
        "nft": ["nft", "--json", "list", "ruleset"],
        "words": ["nft", "--handle", "list", "ruleset"],
        "iptables": ["iptables-save"],
        "ip6tables": ["ip6tables-save"],
        **{tool: [f"{tool}-save"] for tool in _LEGACY},
    }
    if not ask.installed("nft") and any(glob.glob(pattern) for pattern in _BINDINGS):
        commands |= {"nft": [_PYTHON, "-I", "-c", _LIBRARY, "json"], "words": [_PYTHON, "-I", "-c", _LIBRARY, "text"]}
    wanted = {name: argv for name, argv in commands.items() if _may_ask(name, argv[0])}
    with ThreadPoolExecutor(6) as pool:
        jobs = {name: pool.submit(ask.run, argv, timeout) for name, argv in wanted.items()}
        said = {name: job.result() for name, job in jobs.items()}
    failed = [f"{name}: {ran.err.strip()[:200]}" for name, ran in said.items() if ran.status != 0]
    texts = {name: ran.out for name, ran in said.items() if ran.status == 0}
    for tool in ("iptables", "ip6tables", *_LEGACY):
        if tool in texts and not _same(tool, texts):
            found.chains += filter_iptables.chains(texts[tool], tool)
    theirs = {(chain.family, chain.table) for chain in found.chains if "legacy" not in chain.tool}
    if "nft" in texts:
        try:
            chains = filter_nft.chains(texts["nft"], texts.get("words", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            failed.append("nft --json list ruleset: what it says is not understood")
        else:
            found.chains += [chain for chain in chains if not _told_better(chain, theirs)]
    found.asked = [name for name in texts if name != "words"]
    found.unasked = failed[0] if failed else "" if wanted else "neither nft nor iptables is installed"
    return found


def outer_interfaces(routes: str, addresses: Sequence[str]) -> list[str]:
    """Return the interfaces of the default route; where there is none, that of the host's first address."""
    lines = [line.split() for line in routes.splitlines()[1:]]
    lines = [words for words in lines if len(words) > 7]
    found = [words[0] for words in lines if words[1] == words[7] == "00000000"]
    if not found and addresses and ":" not in addresses[0]:
        own = int(ipaddress.ip_address(addresses[0]))
        found = [words[0] for words in lines if _number(words[1]) == own & _number(words[7])]
    return list(dict.fromkeys(found))


def _number(text: str) -> int:
    """Return an address of /proc/net/route as a number; it is in the machine's byte order, little-endian."""
    return int.from_bytes(int(text, 16).to_bytes(4, "little"), "big")


def _may_ask(name: str, program: str) -> bool:
    """Return whether to run a program: that of old tables only where there are such, or it would make them."""
    if name in _LEGACY and not read_or_empty(_LEGACY[name]).strip():
        return False
    return ask.installed(program)


def _same(tool: str, texts: dict[str, str]) -> bool:
    """Return whether what iptables-save prints are the old tables, which iptables-legacy-save prints as well."""
    legacy = texts.get(f"{tool}-legacy")
    return legacy is not None and bool(legacy.strip()) and "(nf_tables)" not in texts[tool]


def _told_better(chain: Chain, theirs: set[tuple[str, str]]) -> bool:
    return chain.table in _SHARED and (chain.family, chain.table) in theirs
