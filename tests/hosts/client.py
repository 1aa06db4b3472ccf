"""Clients outside the host: single requests, load with wrk, and a thread that repeats a request."""

from __future__ import annotations

import json
import re
import signal
import struct
import subprocess
import threading
import time
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

MIX = Path(__file__).with_name("mix.lua")
CONNECTIONS = 16
# Milliseconds that a connection pauses between two requests. Sixteen connections without a pause keep two cores busy:
# the test would then measure the length of the queue, not what a deploy adds, and the deploy takes ten times as long.
PAUSE = 800
# wrk counts a request that takes longer as lost. It is longer than a form may wait for SQLite, and shorter than nginx's
# own 60 s.
LOST_SECONDS = 20
# With fewer requests per second, the result means nothing.
AT_LEAST_PER_SECOND = 5


@dataclass(frozen=True)
class Answer:
    """The response to a request. `status` 0 means that there was no complete response; `failure` says why."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    seconds: float = 0.0
    asked: float = 0.0


def ask(
    address: str,
    host: str,
    path: str = "/",
    timeout: float = 15,
    headers: dict[str, str] | None = None,
    port: int = 80,
) -> Answer:
    """GET a path with a new connection."""
    start = time.monotonic()
    connection = HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": host, **(headers or {})})
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, body, told, "", time.monotonic() - start, start)
    except (OSError, HTTPException) as error:
        return Answer(0, failure=str(error) or type(error).__name__, seconds=time.monotonic() - start, asked=start)
    finally:
        connection.close()


# --- the load ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What wrk measured. Times are in milliseconds; `lost` counts failed connections and missing or late responses."""

    requests: int
    seconds: float
    p50: float
    p99: float
    longest: float
    statuses: dict[int, int]
    lost: dict[str, int]
    wrong: str

    @property
    def failed(self) -> int:
        """Count requests without a response, and responses other than a page or file (200) and a stored form (302)."""
        return sum(self.lost.values()) + sum(
            count for status, count in self.statuses.items() if status not in (200, 302)
        )

    @property
    def stored(self) -> int:
        """Count the forms that were reported as stored."""
        return self.statuses.get(302, 0)

    def __str__(self) -> str:
        lost = {name: count for name, count in self.lost.items() if count}
        return (
            f"{self.requests} requests in {self.seconds:.1f} s, p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms, "
            f"longest {self.longest:.0f} ms, statuses {self.statuses}, lost {lost or 'none'} {self.wrong}".strip()
        )


