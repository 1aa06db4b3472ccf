"""Read a page of the documentation: its blocks, and what a test does with each of them.

The first word after the fence is the language, as everywhere. The words behind it say what a test does:

    bash                commands on the controller; every one has to succeed
    bash on=web1        commands on a host, as the user that logs in there
    bash fails          commands that are expected to fail
    LANGUAGE file=PATH  the contents of a file; `append` adds them to it
    text output         what the block before prints
    LANGUAGE example    not run: values of the reader, or what belongs elsewhere
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
# The pages that are run as they are written.
GUIDES = [ROOT / "README.md", *sorted([*ROOT.glob("docs/tutorial-*.md"), *ROOT.glob("docs/how-to-*.md")])]
FLAGS = ("example", "output", "fails", "append")
KEYS = ("on", "file")
CONTROLLER = ""
# In an output, what differs between two runs: an ID of twelve digits, a time, a date, a number of seconds.
ID = r"(?<![0-9a-f])(?=[a-f]*[0-9])[0-9a-f]{12}(?![0-9a-f])"
VARYING = re.compile(rf"\.\.\.|{ID}|\b\d\d:\d\d:\d\d\b|\b\d{{4}}-\d\d-\d\d\b|\b\d+(?:\.\d+)? s\b")
PATTERNS = [(r"\d\d:\d\d:\d\d", r"\d\d:\d\d:\d\d"), (r"\d{4}-\d\d-\d\d", r"\d{4}-\d\d-\d\d")]


class PageError(Exception):
    """What is wrong with a page, as PAGE:LINE: MESSAGE."""


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` is that of its fence."""

    page: str
    line: int
    language: str
    text: str
    on: str = CONTROLLER
    file: str = ""
    example: bool = False
    output: bool = False
    fails: bool = False
    append: bool = False

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        return self.language == "bash" and not (self.example or self.file)


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page; a block whose notation is wrong is an error."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return list(_blocks(path.read_text(encoding="utf-8"), name))


def _blocks(text: str, page: str) -> Iterator[Block]:
    for token in MarkdownIt("commonmark").parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "code_block":
            raise PageError(f"{page}:{line}: an indented block; write it between ``` and name its language")
        if token.type == "fence":
            yield _block(token, page, line)


def _block(token: Token, page: str, line: int) -> Block:
    language, *words = token.info.split() or [""]
    if not language:
        raise PageError(f"{page}:{line}: the block has no language")
    values: dict[str, str] = {}
    flags: dict[str, bool] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in (KEYS if equals else FLAGS):
            raise PageError(f"{page}:{line}: unknown word '{word}'; known: {', '.join(FLAGS)}, on=HOST, file=PATH")
        if equals:
            values[key] = value
        else:
            flags[key] = True
    return Block(page, line, language, token.content, **values, **flags)  # type: ignore[arg-type]


def checked(path: Path) -> list[Block]:
    """Return the blocks of a page that is run: each is run, is a file or an output, or says that it is an example."""
    found = blocks(path)
    for position, block in enumerate(found):
        if not (block.runs or block.file or block.output or block.example):
            raise PageError(
                f"{block.place}: a block of {block.language} that no test runs; mark it: example, output or file=PATH"
            )
        if block.output and not (position and (found[position - 1].runs or found[position - 1].output)):
            raise PageError(f"{block.place}: an output with no commands before it")
    return found


# --- outputs ----------------------------------------------------------------------------------------------------------


def missing(expected: str, output: str, ids: dict[str, str]) -> str:
    """Return the first line of an expected output that does not come, in its order; '' where all do.

    `ids` are the IDs that the page has shown before, and what they are in this run; new ones are added.
    """
    lines = iter([_plain(line) for line in output.splitlines()])
    for line in expected.splitlines():
        wanted = _plain(line)
        if wanted in ("", "..."):
            continue
        if not any(_met(wanted, there, ids) for there in lines):
            return line
    return ""


def _plain(line: str) -> str:
    return " ".join(line.split())


def _met(wanted: str, there: str, ids: dict[str, str]) -> bool:
    names: dict[str, str] = {}
    found = re.fullmatch(_pattern(wanted, ids, names), there)
    if found:
        ids.update({shown: found[group] for shown, group in names.items()})
    return found is not None


def _pattern(wanted: str, ids: Mapping[str, str], names: dict[str, str]) -> str:
    """Return a regular expression for a line; `names` gets the group of each ID that is new."""
    parts, end = [], 0
    for found in VARYING.finditer(wanted):
        parts += [re.escape(wanted[end : found.start()]), _varying(found[0], ids, names)]
        end = found.end()
    return "".join([*parts, re.escape(wanted[end:])])


def _varying(shown: str, ids: Mapping[str, str], names: dict[str, str]) -> str:
    if shown == "...":
        return ".*"
    for kind, pattern in PATTERNS:
        if re.fullmatch(kind, shown):
            return pattern
    if shown.endswith(" s"):
        return r"\d+(?:\.\d+)? s"
    if shown in ids:
        return re.escape(ids[shown])
    if shown in names:
        return f"(?P={names[shown]})"
    names[shown] = f"id{len(names)}"
    return f"(?P<{names[shown]}>[0-9a-f]{{12}})"
