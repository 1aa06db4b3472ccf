# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read any nginx configuration into a tree of directives. `match.py` answers from it as nginx would.

Nothing here knows how this collection writes its own files.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# `nginx -T` puts this above each file.
_FILE = re.compile(r"^# configuration file (.+):\n", re.MULTILINE)
# nginx itself has no limit; a file that includes itself must not make this one endless.
_DEPTH_MAX = 20


class DumpError(ValueError):
    """Text that is not an nginx configuration. The message names the file, the line and what is wrong there."""


@dataclass
class Directive:
    """One directive; `block` is None where it ends with a semicolon."""

    name: str
    args: list[str]
    file: str
    line: int
    block: list[Directive] | None = None

    def all(self, name: str) -> list[Directive]:
        """Return the directives of this name in the block."""
        return [directive for directive in self.block or [] if directive.name == name]

    def __str__(self) -> str:
        end = ";" if self.block is None else " {"
        return " ".join([self.name, *self.args]) + end

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass
class Config:
    """A whole configuration. `unread` names the files that could not be parsed, with the reason."""

    tree: list[Directive]
    unread: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

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
    """Read the configuration from the files themselves, for when `nginx -T` refuses a broken one.

    A file that cannot be read or parsed is left out and named in `unread`.
    """
    files: dict[str, str] = {}

    def gather(pattern: str) -> None:
        for name in sorted(glob.glob(pattern)):
            if name in files or not os.path.isfile(name):
                continue
            with open(name, encoding="utf-8", errors="replace") as stream:
                files[name] = stream.read()
            for wanted in re.findall(r"^[^#\n]*?\binclude\s+[\"']?([^;\"'\s]+)", files[name], re.MULTILINE):
                gather(os.path.join(os.path.dirname(path), wanted))

    gather(path)
    if path not in files:
        raise DumpError(f"{path} cannot be read")
    return _read(files, path)


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
        """Put the directives of included files in the place of the includes."""
        result = []
        for found in directives:
            if found.name == "include" and found.args and depth < _DEPTH_MAX:
                pattern = os.path.normpath(os.path.join(base, found.args[0]))
                for name in sorted(files):
                    if _glob_match(os.path.normpath(name), pattern):
                        result += resolve(trees[name], depth + 1)
                continue
            block = None if found.block is None else resolve(found.block, depth)
            result.append(Directive(found.name, found.args, found.file, found.line, block))
        return result

    config.tree = resolve(trees[first], 0)
    return config


def _glob_match(name: str, pattern: str) -> bool:
    """Match as glob(3) does: `*` does not reach over a slash, nor to a hidden file."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(
        fnmatch.fnmatchcase(part, wanted) and (part[:1] != "." or wanted[:1] == ".")
        for part, wanted in zip(parts, patterns)
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
            found = Directive(words[0], words[1:], name, start, [] if word == "{" else None)
            stack[-1][0].append(found)
            if found.block is not None:
                stack.append((found.block, found.place))
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
    """Yield (word or mark, line, whether it was quoted)."""
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
