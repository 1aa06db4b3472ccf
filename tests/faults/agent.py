"""Stop the process where /run/pyweb-breakpoint.json says; on the host it is called pyweb_breakpoint, see breakpoints.py.

Runs on the host's own Python, 3.9 or newer, at its start. A point is one of the product's functions: if that is renamed,
nothing stops there, and the test fails. A trace function is asked once for each call of a Python function; a profile
function would be asked for each call of a C function and for each return as well, and a module would take twice as long.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from types import FrameType
from typing import Any

POINT = "/run/pyweb-breakpoint.json"
REACHED = "/run/pyweb-breakpoint.reached"
PREFIX = "ansible_collections.pyweb.stack.plugins."


def watch(point: dict[str, Any]) -> None:
    """Stop the process when it comes to the point for the `nth` time."""
    left = [point["nth"]]
    packages = tuple(f"{prefix}{point['module']}." for prefix in ("", PREFIX))

    def called(frame: FrameType, _event: str, _argument: object) -> Any:
        if frame.f_code.co_name != point["function"]:
            return None
        if not f"{frame.f_globals.get('__name__')}.".startswith(packages):
            return None
        if point["event"] == "return":
            frame.f_trace_lines = False
            return returned
        come(frame)
        return None

    def returned(frame: FrameType, event: str, _argument: object) -> Any:
        if event == "return":
            come(frame)
        return returned

    def come(frame: FrameType) -> None:
        caller = frame.f_back.f_locals if frame.f_back else {}
        if point["step"] and point["step"] not in (frame.f_locals.get("step"), caller.get("step")):
            return
        left[0] -= 1
        if left[0]:
            return
        sys.settrace(None)
        os.unlink(POINT)  # once: the next run goes through
        with open(REACHED + ".new", "w", encoding="ascii") as stream:
            stream.write(f"{os.getpid()}\n")
        os.rename(REACHED + ".new", REACHED)
        os.kill(os.getpid(), signal.SIGSTOP)

    sys.settrace(called)


if __name__ == "pyweb_breakpoint":
    try:
        with open(POINT, encoding="utf-8") as stream:
            watch(json.load(stream))
    except OSError:
        pass
