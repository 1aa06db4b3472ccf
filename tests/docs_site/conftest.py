"""The built site behind a simple HTTP server, and a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from chromium import Browser

SITE = Path(__file__).resolve().parents[2] / "build/site"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing; the browser records the statuses."""


@pytest.fixture(scope="session")
def site() -> Path:
    assert (SITE / "index.html").is_file(), "there is no build/site; `make docs-site` builds it"
    return SITE


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    running = Browser(str(tmp_path_factory.mktemp("profile")))
    yield running
    running.close()


@pytest.fixture(autouse=True)
def desktop(browser: Browser) -> None:
    browser.window(1280, 900)
