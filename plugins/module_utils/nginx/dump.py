# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Parse any nginx configuration into a tree of directives. `match.py` evaluates it like nginx.

Nothing here depends on how this collection writes its own files.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Union

from ..model import regular

# `nginx -T` puts this above each file.
_FILE = re.compile(r"^# configuration file (.+):\n", re.MULTILINE)
# nginx itself has no limit; a file that includes itself must not cause endless recursion.
_DEPTH_MAX = 20


# Positions in the blocks from the outermost to the innermost; that of an include is followed by the file's name.
Order = tuple[Union[int, str], ...]


class DumpError(ValueError):
    """Text that is not an nginx configuration. The message contains the file, the line and the fault."""


@dataclass
class Directive:
    """One directive; `block` is None if it ends with a semicolon.

    `column` is its position in the line, counted from 0, `text` its source (of a block up to its `{`), and `end` the
    line and the column of a block's `}`. nginx reads directives in ascending `order`.
    """

    name: str
    args: list[str]
    file: str
    line: int
    block: list[Directive] | None = None
    column: int = field(default=0, compare=False)
    text: str = field(default="", compare=False)
    end: tuple[int, int] = field(default=(0, 0), compare=False)
    order: Order = field(default=(), compare=False)

    def all(self, name: str) -> list[Directive]:
        """Return the directives of this name in the block."""
        return [directive for directive in self.block or [] if directive.name == name]

    def __str__(self) -> str:
        end = ";" if self.block is None else " {"
        return " ".join([self.name, *self.args]) + end

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


class Include(NamedTuple):
    """An `include`: its absolute pattern, the names of its enclosing blocks, outermost first, and its `order`."""

    pattern: str
    blocks: tuple[str, ...]
    order: Order

    def takes(self, path: str) -> bool:
        """Return whether a file of this path is included, or would be."""
        return glob_match(os.path.normpath(path), self.pattern)


@dataclass
class Config:
    """A complete configuration. `unread` contains the files that could not be parsed, with the reason.

    `includes` are in the order in which nginx reads them.
    """

    tree: list[Directive]
    unread: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)

    def value(self, name: str, default: str = "") -> str:
        """Return the first argument of a directive of the main context."""
        return next((found.args[0] for found in self.tree if found.name == name and found.args), default)


def parse(dump: str) -> Config:
    """Read the output of `nginx -T`. Raises `DumpError` when there is no configuration in it."""
    parts = _FILE.split(dump)
    files = dict(zip(parts[1::2], parts[2::2]))
    if not files:
        raise DumpError("no configuration in the output of nginx -T")
    return _read(files, parts[1])


def read_files(path: str) -> Config:
    """Read the configuration files themselves, for when `nginx -T` refuses a faulty one.

    A file that cannot be read or parsed is left out and added to `unread`.
    """
    files: dict[str, str] = {}
    unread: list[str] = []

    def gather(pattern: str) -> None:
        for name in sorted(glob.glob(pattern)):
            if name in files or not os.path.isfile(name):
                continue
            try:
                files[name] = regular.content(name).decode("utf-8", "replace")
            except OSError as error:
                unread.append(f"{name}: {error.strerror}")
                continue
            for wanted in re.findall(r"\binclude\s+[\"']?([^;\"'\s]+)", _without_comments(files[name])):
                gather(os.path.join(os.path.dirname(path), wanted))

    gather(path)
    if path not in files:
        raise DumpError(f"{path} cannot be read")
    config = _read(files, path)
    config.unread += unread
    return config


def _without_comments(text: str) -> str:
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


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

    def resolve(directives: list[Directive], depth: int, blocks: tuple[str, ...], before: Order) -> list[Directive]:
        """Replace the includes by the directives of the included files."""
        result = []
        for number, found in enumerate(directives):
            order = (*before, number)
            if found.name == "include" and found.args and depth < _DEPTH_MAX:
                include = Include(os.path.normpath(os.path.join(base, found.args[0])), blocks, order)
                config.includes.append(include)
                for name in sorted(files):
                    if include.takes(name):
                        result += resolve(trees[name], depth + 1, blocks, (*order, name))
                continue
            block = None if found.block is None else resolve(found.block, depth, (*blocks, found.name), order)
            result.append(replace(found, block=block, order=order))
        return result

    config.tree = resolve(trees[first], 0, (), ())
    return config


