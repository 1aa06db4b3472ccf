# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evaluate a configuration as nginx would: which server, location, file and backend address a request gets.

It models nginx's documentation: "How nginx processes a request", "Server names", and the modules core, uwsgi, proxy and
upstream. Everything here is a pure function of the result of `dump.py`.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from .dump import Config, Directive

_PASSES = ("uwsgi_pass", "proxy_pass", "fastcgi_pass", "scgi_pass", "grpc_pass")


@dataclass
class Listen:
    """One address of a server: `address` is '*', '::', an IP address or 'unix:/path'."""

    address: str
    port: int
    ssl: bool = False
    default: bool = False
    http2: bool = False
    proxy_protocol: bool = False

    def __str__(self) -> str:
        if self.address.startswith("unix:"):
            return self.address
        return f"{'[' + self.address + ']' if ':' in self.address else self.address}:{self.port}"


class Backend(NamedTuple):
    """A server of an upstream: nginx uses a `backup` only if no other one answers, and one that is `down` never."""

    address: str
    backup: bool = False
    down: bool = False
    place: str = ""


@dataclass
class Server:
    """A `server` block: `chain` are the blocks that it inherits from, outermost first, itself last."""

    chain: list[Directive]
    names: list[str]
    listens: list[Listen]

    @property
    def place(self) -> str:
        return self.chain[-1].place

    def matches(self, host: str) -> int:
        """Return how well a name of this server matches: 4 exact, 3 and 2 wildcards, 1 a regular expression, 0 not."""
        return max((fits(name, host) for name in self.names), default=0)


def servers(config: Config | None) -> list[Server]:
    """Return every server of a configuration, in the order in which nginx reads them."""
    tree = config.tree if config else []
    return [_server([http, block]) for http in tree if http.name == "http" for block in http.all("server")]


def upstream(config: Config, name: str) -> list[str]:
    """Return the addresses of an upstream, 'unix:/path' or 'host:port'; another name is an address itself.

    Those that are `down` are left out, and each `backup` comes after the others.
    """
    used = [backend for backend in backends(config, name) if not backend.down]
    return [backend.address for backend in sorted(used, key=lambda backend: backend.backup)]


def backends(config: Config, name: str) -> list[Backend]:
    """Return the servers of an upstream as they are written; another name is one server itself."""
    for http in config.tree:
        for block in http.all("upstream"):
            if block.args == [name]:
                return [
                    Backend(_address(server.args[0]), "backup" in server.args, "down" in server.args, server.place)
                    for server in _given(block, "server")
                ]
    return [Backend(_address(name))]


def select(config: Config, host: str, address: str, port: int) -> Server | None:
    """Return the server that answers a request for `host` that arrives at `address`:`port`, as nginx selects it.

    First the most specific address, then the best name, then the default server of that address.
    """
    wildcard = "::" if ":" in address else "*"
    candidates: list[tuple[Server, Listen]] = []
    for wanted in (address, wildcard):
        candidates = [
            (server, listen)
            for server in servers(config)
            for listen in server.listens
            if listen.port == port and listen.address == wanted
        ]
        if candidates:
            break
    named = [server for server, _listen in candidates if server.matches(host)]
    if named:
        return max(named, key=lambda server: server.matches(host))  # the first one among equals
    defaults = [server for server, listen in candidates if listen.default]
    others = defaults or [server for server, _listen in candidates]
    return others[0] if others else None


def inner_server(config: Config, outer: Server, addresses: list[str], host: str) -> Server | None:
    """Return the server of the same nginx that another one proxies to over an address of this host; else None."""
    for address in addresses[:1]:
        name, _colon, port = address.rpartition(":")
        if name not in ("127.0.0.1", "localhost") or not port.isdigit():
            continue
        listens = [listen.port for server in servers(config) for listen in server.listens]
        inner = select(config, host, "127.0.0.1", int(port)) if int(port) in listens else None
        if inner and inner.place != outer.place:
            return inner
    return None


def path_of(uri: str) -> str:
    """Return the path of a URI as nginx compares it with locations: decoded, without its query string."""
    return unquote(uri.partition("?")[0])


def locate(server: Server, uri: str) -> list[Directive]:
    """Return the chain of blocks that apply to `uri`: http, server, then locations, the chosen one last."""
    chain = found(server, path_of(uri))
    last = chain[-1]
    # `try_files $uri @django` passes what is no file to a named location.
    for tried in last.all("try_files"):
        for location in server.chain[-1].all("location"):
            if tried.args and tried.args[-1].startswith("@") and location.args == [tried.args[-1]]:
                return [*server.chain, location]
    return chain


def found(server: Server, path: str) -> list[Directive]:
    """Return the chain of blocks down to the location that nginx finds for a path, whatever it contains."""
    return server.chain + _find(server.chain[-1], path)[0]


def longest_prefix(server: Server, path: str) -> list[Directive]:
    """Return the same without regular expressions: what the author of the prefix location expected."""
    return server.chain + _find(server.chain[-1], path, regexes_too=False)[0]


