# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read any nginx configuration and answer as nginx would: which server, which location, which file.

Nothing here knows how this collection writes its own files. What is modelled is what nginx documents: "How nginx
processes a request", "Server names", and the modules core, uwsgi, proxy and upstream.
"""

from __future__ import annotations

import fnmatch
import functools
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# `nginx -T` puts this above each file.
_FILE = re.compile(r"^# configuration file (.+):\n", re.MULTILINE)
_PASSES = ("uwsgi_pass", "proxy_pass", "fastcgi_pass", "scgi_pass", "grpc_pass")


class DumpError(ValueError):
    """Text that is no nginx configuration: says where it ends to be one."""


@dataclass
class Directive:
    """One directive; `block` is None where it ends with a semicolon."""

    name: str
    args: list[str]
    file: str
    line: int
    block: list[Directive] | None = None

    def all(self, name: str) -> list[Directive]:
        return [one for one in self.block or [] if one.name == name]

    def __str__(self) -> str:
        end = ";" if self.block is None else " {"
        return " ".join([self.name, *self.args]) + end

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass
class Listen:
    """One address of a server: `address` is '*', '::', an IP address or 'unix:/path'."""

    address: str
    port: int
    ssl: bool = False
    default: bool = False

    def __str__(self) -> str:
        if self.address.startswith("unix:"):
            return self.address
        return f"{'[' + self.address + ']' if ':' in self.address else self.address}:{self.port}"


@dataclass
class Server:
    """A `server` block: `chain` is what it inherits from, outermost first, itself last."""

    chain: list[Directive]
    names: list[str]
    listens: list[Listen]

    @property
    def place(self) -> str:
        return self.chain[-1].place

    def matches(self, host: str) -> int:
        """How well a name of this server fits `host`: 4 exact, 3 and 2 wildcards, 1 a regular expression, 0 not."""
        return max((_fit(name, host) for name in self.names), default=0)


@dataclass
class Config:
    """A whole configuration. `unread` names files that could not be parsed, with the reason."""

    tree: list[Directive]
    unread: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def servers(self) -> list[Server]:
        return [_server([http, one]) for http in self.tree if http.name == "http" for one in http.all("server")]

    def value(self, name: str, default: str = "") -> str:
        """The first argument of a directive of the main context."""
        return next((one.args[0] for one in self.tree if one.name == name and one.args), default)

    def upstream(self, name: str) -> list[str]:
        """The addresses of an upstream, 'unix:/path' or 'host:port'; a name that is none is an address itself."""
        for http in self.tree:
            for block in http.all("upstream"):
                if block.args == [name]:
                    return [_address(one.args[0]) for one in block.all("server") if one.args and "down" not in one.args]
        return [_address(name)]

    def select(self, host: str, address: str, port: int) -> Server | None:
        """The server that answers a request for `host` that arrives at `address`:`port`, as nginx chooses it.

        First the most specific address, then the best name, then the default server of that address.
        """
        wildcard = "::" if ":" in address else "*"
        candidates: list[tuple[Server, Listen]] = []
        for wanted in (address, wildcard):
            candidates = [
                (server, one)
                for server in self.servers
                for one in server.listens
                if one.port == port and one.address == wanted
            ]
            if candidates:
                break
        named = [server for server, _one in candidates if server.matches(host)]
        if named:
            return max(named, key=lambda server: server.matches(host))  # the first one among equals
        defaults = [server for server, one in candidates if one.default]
        others = defaults or [server for server, _one in candidates]
        return others[0] if others else None


def parse(dump: str) -> Config:
    """Read the output of `nginx -T`. Raises `DumpError` when there is no configuration in it."""
    parts = _FILE.split(dump)
    files = dict(zip(parts[1::2], parts[2::2]))
    if not files:
        raise DumpError("no configuration in the output of nginx -T")
    return _read(files, parts[1])


def read_files(path: str) -> Config:
    """Read the configuration from the files themselves, for when `nginx -T` refuses a broken one.

    A file that cannot be read or parsed is left out and named in `unread`.
    """
    files: dict[str, str] = {}

    def gather(name: str) -> None:
        for one in sorted(glob.glob(name)):
            if one in files or not os.path.isfile(one):
                continue
            with open(one, encoding="utf-8", errors="replace") as stream:
                files[one] = stream.read()
            for wanted in re.findall(r"^[^#\n]*?\binclude\s+[\"']?([^;\"'\s]+)", files[one], re.MULTILINE):
                gather(os.path.join(os.path.dirname(path), wanted))

    gather(path)
    if path not in files:
        raise DumpError(f"{path} cannot be read")
    return _read(files, path)


def locate(server: Server, uri: str) -> list[Directive]:
    """The chain of blocks that decide about `uri`: http, server, and the locations from the outermost to the chosen."""
    path = uri.partition("?")[0]
    chain = server.chain + (_find(server.chain[-1], path) or [])
    last = chain[-1]
    # `try_files $uri @django` hands over what is no file to a named location.
    if not any(last.all(name) for name in _PASSES):
        for one in last.all("try_files"):
            for named in server.chain[-1].all("location"):
                if one.args and one.args[-1].startswith("@") and named.args == [one.args[-1]]:
                    return [*server.chain, named]
    return chain


def handler(chain: list[Directive]) -> Directive | None:
    """What answers in the chosen block: a `return`, a `*_pass`; None where files are served."""
    for block in chain[1:]:
        for one in block.all("return"):
            return one
    for name in _PASSES:
        for one in chain[-1].all(name):
            return one
    return None


def inherited(chain: list[Directive], name: str) -> Directive | None:
    """A directive as it is in force in the innermost block."""
    for block in reversed(chain):
        found = block.all(name)
        if found:
            return found[-1]
    return None


def parameters(chain: list[Directive], name: str) -> dict[str, str]:
    """`uwsgi_param` or `proxy_set_header` in force: a level that has any inherits none; the last of a name wins."""
    for block in reversed(chain):
        found = block.all(name)
        if found:
            return {one.args[0]: one.args[1] for one in found if len(one.args) > 1}
    return {}


def file_of(chain: list[Directive], uri: str) -> str:
    """The file that a request for `uri` is answered with, by `alias` or `root`; '' where that needs a variable."""
    path = uri.partition("?")[0]
    location = chain[-1]
    for block in reversed(chain):
        for one in block.all("alias"):
            if location.args[:1] in (["~"], ["~*"]) and block is location:
                match = _regex(location.args[0], location.args[1], path)
                text = re.sub(r"\$([0-9])", functools.partial(_group, match), one.args[0])
            else:
                text = one.args[0] + path[len(block.args[-1]) :]
            return "" if "$" in text else text
        for one in block.all("root"):
            return "" if "$" in one.args[0] else one.args[0].rstrip("/") + path
    return ""


def targets(config: Config, passed: Directive) -> tuple[str, list[str]]:
    """What a `*_pass` speaks ('uwsgi', 'http', ...) and the addresses it speaks to; none where it is a variable."""
    speaks = {"uwsgi_pass": "uwsgi", "proxy_pass": "http"}.get(passed.name, passed.name.partition("_")[0])
    scheme, mark, rest = passed.args[0].partition("://")
    target = rest if mark else passed.args[0]
    if "$" in target:
        return speaks, []
    if target.startswith("unix:"):
        # http://unix:/run/app.sock:/uri
        return speaks, ["unix:" + target[5:].partition(":")[0]]
    target = target.partition("/")[0]
    port = {"http": ":80", "https": ":443"}.get(scheme, "") if mark else ""
    found = config.upstream(target)
    return speaks, [one if one.startswith("unix:") or re.search(r":[0-9]+$", one) else one + port for one in found]


# --- reading ---


def _read(files: dict[str, str], first: str) -> Config:
    config = Config([], files=list(files))
    base = os.path.dirname(first)
    trees: dict[str, list[Directive]] = {}
    for name, text in files.items():
        try:
            trees[name] = _parse_file(name, text)
        except DumpError as error:
            config.unread.append(str(error))
            trees[name] = []

    def resolve(directives: list[Directive], depth: int) -> list[Directive]:
        result = []
        for one in directives:
            if one.name == "include" and one.args and depth < 20:
                pattern = os.path.normpath(os.path.join(base, one.args[0]))
                for name in sorted(files):
                    if _glob_match(os.path.normpath(name), pattern):
                        result += resolve(trees[name], depth + 1)
                continue
            block = None if one.block is None else resolve(one.block, depth)
            result.append(Directive(one.name, one.args, one.file, one.line, block))
        return result

    config.tree = resolve(trees[first], 0)
    return config


def _glob_match(name: str, pattern: str) -> bool:
    """As glob(3) matches: `*` does not reach over a slash, nor to a hidden file."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(
        fnmatch.fnmatchcase(part, one) and (part[:1] != "." or one[:1] == ".") for part, one in zip(parts, patterns)
    )


