# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restrict the TCP ports of a site to root and nginx's group, like its unix socket.

A table of nftables does this. A unit of the site loads it before systemd opens the ports, and removes it with them.
firewalld does not change the tables of others, a restart of nftables.service restarts the unit, and the next run
notices rules that were flushed by hand. It needs libnftables, which firewalld depends on; on a new host, that is
installed while the release is made, so the unit retries for some minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..host import accounts
from ..host.shell import Shell
from ..model.layout import Layout

# Loads the table of a site, says whether it is there, or deletes it: what to do, the table, the directory whose group
# may connect, the ports. On one line, as a unit has it. What a host sends to itself goes over lo, whatever address it
# is for. A table is declared before it is deleted, so that there is one.
_PROGRAM = (
    "import ctypes, grp, os, pwd, sys; "
    "what, table, folder, *ports = sys.argv[1:]; "
    "library = ctypes.CDLL('libnftables.so.1'); "
    "library.nft_ctx_new.restype = ctypes.c_void_p; "
    "context = ctypes.c_void_p(library.nft_ctx_new(0)); "
    "group = lambda: os.stat(folder).st_gid; "
    "users = lambda: ['0', *(str(pwd.getpwnam(name).pw_uid) for name in grp.getgrgid(group()).gr_mem)]; "
    "rule = lambda: 'oifname lo tcp dport { ' + ', '.join(ports) + ' } meta skuid != { ' + ', '.join(users()) "
    "+ ' } meta skgid != ' + str(group()) + ' reject with icmpx admin-prohibited'; "
    "chain = lambda: '{ chain output { type filter hook output priority 0; ' + rule() + '; }; }'; "
    "gone = 'table ' + table + '; delete table ' + table + '; '; "
    "rules = {'list': lambda: 'list table ' + table, 'delete': lambda: gone, "
    "'load': lambda: gone + 'table ' + table + ' ' + chain()}; "
    "sys.exit(library.nft_run_cmd_from_buffer(context, rules[what]().encode()) != 0)"
)
# What Python ends with where there is no library says so; nftables ends with nothing but its own message.
_NO_LIBRARY = "libnftables.so.1"


def command(layout: Layout, what: str, addresses: Sequence[str] = ()) -> list[str]:
    """Return the command for `load`, `list` or `delete` of the table of a site."""
    ports = sorted(address.rpartition(":")[2] for address in addresses)
    words = ["/usr/bin/python3", "-I", "-S", "-c", _PROGRAM, what, f"inet {layout.ports_identifier}"]
    return [*words, layout.run, *ports]


def is_limited(shell: Shell, layout: Layout) -> bool:
    """Return whether the table is loaded. If it cannot be, nothing has to be done."""
    why = _why_not(shell, layout)
    return not why or _NO_LIBRARY in why


def unlimited(shell: Shell, layout: Layout, addresses: Sequence[str]) -> str:
    """Return why every account of the host can connect to the ports; '' if it cannot, or only for a moment."""
    why = _why_not(shell, layout) if addresses else ""
    # Before nginx is there, the packages of the host are still being installed.
    if not why or not accounts.nginx_account()[0]:
        return ""
    reason = "the host has no libnftables" if _NO_LIBRARY in why else f"see journalctl --unit {layout.ports_unit}"
    return f"every account of the host can send requests to {', '.join(addresses)}, past nginx: {reason}"


def _why_not(shell: Shell, layout: Layout) -> str:
    done = shell.run("ports", command(layout, "list"), timeout=60, check=False)
    return (done.stderr.strip() or "no table") if done.returncode else ""
