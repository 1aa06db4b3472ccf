# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what a site's processes send to root, with limits for its size, time and shape.

A compromised site can answer anything, or nothing, for as long as the connection is open.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from typing import IO, Any, Callable, NamedTuple, cast

# The maximum size of one answer, in bytes.
MOST = 8 << 20
# The maximum number of digits: before 3.11, Python takes minutes to read a longer number.
DIGITS = 18
ANY = object
_BLOCK = 65536


class Said(NamedTuple):
    """The output of a process. `ended`: it ended in time and stayed below the size limit."""

    out: bytes
    err: bytes
    ended: bool
    too_much: bool = False


def parsed(raw: bytes | str, shape: Any = ANY) -> Any:
    """Parse a JSON text. Raises ValueError if it is no JSON, too long, nested too deeply or of another shape."""
    if len(raw) > MOST:
        raise ValueError(f"more than {MOST >> 20} MiB")
    try:
        found = json.loads(raw, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not fits(found, shape):
        raise ValueError("not of the expected shape")
    return found


def fits(value: Any, shape: Any) -> bool:
    """Return whether plain data has a shape: a type, several types, `[shape]`, or `{key: shape}` for existing keys."""
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(inner, shape[0]) for inner in value)
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(fits(value[key], inner) for key, inner in shape.items() if key in value)
    # In Python, True is also a number, but not in JSON.
    kinds = shape if isinstance(shape, tuple) else (shape,)
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds or ANY in kinds)


def talk(process: subprocess.Popen[bytes], stdin: bytes, timeout: float, end: Callable[[Any], None]) -> Said:
    """Write a process's input, and read both its streams until they end; `end` kills it after the time limit."""
    deadline, given = time.monotonic() + timeout, memoryview(stdin)
    streams = {cast(IO[bytes], stream).fileno(): bytearray() for stream in (process.stdout, process.stderr)}
    open_now, pipe = set(streams), cast(IO[bytes], process.stdin)
    os.set_blocking(pipe.fileno(), False)
    ended, too_much = True, False
    while open_now or given:
        left = deadline - time.monotonic()
        if left <= 0 or too_much:
            ended = False
            break
        ready, writable, _none = select.select(list(open_now), [pipe.fileno()] if given else [], [], left)
        if writable:
            given = _pushed(pipe, given)
            if not given:
                pipe.close()
        for descriptor in ready:
            block = os.read(descriptor, _BLOCK)
            streams[descriptor] += block
            too_much = too_much or len(streams[descriptor]) > MOST
            if not block:
                open_now.discard(descriptor)
    end(process)
    out, err = (bytes(kept[:MOST]) for kept in streams.values())
    for stream in (process.stdin, process.stdout, process.stderr):
        cast(IO[bytes], stream).close()
    return Said(out, err, ended, too_much)


def piped(descriptor: int, timeout: float) -> bytes | None:
    """Read a pipe until its end; None if that is too much or takes too long."""
    deadline, said = time.monotonic() + timeout, bytearray()
    while len(said) <= MOST:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return None
        block = os.read(descriptor, _BLOCK)
        if not block:
            return bytes(said)
        said += block
    return None


def first_line(descriptor: int, timeout: float) -> bytes:
    """Read the first line from a pipe, without its line end; b'' if none arrives in time."""
    deadline, said = time.monotonic() + timeout, bytearray()
    while b"\n" not in said and len(said) <= _BLOCK:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return b""
        block = os.read(descriptor, _BLOCK)
        if not block:
            break
        said += block
    return bytes(said.partition(b"\n")[0]).strip()


def _pushed(pipe: IO[bytes], given: memoryview) -> memoryview:
    """Write the input; return the rest. A process that does not read gets no more."""
    try:
        return given[os.write(pipe.fileno(), given[:_BLOCK]) :]
    except BlockingIOError:
        return given
    except BrokenPipeError:
        return given[:0]


def _integer(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)
