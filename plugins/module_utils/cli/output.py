# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A command, not a module: it prints to the terminal.
# pylint: disable=ansible-bad-function
"""What a command prints: control characters made visible, with colours on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

from ..host.visible import one_line, visible


def prepare() -> None:
    """Write escapes to a terminal without UTF-8 instead of raising, and ignore output that is closed."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the command ends
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - likewise
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def until_closed() -> Iterator[None]:
    """Print until the reader closes the output, which does not change the result."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        into_nothing()


def into_nothing() -> None:
    """Discard everything that is still written to standard output."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def say(text: str, colour: str = "") -> None:
    """Print lines. Text that they quote cannot control the terminal."""
    shown = visible(text)
    if colour and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        shown = f"\033[{colour}m{shown}\033[0m"
    print(shown, flush=True)


def say_line(text: str, colour: str = "", indent: str = "") -> None:
    """Print one line, whatever the text contains."""
    say(indent + one_line(text), colour)


def complain(text: str) -> None:
    """Print what is wrong, on standard error."""
    with contextlib.suppress(OSError):  # standard error is closed, too
        print(f"pyweb: {visible(text)}", file=sys.stderr, flush=True)