class Load:
    """Run wrk on the page, a static file and the upload form of every site during a `with` block; then read `verdict`.

    `keep`: connections are reused, as by browsers and load balancers.
    """

    def __init__(self, address: str, hosts: Sequence[str], work: Path, keep: bool = True, pause: int = PAUSE) -> None:
        self.address, self.hosts, self.work, self.keep, self.pause = address, hosts, work, keep, pause
        self._verdict: Verdict | None = None

    def __enter__(self) -> Load:
        requests = self.work / "requests.lua"
        wanted = [request for host in self.hosts for request in requests_of(self.address, host)]
        requests.write_text("return " + _lua(wanted), encoding="latin-1")
        words = ["wrk", "--threads=1", f"--connections={CONNECTIONS * len(self.hosts)}", "--duration=3600s"]
        words += [f"--timeout={LOST_SECONDS}s", f"--script={MIX}", f"http://{self.address}/", "--", str(requests)]
        self.process = subprocess.Popen(
            [*words, "keep" if self.keep else "close", str(self.pause)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.process.send_signal(signal.SIGINT)  # wrk ends immediately and prints its result
        output, _errors = self.process.communicate(timeout=30)
        found = re.search(r"^VERDICT (.*)$", output, re.MULTILINE)
        if error is None:
            assert found, f"wrk printed no result:\n{output}"
            told = json.loads(found[1])
            lost = {name: told.pop(name) for name in ("connect", "read", "write", "timeout")}
            told["statuses"] = {int(status): count for status, count in told["statuses"].items()}
            self._verdict = Verdict(**told, lost=lost)

    @property
    def verdict(self) -> Verdict:
        """Return what was measured, after the load has ended. Fail if there were too few requests."""
        assert self._verdict, "the load has not ended yet"
        verdict = self._verdict
        kinds = {status for status, count in verdict.statuses.items() if count}
        assert verdict.requests >= AT_LEAST_PER_SECOND * verdict.seconds, f"too few requests: {verdict}"
        assert kinds >= {200, 302}, f"no page or no form was served: {verdict}"
        return verdict


def requests_of(address: str, host: str) -> list[dict[str, object]]:
    """Return requests for the page, for its style sheet, and for an upload with the cookie and token of that page."""
    page = ask(address, host)
    assert page.status == 200, f"{host}: {page}"
    get = [{"method": "GET", "path": path, "headers": {"Host": host}, "body": ""} for path in ("/", style_of(page))]
    return [*(get * 4), upload(host, page)]


def style_of(page: Answer) -> str:
    """Return the path of the page's style sheet, with its hash."""
    found = re.search(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', page.body)
    assert found, page.body
    return found[1]


def upload(host: str, page: Answer) -> dict[str, object]:
    """Return the request of the page's form. Django requires the token of the form and the cookie that matches it."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert found, page.body
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    body = (
        f'{head}csrfmiddlewaretoken"\r\n\r\n{found[1]}\r\n'
        f'{head}image"; filename="dot.png"\r\nContent-Type: image/png\r\n\r\n'
    ).encode() + (_pixel() + f"\r\n--{boundary}--\r\n".encode())
    headers = {
        "Host": host,
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Cookie": page.headers["set-cookie"].split(";")[0],
        "Origin": f"http://{host}",
    }
    return {"method": "POST", "path": "/", "headers": headers, "body": body.decode("latin-1")}


def store_picture(address: str, host: str, port: int = 80) -> None:
    """Upload a picture as the page's form does."""
    request = upload(host, ask(address, host, port=port))
    connection = HTTPConnection(address, port, timeout=15)
    try:
        connection.request("POST", "/", str(request["body"]).encode("latin-1"), request["headers"])
        assert connection.getresponse().status == 302
    finally:
        connection.close()


def _pixel() -> bytes:
    """Return a PNG of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")
    )


def _lua(value: object) -> str:
    """Return a value as Lua source; every byte of a string is escaped."""
    if isinstance(value, str):
        return '"' + "".join(f"\\{ord(one):03}" for one in value) + '"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{_lua(key)}] = {_lua(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(_lua, value)) + "}"
    raise TypeError(f"no Lua for {value!r}")


# --- repeated requests ------------------------------------------------------------------------------------------------


class Prober:
    """Requests one path every `pause` seconds in a thread; `answers` contains all responses."""

    def __init__(self, address: str, host: str, path: str, pause: float, timeout: float = 15) -> None:
        self.address, self.host, self.path, self.pause, self.timeout = address, host, path, pause, timeout
        self.answers: list[Answer] = []
        self._stop = threading.Event()
        self._waiting: list[threading.Thread] = []
        self._clock = threading.Thread(target=self._tick)

    def __enter__(self) -> Prober:
        self._clock.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._clock.join()
        for asking in self._waiting:
            asking.join()

    @property
    def failures(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 200]

    @property
    def outage(self) -> float:
        """Return the seconds from the first bad response to the first good one after the last bad one, or 0.0."""
        asked = sorted(self.answers, key=lambda answer: answer.asked)
        bad = [number for number, answer in enumerate(asked) if answer.status != 200]
        if not bad:
            return 0.0
        assert bad[-1] + 1 < len(asked), f"{self.host} did not recover: {asked[-1]}"
        return asked[bad[-1] + 1].asked - asked[bad[0]].asked

    def _tick(self) -> None:
        """Use a thread per request: a request of five seconds must not delay the next one."""
        while True:
            asking = threading.Thread(target=self._ask)
            asking.start()
            self._waiting = [thread for thread in self._waiting if thread.is_alive()] + [asking]
            if self._stop.wait(self.pause):
                return

    def _ask(self) -> None:
        self.answers.append(ask(self.address, self.host, self.path, self.timeout))
