# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fit our files into an nginx configuration that others manage: their place, shared addresses, and necessary edits.

Runs on the controller, on the facts of `state.py`, which are called `host` here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model.layout import KEPT
from . import match
from .conflicts import pairs
from .dump import glob_match
from .names import ETC, HTTP_FILE, MAIN

# The directory that nginx must include, and the pattern of its include.
FOLDERS = {"conf_d": f"{ETC}/conf.d", "sites_available": f"{ETC}/sites-enabled"}
PATTERNS = {"conf_d": f"{ETC}/conf.d/*.conf", "sites_available": f"{ETC}/sites-enabled/*"}
# After everything else, at the end of the http block.
_LAST = [10**9]


@dataclass
class Place:
    """Where our files go: the layout, the file of the http level, and a missing `include`, if any."""

    layout: str
    http_file: str
    include: str = ""


@dataclass
class Edits:
    """The necessary changes in files of others: path to edits, each with its reason."""

    by_path: dict[str, dict[tuple[int, int], tuple[dict[str, Any], str]]] = field(default_factory=dict)

    def add(self, at: Mapping[str, Any], new: str, reason: str) -> None:
        edit = {"line": at["line"], "column": at["column"], "old": at["text"], "new": new}
        self.by_path.setdefault(at["path"], {})[(at["line"], at["column"])] = (edit, reason)

    def files(self) -> list[dict[str, Any]]:
        """Return the edits as `files` of `config_set`."""
        return [
            {
                "path": path,
                "edits": [edit for edit, _reason in found.values()],
                "keep": True,
                "note": f"{path}: {'; '.join(reason for _edit, reason in found.values())}; before: {KEPT}{path}",
            }
            for path, found in sorted(self.by_path.items())
        ]


def keeps_theirs(host: Mapping[str, Any]) -> bool:
    """Return whether nginx.conf must be kept: others wrote it, or use the package's for something.

    As soon as our files are beside it, it is kept even if nothing else uses it any more: only a person may decide to
    replace it.
    """
    used = bool(host.get("foreign_files") or host.get("beside"))
    return host.get("main") == "foreign" or (host.get("main") == "packaged" and used)


