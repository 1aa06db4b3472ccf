# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a `.env` file of the controller, in the format that python-dotenv, Docker and shells have in common."""

from __future__ import annotations

import re

from .checks import Wrong

_NAME = re.compile(r"(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?P<rest>.*)", re.DOTALL)
_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'", "$": "$"}


def read_file(path: str) -> dict[str, str]:
    """Return the variables of a file. Raises `Wrong`, which gives the number of a line, but no value."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            text = stream.read()
    except FileNotFoundError:
        raise Wrong("a file on the controller; there is none") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"a file of text that can be read ({type(error).__name__})") from None
    if text.startswith("$ANSIBLE_VAULT;"):
        raise Wrong("a file that is not encrypted", "put its variables into env, in a vaulted file of variables")
    return parse(text)


def parse(text: str) -> dict[str, str]:
    """Return the variables in the text of a file; the last one of the same name is used.

    Values may be in single quotes (literal), in double quotes (with escapes, and over several lines) or unquoted (up to
    ` #`). `${NAME}` is a variable of a previous line, `${NAME:-text}` one with a default. Raises `Wrong`.
    """
    found: dict[str, str] = {}
    lines = re.split(r"\r\n|\r|\n", text)  # only here: a value may contain other line ends
    number = 0
    while number < len(lines):
        first = number + 1
        line = lines[number].strip()
        number += 1
        if not line or line.startswith("#"):
            continue
        named = _NAME.fullmatch(line)
        if not named:
            raise Wrong(f"NAME=value in line {first}")
        name, rest = named["name"], named["rest"]
        if rest[:1] in ("'", '"'):
            quote = rest[0]
            while not (end := _closed(rest, quote)):
                if number == len(lines):
                    raise Wrong(f"a closing quote for {name} in line {first}")
                rest += "\n" + lines[number]
                number += 1
            if rest[end:].strip() and not rest[end:].strip().startswith("#"):
                raise Wrong(f"nothing behind the closing quote of {name} in line {first}")
            value = rest[1 : end - 1]
            found[name] = value if quote == "'" else _unescaped(value, found, first)
        else:
            bare = re.split(r"(?:^|\s)#", rest, maxsplit=1)[0].strip()
            found[name] = _referred(bare, found, first)
    return found


def _closed(rest: str, quote: str) -> int:
    """Return the position after the closing quote; 0 if there is none."""
    body = r"[^']*" if quote == "'" else r'(?:[^"\\]|\\.)*'
    match = re.match(rf"{quote}{body}{quote}", rest, re.DOTALL)
    return match.end() if match else 0


def _unescaped(value: str, known: dict[str, str], line: int) -> str:
    parts = re.split(r"(\\.)", value, flags=re.DOTALL)
    return "".join(
        _ESCAPES.get(part[1], part) if number % 2 else _referred(part, known, line) for number, part in enumerate(parts)
    )


def _referred(value: str, known: dict[str, str], line: int) -> str:
    def replaced(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name not in known and default is None:
            raise Wrong(
                (f"a variable of a previous line in line {line} (found ${{{name}}})"), "write ${NAME:-} or a value"
            )
        return known.get(name) or default or ""

    return _REFERENCE.sub(replaced, value)