def _parse_file(name: str, text: str) -> list[Directive]:
    top: list[Directive] = []
    stack: list[tuple[list[Directive], str]] = [(top, "")]
    words: list[str] = []
    start = 1
    for word, line, quoted in _tokens(name, text):
        if quoted or word not in ("{", "}", ";"):
            if not words:
                start = line
            words.append(word)
        elif word == "}":
            if words or len(stack) == 1:
                raise DumpError(f"{name}:{line}: unexpected '}}'")
            stack.pop()
        else:
            if not words:
                raise DumpError(f"{name}:{line}: unexpected '{word}'")
            one = Directive(words[0], words[1:], name, start, [] if word == "{" else None)
            stack[-1][0].append(one)
            if one.block is not None:
                stack.append((one.block, one.place))
            words = []
    if len(stack) > 1:
        raise DumpError(f"{name}: the block that begins in {stack[-1][1]} has no end")
    if words:
        raise DumpError(f"{name}:{start}: '{words[0]}' is not ended by ';'")
    return top


_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<comment>\#[^\n]*) | (?P<mark>[{};])
      | "(?P<double>(?:\\.|[^"\\])*)" | '(?P<single>(?:\\.|[^'\\])*)'
      | (?P<word>(?!["'])(?:\\.|\$\{[^}]*\}|[^\s;{}\\])+)""",
    re.VERBOSE | re.DOTALL,
)


def _tokens(name: str, text: str) -> Iterator[tuple[str, int, bool]]:
    """(word or mark, line, whether it was quoted)"""
    line, position = 1, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise DumpError(f"{name}:{line}: a quote that is not closed")
        kind, word = str(match.lastgroup), match[str(match.lastgroup)]
        if kind in ("double", "single"):
            yield re.sub(r"\\([\"'\\])", r"\1", word), line, True
        elif kind in ("mark", "word"):
            yield word, line, False
        line += match[0].count("\n")
        position = match.end()


# --- servers and locations ---


def _server(chain: list[Directive]) -> Server:
    block = chain[-1]
    ssl = any(one.args == ["on"] for one in block.all("ssl"))
    listens = [_listen(one.args, ssl) for one in block.all("listen") if one.args] or [Listen("*", 80)]
    names = [name for one in block.all("server_name") for name in one.args] or [""]
    return Server(chain, names, listens)


def _listen(args: list[str], ssl: bool) -> Listen:
    where, options = args[0], args[1:]
    flags = {"ssl": ssl or "ssl" in options, "default": "default_server" in options or "default" in options}
    if where.startswith("unix:"):
        return Listen(where, 0, **flags)
    match = re.fullmatch(r"(?:(\[[^\]]*\]|[^:]+):)?([0-9]+)", where)
    host, port = (match[1] or "*", int(match[2])) if match else (where, 80)
    host = {"0.0.0.0": "*", "localhost": "127.0.0.1"}.get(host, host.strip("[]"))  # noqa: S104 - nginx's own word for all
    return Listen(host, port, **flags)


def _fit(name: str, host: str) -> int:
    host = host.lower().rstrip(".")
    if name.startswith("~"):
        return 1 if _regex("~", name[1:], host) else 0
    name = name.lower()
    if name == host:
        return 4
    if name.startswith("."):
        return 4 if host == name[1:] else 3 if host.endswith(name) else 0
    if name.startswith("*."):
        return 3 if host.endswith(name[1:]) else 0
    return 2 if name.endswith(".*") and host.startswith(name[:-1]) else 0


def _find(block: Directive, path: str) -> list[Directive] | None:
    """ngx_http_core_find_location: the longest prefix, its nested locations, then the regular expressions in order."""
    best: Directive | None = None
    regexes: list[Directive] = []
    for one in block.all("location"):
        modifier, text = (one.args[0], one.args[1]) if len(one.args) > 1 else ("", one.args[0] if one.args else "@")
        if modifier == "=":
            if text == path:
                return [one]
        elif modifier in ("~", "~*"):
            regexes.append(one)
        elif not text.startswith("@") and path.startswith(text) and (not best or len(text) > len(best.args[-1])):
            best = one
    if best:
        nested = _find(best, path)
        if nested:
            return [best, *nested]
    if not best or best.args[0] != "^~":
        for one in regexes:
            if _regex(one.args[0], one.args[1], path):
                return [one, *(_find(one, path) or [])]
    return [best] if best else None


def _regex(modifier: str, pattern: str, text: str) -> re.Match[str] | None:
    """A match as PCRE would make it; none where the pattern is one that Python does not know."""
    try:
        return re.search(pattern, text, re.IGNORECASE if modifier == "~*" else 0)
    except re.error:
        return None


def _group(match: re.Match[str] | None, number: re.Match[str]) -> str:
    try:
        return (match[int(number[1])] or "") if match else ""
    except IndexError:
        return ""


def _address(text: str) -> str:
    if text.startswith("unix:"):
        return "unix:/" + text[5:].lstrip("/")
    return re.sub(r"^(localhost|\*)(?=:|$)", "127.0.0.1", text)
