# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collect facts about nginx on a host: its configuration, who wrote it, and who holds the ports.

Everything is read from the files. `nginx -T` prints the same, but opens logs and sockets for it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable
from typing import Any

from ..host import accounts, processes
from ..host.files import head, read_or_empty
from ..model.layout import KEPT
from . import dump, match, site_files
from .names import DEFAULT_FILE, DEFAULT_LINK, DEFAULT_LINKED, DROP_IN, ETC, HTTP_FILE, MAIN, MARK

UNIT = "nginx.service"
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")

# Lists the configuration files of packages with their digests. Several packages have names like nginx-something.
_DPKG = ["dpkg-query", "--show", "--showformat", "${Conffiles}\\n", "nginx*"]
_RPM = ["rpm", "--query", "--queryformat", "[%{FILENAMES} %{FILEDIGESTS}\\n]", "--file"]


def look(module: Any) -> dict[str, Any]:
    """Return the facts, which `beside.py` and `conflicts.py` read. `module` runs the host's own tools."""
    held = held_ports()
    found: dict[str, Any] = {
        "main": "absent",
        "sites_enabled": os.path.isdir(os.path.dirname(DEFAULT_LINK)),
        "sites": sorted(_own_sites()),
        "kept": _kept(),
        "taken": [holder for holder in held if not holder.pop("nginx")],
        "default_link": os.path.lexists(DEFAULT_LINK),
        "packaged_defaults": [],
        "foreign_files": [],
        "beside": False,
        "limit_nofile": _limits_descriptors(),
        **site_files.state(),
    }
    if not os.path.isfile(MAIN):
        return found
    packaged = packaged_files(module)
    defaults = [path for path in (DEFAULT_LINK, DEFAULT_FILE) if _is_packaged_default(path, packaged)]
    main = "ours" if is_ours(MAIN) else "packaged" if MAIN in packaged else "foreign"
    user, group = accounts.nginx_account(MAIN)
    beside = [f"{ETC}/{folder}/{HTTP_FILE}" for folder in ("conf.d", "sites-enabled")]
    found.update(
        main=main,
        user=user,
        group=group,
        packaged_defaults=defaults,
        beside=main != "ours" and any(is_ours(path) for path in beside),
    )
    try:
        config = dump.read_files(MAIN)
    except dump.DumpError as error:
        return {**found, "unread": [str(error)]}
    return {**found, **_of_config(config, defaults, {holder["port"] for holder in held if holder["ipv6"]})}


def is_ours(path: str) -> bool:
    """Return whether the first lines of a file contain the mark of this collection."""
    return bool(re.search(rf"(?m)^#.*\b{re.escape(MARK)}\b", head(path)))


def packaged_files(module: Any) -> set[str]:
    """Return those of nginx's own files that are unchanged since the package installed them."""
    wanted = [path for path in (MAIN, DEFAULT_LINKED, DEFAULT_FILE) if os.path.isfile(path) and not is_ours(path)]
    if not wanted:
        return set()
    argv = _DPKG if module.get_bin_path("dpkg-query") else [*_RPM, *wanted]
    if not module.get_bin_path(argv[0]):
        return set()
    digests = dict(re.findall(r"(?m)^ ?(/\S+) ([0-9a-f]{32,128})\b", module.run_command(argv)[1]))
    return {path for path in wanted if path in digests and _digest(path, len(digests[path])) == digests[path]}


def held_ports(proc: str = processes.PROC) -> list[dict[str, Any]]:
    """Return the listener of each TCP port: address, port, name, pid and unit; `nginx` for nginx's service.

    `ipv6` means that nginx's service listens there on an IPv6 address. The pid is 0 if /proc does not show it.
    """
    table = processes.processes(proc)
    found = []
    for listener in processes.listeners(proc, table):
        if not listener.port:
            continue
        # systemd also holds the sockets that it opened for a service.
        pids = sorted(listener.pids, key=lambda pid: (pid == 1, pid))
        holder = table[pids[0]] if pids else None
        address = listener.address.rpartition(":")[0]
        # An nginx started by hand, or in a container, blocks the service like any other program.
        nginx = holder is not None and holder.unit == UNIT
        found.append(
            {
                "address": address.strip("[]"),
                "port": listener.port,
                "name": holder.name if holder else "",
                "pid": holder.pid if holder else 0,
                "unit": holder.unit if holder else "",
                "nginx": nginx,
                "ipv6": nginx and address.startswith("["),
            }
        )
    return found