def handler(chain: list[Directive]) -> Directive | None:
    """Return what answers in the chosen block: a `return`, a `*_pass`; None if files are served."""
    # The server's comes before any location's; that of a location does not apply to nested locations.
    for block in [*chain[1:2], *chain[2:][-1:]]:
        for found in block.all("return"):
            return found
    for name in _PASSES:
        for found in _given(chain[-1], name):
            return found
    # `if (!-f $request_filename) { proxy_pass ...; }`: requests that match no file are passed on.
    for condition in chain[-1].all("if"):
        if re.fullmatch(r"\(\s*!-[fe]\s+\$(request_filename|document_root\$uri)\s*\)", " ".join(condition.args)):
            for name in _PASSES:
                for found in _given(condition, name):
                    return found
    return None


def _given(block: Directive, name: str) -> list[Directive]:
    """Return the directives of this name with arguments; nginx refuses the others."""
    return [directive for directive in block.all(name) if directive.args]


def passes(handled: Directive | None) -> bool:
    """Return whether a handler passes requests to an application."""
    return handled is not None and handled.name.endswith("_pass")


def inherited(chain: list[Directive], name: str) -> Directive | None:
    """Return a directive as it applies in the innermost block."""
    for block in reversed(chain):
        found = block.all(name)
        if found:
            return found[-1]
    return None


def parameters(chain: list[Directive], name: str) -> dict[str, str]:
    """Return the `uwsgi_param` or `proxy_set_header` in effect. A level with any inherits none; the last applies."""
    for block in reversed(chain):
        found = block.all(name)
        if found:
            return {given.args[0]: given.args[1] for given in found if len(given.args) > 1}
    return {}


def file_of(chain: list[Directive], uri: str, prefix: str = "", located: str = "") -> str:
    """Return the file that answers a request, by `alias` or `root`; '' if that needs a variable.

    `prefix` is nginx's own directory (`nginx -V`): relative paths start there, and without any root, nginx uses its
    `html`. `located` is the URI that chose the location, if `uri` is another one in its `try_files`.
    """
    path = path_of(uri)
    location = chain[-1]
    for block in reversed(chain):
        for alias in _given(block, "alias"):
            if location.args[:1] in (["~"], ["~*"]) and len(location.args) > 1 and block is location:
                match = search(location.args[1], path_of(located) or path, location.args[0])
                text = re.sub(r"\$([0-9])", functools.partial(_group, match), alias.args[0])
            else:
                name = "".join(block.args[-1:])
                text = alias.args[0] + path[len(name) :] if path.startswith(name) else ""
            return "" if "$" in text or not text else _absolute(prefix, text)
        for root in _given(block, "root"):
            return "" if "$" in root.args[0] else _absolute(prefix, root.args[0]).rstrip("/") + path
    return f"{prefix.rstrip('/')}/html{path}" if prefix else ""


def _absolute(prefix: str, path: str) -> str:
    return path if path.startswith("/") or not prefix else os.path.join(prefix, path)


def constants(chain: list[Directive]) -> dict[str, str]:
    """Return the variables with a constant value: a `set` on the way to the block, outside of every `if`.

    A variable that is set twice, or elsewhere in the server too, is not constant.
    """
    inner = [given.args for block in chain[1:2] for given in everywhere(block) if given.name == "set"]
    names = [args[0] for args in inner if len(args) > 1]
    found: dict[str, str] = {}
    for block in chain[1:]:
        for given in block.all("set"):
            if len(given.args) > 1 and names.count(given.args[0]) == 1 and "$" not in given.args[1]:
                found[given.args[0].lstrip("$")] = given.args[1]
    return found


def everywhere(block: Directive) -> list[Directive]:
    """Return all directives in a block, at any depth."""
    return [one for inner in block.block or [] for one in (inner, *everywhere(inner))]


def targets(config: Config, passed: Directive) -> tuple[str, list[str]]:
    """Return the protocol of a `*_pass` ('uwsgi', 'http', ...) and its addresses; none if it is a variable."""
    speaks = {"uwsgi_pass": "uwsgi", "proxy_pass": "http"}.get(passed.name, passed.name.partition("_")[0])
    scheme, mark, target = _scheme(passed)
    if "$" in target:
        return speaks, []
    if target.startswith("unix:"):
        # http://unix:/run/app.sock:/uri
        return speaks, [_address("unix:" + target[5:].partition(":")[0])]
    target = target.partition("/")[0]
    port = {"http": ":80", "https": ":443"}.get(scheme, "") if mark else ""
    found = upstream(config, target)
    complete = [address.startswith("unix:") or bool(re.search(r":[0-9]+$", address)) for address in found]
    return speaks, [address if whole else address + port for address, whole in zip(found, complete)]


def upstream_name(passed: Directive) -> str:
    """Return the name of the upstream, or the host with its port, of a `*_pass`."""
    target = _scheme(passed)[2]
    return target if target.startswith("unix:") else target.partition("/")[0]


