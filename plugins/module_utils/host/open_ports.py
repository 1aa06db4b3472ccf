# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ports that other hosts can reach if no firewall blocks them, with the process of each."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence

from . import processes
from .files import read_or_empty

# Executes an argument list; returns (status, output, errors), like a module's `run_command`.
Run = Callable[[Sequence[str]], tuple[int, str, str]]

# How a host finds its network and its neighbours: DHCP's client, DHCPv6's, mDNS, LLMNR. A firewall allows answers to
# requests of the host, and the rest is for the local network only.
LOCAL_PORTS = {"68/udp", "546/udp", "5353/udp", "5355/udp", "5355/tcp"}
# The states of sockets without a peer (include/net/tcp_states.h): TCP_LISTEN, and TCP_CLOSE for UDP.
LISTENING = {"tcp": "0A", "udp": "07"}


def open_ports(run: Run, table: dict[int, processes.Process], proc: str = processes.PROC) -> list[dict[str, str]]:
    """Return {port: '8443/tcp', process: 'python3 (pid 77, app.service)', unit} of each, ordered by port.

    Sockets on loopback addresses are left out, and so are LOCAL_PORTS with the other ports of their processes. `table`
    is the table of processes. `unit` is the process's service; if systemd itself listens, the socket unit.
    """
    sockets = [socket for name in ("tcp", "tcp6", "udp", "udp6") for socket in _sockets(proc, name)]
    processes.find_owners([listener for _protocol, listener in sockets], table, proc)
    units = _socket_units(run) if any(listener.pids == [1] for _protocol, listener in sockets) else {}
    neighbours = {pid for protocol, one in sockets if _port(protocol, one) in LOCAL_PORTS for pid in one.pids}
    found = {}
    for protocol, listener in sockets:
        port = _port(protocol, listener)
        local = port in LOCAL_PORTS or (protocol == "udp" and neighbours.intersection(listener.pids))
        if local or _is_loopback(listener.address) or port in found:
            continue
        # Workers inherit a socket from their master, and a service from systemd.
        holder = table[min(listener.pids, key=lambda pid: (pid == 1, pid))] if listener.pids else None
        unit = units.get(port, "") if listener.pids == [1] else holder.unit if holder else ""
        found[port] = {"port": port, "process": _described(holder, unit), "unit": unit}
    return [found[port] for port in sorted(found, key=lambda port: (int(port.partition("/")[0]), port))]


def _sockets(proc: str, name: str) -> list[tuple[str, processes.Listener]]:
    """Return the sockets of /proc/net/`name` that accept any peer, with their protocol (proc(5))."""
    protocol = name[:3]
    found = []
    for line in read_or_empty(f"{proc}/net/{name}").splitlines()[1:]:
        words = line.split()
        nobody = set(words[2]) <= set("0:")
        if words[3] == LISTENING[protocol] and nobody:
            found.append((protocol, processes.Listener(processes.address(words[1]), int(words[9]))))
    return found


def _port(protocol: str, listener: processes.Listener) -> str:
    return f"{listener.port}/{protocol}"


def _is_loopback(address: str) -> bool:
    host = ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    mapped = getattr(host, "ipv4_mapped", None)
    return bool((mapped or host).is_loopback)


def _described(process: processes.Process | None, unit: str) -> str:
    """Return the name of a process and its unit; not its arguments, which may contain a password."""
    if process is None:
        return "no visible process"
    if process.pid == 1:
        return f"{process.name} ({unit or 'pid 1'})"
    return f"{process.name} (pid {process.pid}{', ' if unit else ''}{unit})"


def _socket_units(run: Run) -> dict[str, str]:
    """Return the socket units by the port that systemd holds for them, such as 22/tcp for ssh.socket."""
    status, out, _err = run(["systemctl", "show", "--property=Id,Listen", "--type=socket", "*.socket"])
    found: dict[str, str] = {}
    for block in out.split("\n\n") if status == 0 else []:
        name = re.search(r"(?m)^Id=(.+)$", block)
        for port, kind in re.findall(r"(?m)^Listen=(?:\S*:)?([0-9]+) \((Stream|Datagram)\)$", block):
            found[f"{port}/{'tcp' if kind == 'Stream' else 'udp'}"] = name[1] if name else ""
    return found
