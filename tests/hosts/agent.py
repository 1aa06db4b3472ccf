"""Stop the process where /run/pyweb-breakpoint.json says. On the host its name is pyweb_breakpoint; see breakpoints.py.

Runs on the host's own Python, 3.9 or newer, at each start. Without a point it imports nothing. A point is a function
of the product: if the function is renamed, no process stops, and the test fails. Python calls a trace function once
per call of a Python function. It would call a profile function for each call of a C function and for each return as
well, and a module would take twice as long.
"""

from __future__ import annotations

import os
import sys

POINT = "/run/pyweb-breakpoint.json"
REACHED = "/run/pyweb-breakpoint.reached"
PREFIX = "ansible_collections.pyweb.stack.plugins."


def watch(point):
    """Stop the process when it reaches the point for the `nth` time."""
    import signal

    left = [point["nth"]]
    packages = tuple(f"{prefix}{point['module']}." for prefix in ("", PREFIX))

    def called(frame, _event, _argument):
        if frame.f_code.co_name != point["function"]:
            return None
        if not f"{frame.f_globals.get('__name__')}.".startswith(packages):
            return None
        if point["event"] == "return":
            frame.f_trace_lines = False
            return returned
        come(frame)
        return None

    def returned(frame, event, _argument):
        if event == "return":
            come(frame)
        return returned

    def come(frame):
        caller = frame.f_back.f_locals if frame.f_back else {}
        if point["step"] and point["step"] not in (frame.f_locals.get("step"), caller.get("step")):
            return
        left[0] -= 1
        if left[0]:
            return
        sys.settrace(None)
        os.unlink(POINT)  # stop only once: the next run is not stopped
        with open(REACHED + ".new", "w", encoding="ascii") as stream:
            stream.write(f"{os.getpid()}\n")
        os.rename(REACHED + ".new", REACHED)
        os.kill(os.getpid(), signal.SIGSTOP)

    sys.settrace(called)


if __name__ == "pyweb_breakpoint" and os.path.exists(POINT):
    import json

    with open(POINT, encoding="utf-8") as stream:
        watch(json.load(stream))
