# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packet filters of a host other than firewalld: ufw, services that load rules, rules in the kernel."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..model.layout import PORTS_TABLE
from .files import read_link, read_or_empty

# Executes an argument list; returns (status, output, errors), like a module's `run_command`.
Run = Callable[[Sequence[str]], tuple[int, str, str]]

# They load an administrator's rules when they start. ufw's service does so only if ufw.conf enables it.
LOADERS = ("nftables", "netfilter-persistent", "iptables", "ip6tables", "shorewall")
UFW = "/etc/ufw/ufw.conf"
# firewalld depends on nft's library and its Python binding, but not always on nft.
BINDING = "/usr/lib*/python3*/*-packages/nftables/__init__.py"
LIST = "import nftables; nft = nftables.Nftables(); nft.set_json_output(True); print(nft.cmd('list ruleset')[1])"
MASK = "/etc/systemd/system/firewalld.service"
# Programs that add their own rules and work beside firewalld: containers, virtual machines and lists of blocked
# addresses. Their chains and tables have their name, or their rules a bridge of theirs. ufw leaves empty chains when it
# is disabled; its file tells whether it filters.
GUESTS = r"docker|netavark|podman|cni|libvirt|lxc|lxd|incus|f2b|fail2ban|crowdsec|sshguard|ufw"
GUEST_CHAIN = re.compile(rf"(?i)^(inet_|ip6?_)?({GUESTS})")
GUEST_RULE = re.compile(
    rf'(?i)["\s](({GUESTS})[\w-]*|(docker|virbr|lxcbr|lxdbr|incusbr|cni-?podman|podman)\d+|br-[0-9a-f]{{12}})(["\s]|$)'
)


def packet_filters(run: Run, services: dict[str, dict[str, bool]]) -> list[str]:
    """Return the packet filters in a few words each, the one that an administrator would name first.

    `services` tells whether LOADERS run and start at boot.
    """
    found = []
    if re.search(r"(?mi)^\s*ENABLED\s*=\s*[\"']?yes", read_or_empty(UFW)):
        found.append("ufw is active")
    for name in LOADERS:
        state = services.get(name, {})
        if state.get("active") or state.get("enabled"):
            found.append(f"{name}.service {'runs' if state.get('active') else 'starts at boot'}")
    if read_link(MASK) == os.devnull:
        found.append("firewalld.service is masked")
    # ufw's rules and those that a service loaded are named already.
    return found or sorted({f"the kernel has rules in {table}" for table in rules_of_others(run)})


def rules_of_others(run: Run) -> list[str]:
    """Return the tables with rules that are neither firewalld's nor of GUESTS, such as 'ip filter'."""
    found = []
    status, out, _err = run(["nft", "--json", "list", "ruleset"])
    if status and glob.glob(BINDING):
        status, out, _err = run(["/usr/bin/python3", "-c", LIST])
    if status == 0:
        found += _of_nft(json.loads(out)["nftables"])
    legacy = read_or_empty("/proc/net/ip_tables_names") + read_or_empty("/proc/net/ip6_tables_names")
    # Without nft, there may still be the iptables that works with nf_tables.
    if status or legacy.strip():
        for program in ("iptables-save", "iptables-legacy-save", "ip6tables-save", "ip6tables-legacy-save"):
            status, out, _err = run([program])
            if status == 0:
                found += _of_iptables(out, "ip6" if program.startswith("ip6") else "ip")
    return list(dict.fromkeys(found))


def _of_nft(objects: Iterable[dict[str, Any]]) -> list[str]:
    """Return the tables of a ruleset of nft (libnftables-json(5))."""
    entries = [content for entry in objects for content in entry.items()]
    chains = [content for kind, content in entries if kind == "chain"]
    guests = {(chain["family"], chain["table"]) for chain in chains if GUEST_CHAIN.match(chain["name"])}
    found = []
    for kind, content in entries:
        table = (content.get("family"), content.get("table"))
        if kind not in ("chain", "rule") or _is_known(str(table[1])):
            continue
        if kind == "chain":
            # Docker has its own reason to drop forwarded packets.
            theirs = content.get("hook") == "forward" and table in guests
            other = content.get("policy") == "drop" and not theirs
        else:
            other = not _of_guest(content["chain"], json.dumps(content.get("expr", [])))
        if other:
            found.append(" ".join(map(str, table)))
    return found


def _is_known(table: str) -> bool:
    """Return whether a table is firewalld's, a guest's, or ours, which keeps local accounts from uWSGI's ports."""
    return table == "firewalld" or table.startswith(PORTS_TABLE) or GUEST_CHAIN.match(table) is not None


def _of_iptables(saved: str, family: str) -> list[str]:
    """Return the tables in the output of iptables-save(8)."""
    found, table = [], ""
    has_guests = re.search(rf"(?mi)^:({GUESTS})", saved) is not None
    for line in saved.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = f"{family} {line[1:].strip()}"
        elif line.startswith(":"):
            if words[1] == "DROP" and not (words[0] == ":FORWARD" and has_guests):
                found.append(table)
        elif line.startswith("-A") and not _of_guest(words[1], line):
            found.append(table)
    return found


def _of_guest(chain: str, rule: str) -> bool:
    return GUEST_CHAIN.match(chain) is not None or GUEST_RULE.search(rule) is not None