def _of_config(config: dump.Config, defaults: list[str], live_ipv6: set[int]) -> dict[str, Any]:
    ours = {path for path in config.files if is_ours(path)}
    in_http = [include for include in config.includes if include.blocks[:1] == ("http",)]
    at_http = [include for include in in_http if include.blocks == ("http",)]
    others = {*config.files} - {MAIN, *defaults} - ours
    blocks = [block for block in config.tree if block.name == "http"]
    events = [found for block in config.tree if block.name == "events" for found in block.all("worker_connections")]
    return {
        "unread": config.unread,
        "idle_files": sorted(
            path
            for path in {*glob.glob(f"{ETC}/conf.d/*.conf"), *glob.glob(f"{os.path.dirname(DEFAULT_LINK)}/*")}
            if path not in defaults and not is_ours(path) and not any(include.takes(path) for include in at_http)
        ),
        "foreign_files": sorted(
            path
            for path in others
            if os.path.basename(path) != "mime.types" and any(include.takes(path) for include in in_http)
        ),
        "includes": [{"pattern": include.pattern, "order": include.order} for include in at_http],
        "elsewhere": [include.pattern for include in config.includes if include.blocks != ("http",)],
        "http": {
            # Only sizes are compared; other values may be private.
            found.name: {"args": found.args if found.name.endswith("_size") else [], "place": found.place}
            for block in blocks
            for found in reversed(block.block or [])
            if found.name != "server" and found.file not in ours
        },
        "brotli_static": any(
            "brotli_static" in module for found in config.tree if found.name == "load_module" for module in found.args
        ),
        "http_end": _place(blocks[-1].file, *blocks[-1].end, "}") if blocks else {},
        "worker_connections": next((found.args[0] for found in events if found.args), ""),
        "servers": [
            _server(server, lead, live_ipv6)
            for server, lead in _with_leads(match.servers(config))
            if server.chain[-1].file not in {*ours, *defaults}
        ],
    }


def _with_leads(servers: list[match.Server]) -> list[tuple[match.Server, set[str]]]:
    """Return the servers with the addresses that each answers for any name (ngx_http_core_module, listen)."""
    leaders: dict[str, int] = {}
    for number, server in enumerate(servers):
        for listen in server.listens:
            if listen.default or str(listen) not in leaders:
                leaders[str(listen)] = number
    return [
        (server, {address for address, leader in leaders.items() if leader == number})
        for number, server in enumerate(servers)
    ]


def _server(server: match.Server, leads: set[str], live_ipv6: set[int]) -> dict[str, Any]:
    block = server.chain[-1]
    written = [found for found in block.all("listen") if found.args]
    listens = []
    for number, listen in enumerate(server.listens):
        # A server without a `listen` has one by default, which is written explicitly if it needs flags.
        at = written[number] if written else block
        listens.append(
            {
                "address": listen.address,
                "port": listen.port,
                "default": listen.default,
                "leads": str(listen) in leads,
                "ssl": listen.ssl,
                "http2": listen.http2,
                "proxy_protocol": listen.proxy_protocol,
                "dual": "ipv6only=off" in at.args,
                "live": listen.port in live_ipv6,
                "at": _place(at.file, at.line, at.column, at.text),
            }
        )
    return {"place": server.place, "names": server.names, "order": block.order, "listens": listens}


def _place(path: str, line: int, column: int, text: str) -> dict[str, Any]:
    """Return the position of a text, in the file itself if a link leads to it."""
    return {"path": os.path.realpath(path), "line": line, "column": column, "text": text}


def _is_packaged_default(path: str, packaged: Iterable[str]) -> bool:
    if path == DEFAULT_LINK:
        return os.path.islink(path) and os.path.realpath(path) == DEFAULT_LINKED and DEFAULT_LINKED in packaged
    return path in packaged


def _limits_descriptors() -> bool:
    """Return whether others set how many files nginx may open: in its unit, or in a drop-in of it."""
    units = [path for folder in UNITS for path in (f"{folder}/{UNIT}", *glob.glob(f"{folder}/{UNIT}.d/*.conf"))]
    return any(re.search(r"(?m)^\s*LimitNOFILE\s*=", read_or_empty(path)) for path in units if path != DROP_IN)


def _own_sites() -> set[str]:
    """Return the names of the sites that have a file of ours."""
    found = set()
    for path in glob.glob(f"{ETC}/*/*.conf"):
        found |= set(re.findall(rf"(?m)^# {re.escape(MARK)}: site ([a-z][a-z0-9-]*)", head(path)))
    return found


def _kept() -> list[str]:
    """Return nginx's files with a copy from before they were changed."""
    return sorted(
        f"{folder}/{name}"[len(KEPT) :] for folder, _folders, names in os.walk(f"{KEPT}{ETC}") for name in names
    )


def _digest(path: str, length: int) -> str:
    """Return a file's digest, of the kind with this number of hexadecimal digits."""
    kind = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}.get(length, "sha256")
    with open(path, "rb") as stream:
        return hashlib.new(kind, stream.read(), usedforsecurity=False).hexdigest()
