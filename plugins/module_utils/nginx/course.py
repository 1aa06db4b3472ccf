# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Follow a request through a server of nginx, phase by phase, to an application, a file or a status.

`rewrite` and `return`, then the location, then `try_files`, then the handler, then `error_page` ("Development guide",
HTTP phases). `if` is ignored, because only nginx knows its conditions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Callable, NamedTuple

from . import match
from .dump import Directive

# After ten internal redirects, nginx answers 500.
_REDIRECTS_MAX = 10
_REDIRECTING = ("301", "302", "303", "307", "308")
PASS, RETURN, FILE, STATUS, UNKNOWN = "pass", "return", "file", "status", "unknown"


class Disk(NamedTuple):
    """Queries of the disk: whether a path is a file, whether it is a directory. `prefix` is nginx's own."""

    is_file: Callable[[str], bool]
    is_folder: Callable[[str], bool]
    prefix: str = ""


@dataclass
class Course:
    """Where a request ends: `ends` is how, `chain` the blocks, `by` the directive that decided.

    `status` is nginx's own answer, 0 if it is not nginx that answers; `file` what it serves, or did not find. `tried`
    are the `try_files` on the way, `steps` the URIs of the internal redirects, `rewrites` what changed the URI.
    """

    uri: str
    ends: str
    chain: list[Directive]
    by: Directive | None = None
    status: int = 0
    file: str = ""
    tried: list[Directive] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    rewrites: list[Directive] = field(default_factory=list)

    @property
    def place(self) -> str:
        return self.by.place if self.by else self.chain[-1].place

    @property
    def location(self) -> Directive:
        return self.chain[-1]


def follow(server: match.Server, uri: str, disk: Disk) -> Course:
    """Return where a request for `uri` ends."""
    return _Walk(server, disk).begin(match.path_of(uri))


def hand_overs(server: match.Server) -> list[list[Directive]]:
    """Return the chains of all locations that pass requests to an application, `/` first, then the shortest."""
    found: list[list[Directive]] = []

    def look(chain: list[Directive]) -> None:
        handled = match.handler(chain)
        if match.passes(handled):
            found.append(chain)
        for location in chain[-1].all("location"):
            look([*chain, location])

    look(list(server.chain))
    return sorted(found, key=lambda chain: len("".join(chain[-1].args[-1:])))


def sample(chain: list[Directive]) -> str:
    """Return a URI that matches a location, '' if it is unknown: for a regular expression or a named location."""
    words = chain[-1].args
    if chain[-1].name != "location":
        return "/"
    modifier, text = (words[0], words[1]) if len(words) > 1 else ("", words[0] if words else "")
    if modifier in ("~", "~*"):
        plain = re.match(r"\^?((?:/[\w.-]*)+?)/?(?:\(\.\*\)|\.\*|[$(\[]|$)", text)
        return plain[1] if plain else ""
    return "" if text.startswith("@") else text


