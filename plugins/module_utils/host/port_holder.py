# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a program cannot listen on a port: which process has it."""

from __future__ import annotations

import re

from . import processes

# bind() of nginx and uWSGI, and of programs that quote the kernel alone.
_TAKEN = re.compile(r":(?P<port>[0-9]+)\b.*(?:Address already in use|failed \(98:)")
_FORBIDDEN = re.compile(r"bind\(\) to \S*:(?P<port>[0-9]+) failed \(13:")


def explained(line: str) -> str:
    """Return an error with the process that has the port it is about; any other line as it is."""
    taken, forbidden = _TAKEN.search(line), _FORBIDDEN.search(line)
    if taken:
        port = int(taken["port"])
        found = holder(port)
        who = f"port {port} is taken by {found}" if found else f"another process has port {port}"
        return f"{line}: {who}; stop that process (ss -ltnp 'sport = :{port}'), or let one of the two use another port"
    if forbidden:
        port = int(forbidden["port"])
        return f"{line}; where SELinux is on: semanage port -a -t http_port_t -p tcp {port}"
    return line


def holder(port: int, proc: str = processes.PROC) -> str:
    """Return the process that listens on a TCP port, in words; '' where none does or nobody can see it."""
    table = processes.processes(proc)
    for listener in processes.listeners(proc, table):
        for pid in listener.pids:
            if listener.port == port and pid in table:
                return str(table[pid])
    return ""
