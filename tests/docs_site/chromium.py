"""A headless browser, controlled through its debugging pipe. This needs only the program, no Python package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60


@dataclass
class Visit:
    """What happened while a page was loaded."""

    errors: list[str] = field(default_factory=list)
    # The URL and status of the page and of everything that it loaded.
    answers: dict[str, int] = field(default_factory=dict)


class Browser:
    """A process of Chromium with one tab."""

    def __init__(self, profile: str) -> None:
        name = next((found for name in NAMES if (found := shutil.which(name))), None)
        if name is None:
            raise FileNotFoundError("no chromium; `make docs-site-test` installs it")
        theirs, self.sender = os.pipe()
        self.receiver, back = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"]
        options += [f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        # The protocol uses the file descriptors 3 and 4.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{back}', "chromium", name, *options],
            pass_fds=(theirs, back),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(back)
        self.number, self.buffer, self.session = 0, b"", ""
        self.events: list[dict[str, Any]] = []
        tabs = self.call("Target.getTargets")["targetInfos"]
        tab = next(target["targetId"] for target in tabs if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(SECONDS)
        os.close(self.sender)
        os.close(self.receiver)

    def visit(self, address: str) -> Visit:
        """Load a page and wait until its scripts have run."""
        self.events.clear()
        fault = self.call("Page.navigate", url=address).get("errorText")
        self.wait(lambda: any(event["method"] == "Page.loadEventFired" for event in self.events), f"{address} to load")
        self.evaluate("new Promise(done => setTimeout(done, 50))")
        found = Visit(errors=[fault] if fault else [])
        for event in self.events:
            found.errors += error_of(event)
            if event["method"] == "Network.responseReceived":
                response = event["params"]["response"]
                found.answers[response["url"]] = response["status"]
        return found

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise AssertionError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def until(self, script: str, what: str) -> Any:
        """Wait until an expression is true, and return its value."""
        found: list[Any] = []

        def is_true() -> bool:
            found[:] = [self.evaluate(script)]
            return bool(found[0])

        self.wait(is_true, what, poll=0.1)
        return found[0]

    def window(self, width: int, height: int, dark: bool = False) -> None:
        """Show the next pages in a window of this size, with this color scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    # --- the protocol -------------------------------------------------------------------------------------------------

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        number = self.number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.sender, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def read(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            more = os.read(self.receiver, 1 << 16)
            if not more:
                raise AssertionError("chromium ended")
            self.buffer += more
        message, _end, self.buffer = self.buffer.partition(b"\0")
        return dict(json.loads(message))

    def wait(self, is_so: Any, what: str, poll: float = 0.02) -> None:
        end = time.monotonic() + SECONDS
        while not is_so():
            if time.monotonic() > end:
                raise AssertionError(f"timed out after {SECONDS} s, waiting for {what}")
            time.sleep(poll)
            self.call("Runtime.evaluate", expression="0")  # reads the events that have arrived meanwhile


def error_of(event: dict[str, Any]) -> list[str]:
    """Return the error that an event reports: an exception, console.error, or a file that could not be loaded."""
    params = event.get("params", {})
    method = event.get("method")
    if method == "Runtime.exceptionThrown":
        return [str(params["exceptionDetails"])]
    if method == "Log.entryAdded" and params["entry"]["level"] == "error":
        return [f"{params['entry']['text']} {params['entry'].get('url', '')}"]
    if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
        return [str(params["args"])]
    return []