def uri_of(passed: Directive) -> str:
    """Return the URI with which a `proxy_pass` replaces its location's prefix; '' if it has none."""
    _scheme_of, _mark, target = _scheme(passed)
    if target.startswith("unix:"):
        return target[5:].partition(":")[2]
    host, slash, rest = target.partition("/")
    return slash + rest if host else ""


def _scheme(passed: Directive) -> tuple[str, str, str]:
    """Return (scheme, the mark after it, the rest) of the target of a `*_pass`."""
    scheme, mark, rest = passed.args[0].partition("://")
    mark = "" if scheme == "unix" else mark  # uwsgi_pass unix:///run/app.sock
    return scheme, mark, rest if mark else passed.args[0]


def listen(args: list[str], ssl: bool = False, http2: bool = False) -> Listen:
    """Parse the arguments of a `listen`; `ssl` and `http2` are those that its server sets for all."""
    where, options = args[0], args[1:]
    flags = {
        "ssl": ssl or "ssl" in options,
        "default": "default_server" in options or "default" in options,
        "http2": http2 or "http2" in options,
        "proxy_protocol": "proxy_protocol" in options,
    }
    if where.startswith("unix:"):
        return Listen(where, 0, **flags)
    match = re.fullmatch(r"(?:(\[[^\]]*\]|[^:]+):)?([0-9]+)", where)
    host, port = (match[1] or "*", int(match[2])) if match else (where, 80)
    host = {"0.0.0.0": "*", "localhost": "127.0.0.1"}.get(host, host.strip("[]"))  # noqa: S104 - nginx's own word for all
    return Listen(host, port, **flags)


def _server(chain: list[Directive]) -> Server:
    block = chain[-1]
    ssl, http2 = (any(switch.args == ["on"] for switch in block.all(name)) for name in ("ssl", "http2"))
    listens = [listen(given.args, ssl, http2) for given in block.all("listen") if given.args] or [Listen("*", 80)]
    names = [name for given in block.all("server_name") for name in given.args] or [""]
    return Server(chain, names, listens)


def fits(name: str, host: str) -> int:
    """Return how well one server_name matches a host, see `Server.matches`."""
    host = host.lower().rstrip(".")
    if name.startswith("~"):
        return 1 if search(name[1:], host) else 0
    name = name.lower()
    if name == host:
        return 4
    if name.startswith("."):
        return 4 if host == name[1:] else 3 if host.endswith(name) else 0
    if name.startswith("*."):
        return 3 if host.endswith(name[1:]) else 0
    return 2 if name.endswith(".*") and host.startswith(name[:-1]) else 0


def _find(block: Directive, path: str, regexes_too: bool = True) -> tuple[list[Directive], bool]:
    """Find the location as ngx_http_core_find_location does; return (its blocks, whether the search is final).

    An exact name or a regular expression ends the search, at any depth. The longest prefix does not: its nested
    locations come first, then the regular expressions of the same level unless it has `^~`.
    """
    best: Directive | None = None
    regexes: list[Directive] = []
    for location in block.all("location"):
        modifier, text = name_of(location)
        if modifier == "=":
            if text == path:
                return [location], True
        elif modifier in ("~", "~*"):
            regexes.append(location)
        elif not text.startswith("@") and path.startswith(text) and (not best or len(text) > len(name_of(best)[1])):
            best = location
    chain: list[Directive] = []
    if best:
        nested, ended = _find(best, path, regexes_too)
        chain = [best, *nested]
        if ended:
            return chain, True
    if regexes_too and (not best or name_of(best)[0] != "^~"):
        for location in regexes:
            modifier, text = name_of(location)
            if search(text, path, modifier):
                return [location, *_find(location, path, regexes_too)[0]], True
    return chain, False


def name_of(location: Directive) -> tuple[str, str]:
    """Return the modifier and the name of a location; nginx also accepts them as one word: `location =/ {`."""
    words = location.args
    if len(words) > 1:
        return words[0], words[1]
    word = words[0] if words else "@"
    for modifier in ("^~", "~*", "~", "="):
        if word.startswith(modifier):
            return modifier, word[len(modifier) :]
    return "", word


def search(pattern: str, text: str, modifier: str = "~") -> re.Match[str] | None:
    """Match as PCRE would; None if Python does not support the pattern."""
    try:
        return re.search(pattern, text, re.IGNORECASE if modifier == "~*" else 0)
    except re.error:
        return None


def filled(text: str, match: re.Match[str]) -> str:
    """Return a replacement with the groups of a match filled in."""
    return re.sub(r"\$([0-9])", functools.partial(_group, match), text)


def _group(match: re.Match[str] | None, number: re.Match[str]) -> str:
    try:
        return (match[int(number[1])] or "") if match else ""
    except IndexError:
        return ""


def _address(text: str) -> str:
    if text.startswith("unix:"):
        return "unix:/" + text[5:].lstrip("/")
    return re.sub(r"^(localhost|\*)(?=:|$)", "127.0.0.1", text)