def servers(host: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the servers of others that will exist beside ours."""
    return list(host.get("servers", [])) if keeps_theirs(host) or host.get("main") == "ours" else []


def place(wanted: str, preferred: str, names: Iterable[str], host: Mapping[str, Any], faults: list[str]) -> Place:
    """Choose the layout. `wanted` is auto or a layout, `preferred` the platform's, `names` are the sites'."""
    if wanted == "default_d":
        faults.append(
            f"nginx_layout is default_d, which needs the {MAIN} of pyweb.stack, but this host has another one"
        )
        return Place("conf_d", f"{FOLDERS['conf_d']}/{HTTP_FILE}")
    layouts = [wanted] if wanted in FOLDERS else sorted(FOLDERS, key=lambda layout: layout != preferred)
    files = {layout: [f"{FOLDERS[layout]}/{name}.conf" for name in names] for layout in FOLDERS}
    for layout in layouts:
        http_files = [f"{folder}/{HTTP_FILE}" for folder in (FOLDERS["conf_d"], FOLDERS[layout])]
        http_file = next((path for path in http_files if order_of(path, host)), "")
        if http_file and all(order_of(path, host) for path in files[layout]):
            return Place(layout, http_file)
    if not host.get("http_end"):
        faults.append(
            f"{MAIN}, which pyweb.stack did not write, has no http block: "
            f"{'; '.join(host.get('unread', [])) or 'add one'}"
        )
        return Place(layouts[0], f"{FOLDERS[layouts[0]]}/{HTTP_FILE}")
    # Files that are not included at the http level must not become active, nor ours inside one of their servers.
    idle = host.get("idle_files", [])
    for layout in layouts:
        within = [path for path in files[layout] for pattern in host.get("elsewhere", []) if glob_match(path, pattern)]
        if not within and not any(glob_match(path, PATTERNS[layout]) for path in idle):
            return Place(layout, f"{FOLDERS[layout]}/{HTTP_FILE}", f"include {PATTERNS[layout]};")
    what = " nor ".join(PATTERNS[layout] for layout in layouts)
    faults.append(
        f"{MAIN}, which pyweb.stack did not write, includes neither {what} in its http block, and these directories "
        f"are used for something else: {', '.join(idle or host.get('elsewhere', []))}; add an include there "
        "yourself, or move these files"
    )
    return Place(layouts[0], f"{FOLDERS[layouts[0]]}/{HTTP_FILE}")


def order_of(path: str, host: Mapping[str, Any]) -> list[Any]:
    """Return the position at which nginx reads a file, comparable with the order of a server; [] if it does not."""
    for include in host.get("includes", []):
        if glob_match(path, include["pattern"]):
            return [*include["order"], path]
    return []


def share(view: dict[str, Any], path: str, host: Mapping[str, Any], edits: Edits) -> None:
    """Fit the addresses of a site in the file `path` to the servers of others, and keep their default servers.

    `view` is that of `render.view`; its `listen` and `listen_tls` change. `catch_all` and `catch_all_tls` are the
    addresses on which our configuration refuses unknown names, `theirs` those that others use without HTTP/2.
    """
    for key, closed, ssl in (("listen", "catch_all", False), ("listen_tls", "catch_all_tls", True)):
        view[key], free = _fit(view[key], ssl, path, host, edits)
        view[closed] = free if view["closing"] else []
    old = {(at["address"], at["port"]) for server in servers(host) for at in server["listens"] if not at["http2"]}
    view["theirs"] = [text for text in view["listen_tls"] if pairs([text]) & old]


def _fit(ours: list[str], ssl: bool, path: str, host: Mapping[str, Any], edits: Edits) -> tuple[list[str], list[str]]:
    """Return our addresses adapted to those of others, and those without a default server."""
    others = [(server, listen) for server in servers(host) for listen in server["listens"]]
    fitting = list(dict.fromkeys(_shared_listen(ours, ssl, [listen for _server, listen in others])))
    mine = order_of(path, host) or _LAST
    free = []
    for text in fitting:
        [pair] = pairs([text])
        there = [(server, listen) for server, listen in others if (listen["address"], listen["port"]) == pair]
        leading = [(server, listen) for server, listen in there if listen["default"] or listen["leads"]]
        if not leading and not any(list(server["order"]) < mine for server, _listen in there):
            free.append(text)
        for server, listen in leading:
            if not listen["default"] and mine < list(server["order"]):
                _stay_default(server, listen, edits)
    return fitting, free


def drop_ipv6(host: Mapping[str, Any], edits: Edits, faults: list[str]) -> None:
    """Remove IPv6 from servers of others: on a host without IPv6, nginx does not start with it."""
    for server in servers(host):
        doomed = [listen for listen in server["listens"] if ":" in listen["address"] and _is_ip(listen)]
        for listen in doomed:
            if listen["live"]:  # the kernel allows it
                continue
            if len(doomed) == len(server["listens"]):
                faults.append(
                    f"{server['place']} listens on IPv6 only, and this host has none, so nginx cannot start; "
                    "remove that server, or turn IPv6 on"
                )
                continue
            text = " ".join(listen["at"]["text"].split())
            reason = f"line {listen['at']['line']}, {text.rstrip(';')}, is a comment now, because this host has no IPv6"
            edits.add(listen["at"], f"# {text}\n", reason)


def add_include(chosen: Place, host: Mapping[str, Any], edits: Edits) -> None:
    """Add the missing include at the end of the http block."""
    if chosen.include:
        at = host["http_end"]
        edits.add(at, f"    {chosen.include}\n{at['text']}", f"{chosen.include.rstrip(';')} is added to the http block")


def _shared_listen(ours: list[str], ssl: bool, theirs: list[Mapping[str, Any]]) -> list[str]:
    """Return our addresses adapted to those of others.

    A server of theirs that has a port of IPv4 and IPv6 in one socket (ipv6only=off) has it for all. If theirs listens
    on a specific address, its requests do not reach a server on all addresses, so ours listens on it too.
    """
    dual = {listen["port"] for listen in theirs if listen["dual"] and listen["address"] == "::"}
    result = []
    for text in ours:
        [(address, port)] = pairs([text])
        wildcard = {"*": False, "::": True}.get(address)
        result.append(f"[::]:{port}" if wildcard is False and port in dual else text)
        if wildcard is None:
            continue
        for listen in theirs:
            specific = _is_ip(listen) and listen["address"] not in ("*", "::") and listen["ssl"] == ssl
            if specific and listen["port"] == port and (":" in listen["address"]) == wildcard:
                result.append(str(match.Listen(listen["address"], port)))
    return result


def _stay_default(server: Mapping[str, Any], listen: Mapping[str, Any], edits: Edits) -> None:
    """Make a server explicitly the default of its port, if it is because nginx reads it first: ours is read earlier."""
    at = listen["at"]
    where = str(match.Listen(listen["address"], listen["port"]))
    if at["text"].endswith("{"):  # it listens on port 80 by default
        new = f"{at['text']}\n    listen {listen['port']} default_server;"
    else:
        new = f"{at['text'].rstrip(';').rstrip()} default_server;"
    edits.add(
        at, new, f"the server in line {server['place'].rpartition(':')[2]} is now explicitly the default of {where}"
    )


def _is_ip(listen: Mapping[str, Any]) -> bool:
    return not str(listen["address"]).startswith("unix:")