class _Walk:
    """The way of one request."""

    def __init__(self, server: match.Server, disk: Disk) -> None:
        self.server, self.disk = server, disk
        self.tried: list[Directive] = []
        self.steps: list[str] = []
        self.rewrites: list[Directive] = []
        self.constants = match.constants(server.chain)

    def begin(self, uri: str) -> Course:
        for block in self.server.chain[1:2]:
            ended, uri, _again = self._rewritten(list(self.server.chain), block, uri)
            if ended:
                return ended
        return self._locate(uri)

    def _locate(self, uri: str) -> Course:
        if len(self.steps) > _REDIRECTS_MAX:
            return self._end(STATUS, uri, match.found(self.server, uri), status=500)
        chain = match.found(self.server, uri)
        if len(chain) > len(self.server.chain):
            ended, changed, again = self._rewritten(chain, chain[-1], uri)
            if ended:
                return ended
            if again:
                return self._redirect(changed)
            uri = changed
        return self._try(chain, uri)

    def _redirect(self, uri: str) -> Course:
        self.steps.append(uri)
        return self._locate(uri)

    def _rewritten(self, chain: list[Directive], block: Directive, uri: str) -> tuple[Course | None, str, bool]:
        """Return (the end, the URI, whether to search a location again) after the rewrite phase of a block."""
        changed = False
        for found in block.block or []:
            if found.name == "return" and found.args:
                return self._returned(chain, found, uri), uri, False
            if found.name != "rewrite" or len(found.args) < 2:
                continue
            fits = match.search(found.args[0], uri)
            if not fits:
                continue
            flag = found.args[2] if len(found.args) > 2 else ""
            text = match.filled(found.args[1], fits)
            if text.startswith(("http://", "https://", "$scheme")) or flag in ("redirect", "permanent"):
                return self._end(RETURN, uri, chain, found, 301 if flag == "permanent" else 302), uri, False
            uri, changed = match.path_of(text), True
            self.rewrites.append(found)
            if "$" in uri:
                return self._end(UNKNOWN, uri, chain, found), uri, False
            if flag in ("last", "break"):
                return None, uri, flag == "last"
        return None, uri, changed

    def _returned(self, chain: list[Directive], found: Directive, uri: str) -> Course:
        code = found.args[0]
        return self._end(RETURN, uri, chain, found, int(code) if code.isdigit() else 302)

    def _try(self, chain: list[Directive], uri: str) -> Course:
        for tried in chain[-1].all("try_files"):
            if len(tried.args) < 2:
                continue
            self.tried.append(tried)
            for argument in tried.args[:-1]:
                text = re.sub(r"/+", "/", self._filled(argument, uri))
                if "$" in text:
                    return self._end(UNKNOWN, uri, chain, tried)
                path = match.file_of(chain, text if text.startswith("/") else f"/{text}", self.disk.prefix, uri)
                # The argument determines which of the two is tested, whatever the URI ends with.
                there = self.disk.is_folder if argument.endswith("/") else self.disk.is_file
                if path and there(path.rstrip("/") or "/"):
                    return self._content(chain, text)
            return self._last(chain, tried, uri)
        return self._content(chain, uri)

    def _last(self, chain: list[Directive], tried: Directive, uri: str) -> Course:
        last = self._filled(tried.args[-1], uri)
        if last.startswith("="):
            return self._failed(chain, uri, int(last[1:]) if last[1:].isdigit() else 404, tried)
        if last.startswith("@"):
            return self._named(chain, last, uri, tried)
        if "$" in last:
            return self._end(UNKNOWN, uri, chain, tried)
        return self._redirect(match.path_of(last))

    def _named(self, chain: list[Directive], name: str, uri: str, by: Directive) -> Course:
        for location in self.server.chain[-1].all("location"):
            if location.args == [name]:
                inner = [*self.server.chain, location]
                if len(self.steps) > _REDIRECTS_MAX:
                    break
                self.steps.append(name)
                ended, uri, _again = self._rewritten(inner, location, uri)
                return ended or self._try(inner, uri)
        return self._end(STATUS, uri, chain, by, 500)

    def _content(self, chain: list[Directive], uri: str) -> Course:
        handled = match.handler(chain)
        if handled is not None:
            return self._end(PASS, uri, chain, handled)
        path = match.file_of(chain, uri, self.disk.prefix)
        if not path or "$" in path:
            return self._end(UNKNOWN, uri, chain)
        if not uri.endswith("/"):
            if self.disk.is_file(path):
                return self._end(FILE, uri, chain, status=200, file=path)
            if self.disk.is_folder(path):
                return self._end(RETURN, uri, chain, status=301, file=path)
            return self._failed(chain, uri, 404, None, path)
        for name in self._index(chain):
            if self.disk.is_file(f"{path.rstrip('/')}/{name}"):
                return self._redirect(f"{uri}{name}")
        listing = match.inherited(chain, "autoindex")
        if listing and listing.args == ["on"]:
            return self._end(FILE, uri, chain, listing, 200, path)
        return self._failed(chain, uri, 403 if self.disk.is_folder(path.rstrip("/") or "/") else 404, None, path)

    def _index(self, chain: list[Directive]) -> Iterator[str]:
        given = match.inherited(chain, "index")
        return (name for name in (given.args if given else ["index.html"]) if "$" not in name and name[:1] != "/")

    def _failed(self, chain: list[Directive], uri: str, status: int, by: Directive | None, path: str = "") -> Course:
        """End with a status, unless an `error_page` handles it."""
        for block in reversed(chain):
            pages = block.all("error_page")
            for page in pages:
                codes, target = page.args[:-1], page.args[-1] if page.args else ""
                if str(status) not in codes or len(self.steps) > _REDIRECTS_MAX:
                    continue
                if target.startswith("@"):
                    return self._kept(self._named(chain, target, uri, page), codes, status)
                if target.startswith("/") and any(code.startswith("=") for code in codes):
                    return self._kept(self._redirect(target), codes, status)
            if pages:
                break
        return self._end(STATUS, uri, chain, by, status, path)

    def _kept(self, course: Course, codes: list[str], status: int) -> Course:
        """Without `=`, the first status is kept, whatever the page's own is."""
        if course.ends == PASS and not any(code.startswith("=") for code in codes):
            course.status = status
        return course

    def _filled(self, text: str, uri: str) -> str:
        values = {**self.constants, "uri": uri, "document_uri": uri, "args": "", "is_args": "", "query_string": ""}
        return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda one: values.get(one[1] or one[2], one[0]), text)

    def _end(
        self,
        ends: str,
        uri: str,
        chain: list[Directive],
        by: Directive | None = None,
        status: int = 0,
        file: str = "",
    ) -> Course:
        return Course(uri, ends, chain, by, status, file, self.tried, self.steps, self.rewrites)