def glob_match(name: str, pattern: str) -> bool:
    """Match as glob(3) does: `*` matches neither a slash nor a leading dot."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(
        fnmatch.fnmatchcase(part, wanted) and (part[:1] != "." or wanted[:1] == ".")
        for part, wanted in zip(parts, patterns)
    )


def _parse_file(name: str, text: str) -> list[Directive]:
    text = _without_lua(text)
    top: list[Directive] = []
    stack: list[tuple[list[Directive], Directive | None]] = [(top, None)]
    words: list[_Token] = []
    for token in _tokens(name, text):
        if not token.is_mark:
            words.append(token)
        elif token.word == "}":
            if words or len(stack) == 1:
                raise DumpError(f"{name}:{token.line}: unexpected '}}'")
            block = stack.pop()[1]
            if block:
                block.end = (token.line, token.column)
        else:
            if not words:
                raise DumpError(f"{name}:{token.line}: unexpected '{token.word}'")
            found = _directive(name, text, words, token)
            stack[-1][0].append(found)
            if found.block is not None:
                stack.append((found.block, found))
            words = []
    unended = stack[-1][1]
    if unended:
        raise DumpError(f"{name}: the block that begins in {unended.place} has no end")
    if words:
        raise DumpError(f"{name}:{words[0].line}: '{words[0].word}' is not ended by ';'")
    return top


def _directive(name: str, text: str, words: list[_Token], mark: _Token) -> Directive:
    first = words[0]
    return Directive(
        first.word,
        [token.word for token in words[1:]],
        name,
        first.line,
        [] if mark.word == "{" else None,
        first.column,
        text[first.start : mark.start + 1],
    )


class _Token(NamedTuple):
    """A word or a mark; `start` is its position in the text, `column` in its line."""

    word: str
    line: int
    is_mark: bool
    start: int
    column: int


# What a block of Lua may contain: comments, strings, braces.
_LUA = re.compile(r"""--\[\[.*?\]\]|--[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\[\[.*?\]\]|[{}]""", re.DOTALL)


def _without_lua(text: str) -> str:
    """Blank out `*_by_lua_block { }` (lua-nginx-module); all other characters keep their positions."""
    for opening in re.finditer(r"(?m)^[^#\n]*_by_lua_block\s*\{", text):
        depth = 1
        for found in _LUA.finditer(text, opening.end()):
            depth += {"{": 1, "}": -1}.get(found[0], 0)
            if depth == 0:
                inside = re.sub(r"[^\n]", " ", text[opening.end() : found.start()])
                text = text[: opening.end()] + inside + text[found.start() :]
                break
    return text


# As nginx's ngx_conf_read_token has it: inside a word, a `}` and the brace of `${` are characters like others.
_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<comment>\#[^\n]*) | (?P<mark>[{};])
      | "(?P<double>(?:\\.|[^"\\])*)" | '(?P<single>(?:\\.|[^'\\])*)'
      | (?P<word>(?!["'}])(?:\\.|\$\{|[^\s;{\\])+)""",
    re.VERBOSE | re.DOTALL,
)


# nginx takes the backslash away in front of these, with and without quotes around the word; any other one stays.
_ESCAPED = re.compile(r"\\([\"'\\trn])")
_CONTROL = {"t": "\t", "r": "\r", "n": "\n"}


def _tokens(name: str, text: str) -> Iterator[_Token]:
    line, line_start, position = 1, 0, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise DumpError(f"{name}:{line}: a quote that is not closed")
        kind, word = str(match.lastgroup), match[str(match.lastgroup)]
        place = (position, position - line_start)
        if kind == "mark":
            yield _Token(word, line, True, *place)
        elif kind in ("double", "single", "word"):
            yield _Token(_ESCAPED.sub(lambda found: _CONTROL.get(found[1], found[1]), word), line, False, *place)
        newlines = match[0].count("\n")
        if newlines:
            line += newlines
            line_start = position + match[0].rindex("\n") + 1
        position = match.end()
