"""The testinfra fixtures of the collection for other repositories: their requests, and how they use the answers."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pyweb_testinfra
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.fault import ADVICE, BROKEN, OK
from pyweb_testinfra import Client, address_of, faults_in


def backend(name: str, host: Any, variables: dict[str, str] | None = None) -> Any:
    return SimpleNamespace(NAME=name, host=host, get_variables=lambda: variables or {})


def container(found: Any) -> Any:
    return SimpleNamespace(backend=found, check_output=lambda _command, _script: "172.17.0.9")


@pytest.mark.parametrize(
    ("found", "address"),
    [
        (backend("ssh", SimpleNamespace(name="127.0.0.3")), "127.0.0.3"),
        (backend("ansible", "web1", {"ansible_host": "127.0.0.4"}), "127.0.0.4"),
        (backend("ansible", "127.0.0.5"), "127.0.0.5"),
        (backend("ansible", "web1", {"ansible_connection": "community.docker.docker"}), "172.17.0.9"),
        (backend("docker", None), "172.17.0.9"),
        (backend("podman", None), "172.17.0.9"),
    ],
)
def test_address_is_that_of_the_tests_connection(found: Any, address: str) -> None:
    assert address_of(container(found)) == address


def test_address_of_a_container_is_read_in_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", pyweb_testinfra.OWN_ADDRESS], capture_output=True, text=True, check=True
    )
    assert done.stdout.count(".") == 3


def fault(code: str, status: str) -> dict[str, str]:
    return {"fault": code, "status": status, "cause": f"why {code}"}


def test_advice_is_no_fault() -> None:
    hops = [
        {"status": OK, "faults": [fault("static.stale", ADVICE)]},
        {"status": BROKEN, "faults": [fault("uwsgi.stopped", BROKEN), fault("socket.stale", BROKEN)]},
    ]
    report = json.dumps({"sites": [{"hops": hops}]})
    assert faults_in(report) == ["uwsgi.stopped: why uwsgi.stopped", "socket.stale: why socket.stale"]


def doctor(uid: str, stdout: str, stderr: str = "", rc: int = 0) -> Any:
    """A host on which `pyweb doctor` prints this; `became` counts the uses of root."""
    became: list[str] = []

    class Sudo:
        def __enter__(self) -> None:
            became.append("root")

        def __exit__(self, *_error: object) -> None:
            """Let an exception pass."""

    done = SimpleNamespace(stdout=stdout, stderr=stderr, rc=rc)
    return SimpleNamespace(check_output=lambda _command: uid, run=lambda *_words: done, sudo=Sudo, became=became)


def ask(host: Any, site: str) -> list[str]:
    found: list[str] = pyweb_testinfra.faults.__wrapped__(host)(site)  # type: ignore[attr-defined]
    return found


def test_a_doctor_without_output_is_a_fault() -> None:
    assert ask(doctor("0", "", "UNKNOWN: no site shop", 3), "shop") == ["UNKNOWN: no site shop"]
    assert ask(doctor("0", "", "", 3), "shop") == ["pyweb doctor ended with 3 and said nothing"]


@pytest.mark.parametrize(("uid", "became"), [("0", []), ("1000", ["root"])])
def test_sudo_is_only_used_if_necessary(uid: str, became: list[str]) -> None:
    host = doctor(uid, '{"sites": []}')
    assert ask(host, "shop") == []
    assert host.became == became


@pytest.fixture
def port() -> Iterator[int]:
    class Site(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(403)
            self.send_header("X-Path", self.path)
            self.end_headers()
            self.wfile.write(b" ".join([self.headers["Host"].encode(), self.headers["X-More"].encode(), body]))

        def log_message(self, *_words: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_page_is_requested_by_the_name_of_the_site(port: int) -> None:
    answer = Client("127.0.0.1")("shop.example.com", "/cart/", "POST", port, {"X-More": "more"}, "body")
    assert (answer.status, answer.headers["x-path"]) == (403, "/cart/")
    assert answer.body == "shop.example.com more body"


def test_a_refused_connection_is_an_error(port: int) -> None:
    with pytest.raises(OSError, match=r"(?i)wrong version|record|ssl"):
        Client("127.0.0.1", tls=True)("shop.example.com", port=port)


def test_plugin_loads_in_another_repository(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["pyweb_testinfra"]\n', encoding="utf-8")
    (tmp_path / "test_site.py").write_text("def test_site(http, https, faults, address): ...\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--fixtures-per-test", "-p", "no:cacheprovider", str(tmp_path)]
    # No plugins of the pytest that runs this test, such as those of ansible-test.
    environment = {**os.environ, "PYTHONPATH": str(Path(pyweb_testinfra.__file__).parent), "PYTEST_PLUGINS": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert [name for name in ("http", "https", "faults", "address") if f"\n{name} -- " not in done.stdout] == []
