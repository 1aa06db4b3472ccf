"""Small parsers written after the sources of systemd, uWSGI and nginx, independent of the collection's own code."""

from __future__ import annotations

import re

# --- systemd ---

# basic/utf8.c, unichar_is_valid: systemd drops text that contains one of these.
NONCHARACTERS = re.compile(
    "[\ufdd0-\ufdef" + "".join(chr(plane * 0x10000 + 0xFFFE + last) for plane in range(17) for last in (0, 1)) + "]"
)


def environment_file(text: str) -> dict[str, str]:
    """Read an EnvironmentFile as basic/env-file.c does; fail if systemd would drop part of it."""
    assert not NONCHARACTERS.search(text)
    found, key, value, state = {}, "", "", "before key"
    for char in f"{text}\n":
        if state == "before key":
            state = "comment" if char in "#;" else state
            if char not in "#; \t\n\r":
                key, state = char, "key"
        elif state == "comment":
            state = "before key" if char in "\n\r" else state
        elif state == "key":
            assert char not in "\n\r"
            key, state = (key, "before value") if char == "=" else (key + char, state)
        elif state == "before value":
            if char in "\n\r":
                found[key.strip()], value, state = value, "", "before key"
            else:
                assert char in '" \t'  # The collection writes no other escapes.
                state = "quoted" if char == '"' else state
        elif state == "quoted":
            if char == '"':
                state = "before value"
            elif char == "\\":
                state = "escaped"
            else:
                value += char
        elif state == "escaped":
            value += char if char in '"\\`$' else "" if char == "\n" else f"\\{char}"
            state = "quoted"
    assert state == "before key"
    return found


def unit(text: str) -> list[tuple[str, str, str]]:
    """Read a unit as shared/conf-parser.c does: (section, name, value) in order, specifiers not expanded."""
    found, section, joined = [], "", ""
    for line in re.split(r"[\n\r\0]", text):
        if not joined and line.lstrip(" \t")[:1] in ("#", ";"):
            continue
        assert not NONCHARACTERS.search(line)
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            joined += line[:-1] + " "
            continue
        line, joined = (joined + line).strip(" \t"), ""
        if line.startswith("["):
            assert line.endswith("]")
            section = line[1:-1]
        elif line:
            name, equals, value = line.partition("=")
            assert equals, line
            found.append((section, name.strip(" \t"), value.strip(" \t")))
    assert not joined
    return found


def specified(value: str) -> str:
    """Expand the specifiers of a value; only %% is allowed."""
    assert not re.search(r"%", value.replace("%%", ""))
    return value.replace("%%", "%")


_C_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t", "s": " "}


def exec_words(line: str) -> list[str]:
    """Split an ExecStart as basic/extract-word.c does, and expand it as core/execute.c does: $$ is a dollar."""
    words, word, quote, position = [], None, "", 0
    while position < len(line):
        char = line[position]
        if char == "\\":
            position += 1
            word = (word or "") + _C_ESCAPES[line[position]]
        elif quote:
            quote, word = ("", word) if char == quote else (quote, word + char)
        elif char in "'\"":
            quote, word = char, word or ""
        elif char in " \t\n\r":
            words, word = (words if word is None else [*words, word]), None
        else:
            assert not (word is None and char == ";" and line[position + 1 : position + 2] in ("", " "))
            word = (word or "") + char
        position += 1
    assert not quote
    words += [] if word is None else [word]
    for word in words[1:]:
        assert not re.search(r"\$", word.replace("$$", "").replace("${PATH}", "")), word
    return [specified(word).replace("$$", "$") for word in words]


# --- uWSGI ---


def uwsgi_ini(text: str) -> list[tuple[str, str]]:
    """Read an ini as core/ini.c and magic_sub do: the options of [uwsgi] in order."""
    found, section = [], ""
    assert "\0" not in text
    text = re.sub(r"%(.)", lambda match: {"%": "%", "(": "%("}.get(match[1], "EXPANDED"), text, flags=re.DOTALL)
    for line in text.split("\n"):
        line = line.strip(" \t\r")
        if line.startswith("["):
            section = line[1:-1]
        elif line and line[0] not in ";#" and section == "uwsgi":
            name, _equals, value = line.partition("=")
            assert "$(" not in value
            assert "@(" not in value
            found.append((name.rstrip(" \t\r"), value.strip(" \t\r")))
    return found


# --- nginx ---


def nginx(text: str) -> list:
    """Read a configuration as ngx_conf_read_token does: each directive as [words, block or None]."""
    top: list = []
    stack, words, position = [top], [], 0
    text += "\n"
    while position < len(text):
        char = text[position]
        if char in " \t\r\n":
            position += 1
        elif char == "#":
            position = text.index("\n", position)
        elif char == "}":
            assert not words
            stack.pop()
            position += 1
        elif char in ";{":
            assert words
            stack[-1].append([words, [] if char == "{" else None])
            if char == "{":
                stack.append(stack[-1][-1][1])
            words, position = [], position + 1
        else:
            word, position = _nginx_word(text, position)
            words.append(word)
    assert stack == [top]
    assert not words
    return top


def _nginx_word(text: str, start: int) -> tuple[str, int]:
    """Return the word that begins at `start`, and the position after it."""
    quote = text[start] if text[start] in "\"'" else ""
    position = start + len(quote)
    begin, variable = position, False
    while True:
        char = text[position]
        if char == "\\":
            position += 2
            variable = False
            continue
        if quote:
            if char == quote:
                assert text[position + 1] in " \t\r\n;{)", "a separator must follow a quote"
                return _nginx_unescaped(text[begin:position]), position + 1
        elif char in " \t\r\n;" or (char == "{" and not variable):
            return _nginx_unescaped(text[begin:position]), position
        variable = char == "$"
        position += 1


def _nginx_unescaped(word: str) -> str:
    known = {'"': '"', "'": "'", "\\": "\\", "t": "\t", "r": "\r", "n": "\n"}
    return re.sub(r"\\(.)", lambda match: known.get(match[1], match[0]), word, flags=re.DOTALL)
