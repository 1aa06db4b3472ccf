"""Fixtures of pytest-testinfra for sites of this collection: request a site from outside, and run its doctor.

With this directory on PYTHONPATH, a conftest.py loads them with `pytest_plugins = ["pyweb_testinfra"]`.
docs/how-to-molecule.md shows how to use them in another repository.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import pytest

JOURNAL_LINES = 40
SECONDS = 15
# Nothing is sent: the kernel only chooses the address that it would use.
OWN_ADDRESS = """
from socket import AF_INET, SOCK_DGRAM, socket
probe = socket(AF_INET, SOCK_DGRAM)
probe.connect(("192.0.2.1", 9))
print(probe.getsockname()[0])
"""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, whatever its status. The names of its headers are in lowercase."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Client:
    """Requests pages of a host by the domain of a site, whatever DNS says. Certificates are not verified."""

    address: str
    tls: bool = False

    def __call__(
        self,
        domain: str,
        path: str = "/",
        method: str = "GET",
        port: int = 0,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        timeout: float = SECONDS,
    ) -> Answer:
        """Return the answer. A refused connection or handshake raises OSError."""
        connection = HTTPConnection(self.address, port or (443 if self.tls else 80), timeout=timeout)
        try:
            connection.connect()
            if self.tls:
                connection.sock = _any_certificate().wrap_socket(
                    connection.sock, server_hostname=domain.partition(":")[0]
                )
            connection.request(method, path, body=body, headers={"Host": domain, **(headers or {})})
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
        finally:
            connection.close()


@pytest.fixture
def address(host: Any) -> str:
    """The host's IPv4 address, as the machine that runs the tests reaches it."""
    return address_of(host)


@pytest.fixture
def http(address: str) -> Client:
    """Ask from outside: `http("shop.example.com", "/healthz").status`."""
    return Client(address)


@pytest.fixture
def https(address: str) -> Client:
    """Ask from outside over TLS: `https("shop.example.com", "/healthz").status`."""
    return Client(address, tls=True)


@pytest.fixture
def faults(host: Any) -> Callable[[str], list[str]]:
    """Ask the doctor on the host: `faults("shop")` is a list of texts, one for each fault; [] for a healthy site."""

    def ask(site: str) -> list[str]:
        done = _as_root(host, "pyweb doctor --json %s", site)
        if not done.stdout.strip():
            return [done.stderr.strip() or f"pyweb doctor ended with {done.rc} and said nothing"]
        return faults_in(done.stdout)

    return ask


def address_of(host: Any) -> str:
    """Return the address of a host of testinfra: that of its SSH connection, or of a container its own one."""
    name = _connected(host.backend)
    if name:
        return socket.gethostbyname(name)
    return str(host.check_output("python3 -c %s", OWN_ADDRESS))


def _connected(backend: Any) -> str:
    """Return the name or the address that SSH connects to; '' for a connection without one."""
    if backend.NAME == "ansible":
        variables = backend.get_variables()
        kind = str(variables.get("ansible_connection", "ssh")).rpartition(".")[2]
        return str(variables.get("ansible_host", backend.host)) if kind in ("ssh", "smart", "paramiko_ssh") else ""
    return str(backend.host.name) if backend.NAME in ("ssh", "safe-ssh", "paramiko") else ""


def faults_in(report: str) -> list[str]:
    """Return the faults in what `pyweb doctor --json` prints. Advice is not a fault."""
    return [
        f"{fault['fault']}: {fault['cause']}"
        for site in json.loads(report)["sites"]
        for hop in site["hops"]
        for fault in hop["faults"]
        if fault["status"] != "advice"
    ]


def _as_root(host: Any, command: str, *words: str) -> Any:
    """Run a command as root. A container often has no sudo, and needs none."""
    if host.check_output("id -u") == "0":
        return host.run(command, *words)
    with host.sudo():
        return host.run(command, *words)


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Any:
    """Add the host's failed units and the end of its journal to the report of a test that failed."""
    report = (yield).get_result()
    host = getattr(item, "funcargs", {}).get("host")
    if not report.failed or host is None:
        return
    failed = _as_root(host, "systemctl --failed --no-legend --plain").stdout
    journal = _as_root(host, "journalctl --no-pager --lines=%s", str(10 * JOURNAL_LINES)).stdout
    told = [line for line in journal.splitlines() if " ansible-" not in line]  # each module call logs its arguments
    report.sections.append(("failed units", failed or "none"))
    report.sections.append((f"journal, the last {JOURNAL_LINES} lines", "\n".join(told[-JOURNAL_LINES:])))
