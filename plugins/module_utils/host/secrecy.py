# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a secret may be written in what a program prints, and what finds it in all of these forms.

Which characters are escaped, and how, each program decides for itself: JavaScript leaves a ! in a URL, git and Python
write ' otherwise within other quotation marks, bytes of Python are no text of Python. Letters and digits of ASCII
stay what they are in all of it but base64. So the rest of a secret is found in any form, each character for itself.
"""

from __future__ import annotations

import functools
import html
import re

SHOWN = "********"
# Of longer ones, such as a key, each line is a secret of its own.
LENGTH_MAX = 4000
# So many backslashes before a character: an escaped text in an escaped text in another one. With an end, for a program
# may print nothing but backslashes.
_ESCAPED, _ESCAPE = r"\\{0,8}", r"\\{1,8}"
_NAMED = {"\n": "n", "\r": "r", "\t": "t"}


def without(text: str, secret: str) -> str:
    """Return a text without a secret, in whatever form it stands there."""
    plain = max(re.findall(r"[A-Za-z0-9]+", secret), key=len, default="")
    # Which is what all forms have.
    return finding(secret).sub(SHOWN, text) if plain in text else text


@functools.lru_cache(maxsize=4096)
def finding(secret: str) -> re.Pattern[str]:
    """Return what finds a secret as Python, JSON, URLs, HTML and shells write it, also one within another."""
    if len(secret) > LENGTH_MAX:
        return re.compile(re.escape(secret))
    return re.compile(
        "".join(
            run if run.isascii() and run.isalnum() else _backslashes(len(run)) if run[0] == "\\" else _any_form(run)
            for run in re.findall(r"\\+|[A-Za-z0-9]+|.", secret, re.DOTALL)
        )
    )


def _backslashes(count: int) -> str:
    return rf"(?:\\{{{count},{8 * count}}}|(?:%(?:25){{0,3}}5[cC]|&#0{{0,4}}92;){{{count}}})"


def _any_form(character: str) -> str:
    number, raw = ord(character), character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    forms = [
        _ESCAPED + re.escape(character),
        "".join(f"%(?:25){{0,3}}{_hex(byte, 2)}" for byte in raw),
        "".join(rf"{_ESCAPE}x{_hex(byte, 2)}" for byte in raw),
        "".join(rf"{_ESCAPE}{byte:03o}" for byte in raw),
        "".join(rf"{_ESCAPE}u{_hex(units[at] << 8 | units[at + 1], 4)}" for at in range(0, len(units), 2)),
        rf"{_ESCAPE}U{_hex(number, 8)}",
        f"&#0{{0,4}}{number};",
        f"&#[xX]0{{0,4}}{_hex(number, 0)};",
    ]
    if number < 256:
        forms.append(rf"{_ESCAPE}x{_hex(number, 2)}")
    if character in _NAMED:
        forms.append(rf"{_ESCAPE}{_NAMED[character]}")
    if html.escape(character, quote=False) != character or character == '"':
        forms.append(re.escape(html.escape(character)))
    if character == " ":
        forms.append(r"\+")
    if character == "'":
        forms += [r"'\"'\"'", rf"'{_ESCAPE}''"]
    return f"(?:{'|'.join(dict.fromkeys(forms))})"


def _hex(number: int, digits: int) -> str:
    """Return a pattern of a number in hexadecimal digits of either case."""
    text = f"{number:0{digits}x}" if digits else f"{number:x}"
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in text)
