"""What every scenario's tests share: a client outside of the container, and its journal when a test fails."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest
from platforms import PLATFORMS

JOURNAL_LINES = 40


def pytest_report_header(config):
    """Say what the container's image was made from: a stand-in's pass is not the real one's."""
    hosts = (config.getoption("hosts") or "").split(",")
    label = '{{.Config.Image}} made from {{index .Config.Labels "pyweb.origin"}}'
    return [f"{host}: {_run('docker', 'inspect', '--format', label, host)}" for host in hosts if host]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, whatever its status; header names are in small letters."""

    status: int
    headers: dict[str, str]
    body: str


@pytest.fixture
def platform(host):
    """What tests/platforms.json says about the platform that the container's image is of."""
    return PLATFORMS[_label(host, "pyweb.platform")]


@pytest.fixture
def origin(host):
    """What the container's image was made from: registry, mmdebstrap or stand-in."""
    return _label(host, "pyweb.origin")


@pytest.fixture
def address(host):
    """The container's IP address as this machine sees it."""
    found = _run("docker", "inspect", host.backend.name)
    networks = json.loads(found)[0]["NetworkSettings"]["Networks"]
    return next(network["IPAddress"] for network in networks.values() if network["IPAddress"])


@pytest.fixture
def site_url(address):
    """Where a client outside of the container finds its web server."""
    return f"http://{address}"


@pytest.fixture
def http(address):
    """Ask from outside: `http("shop.example", "/healthz")` gives an Answer. A refused connection raises OSError."""

    def ask(host_header, path="/", method="GET", port=80, headers=None, body=None, timeout=15):
        connection = HTTPConnection(address, port, timeout=timeout)
        return _answer(connection, host_header, path, method, headers, body)

    return ask


@pytest.fixture
def https(address):
    """As `http`, over TLS with the name of the Host, whatever the certificate. A refused handshake raises OSError."""
    any_certificate = ssl.create_default_context()
    any_certificate.check_hostname = False
    any_certificate.verify_mode = ssl.CERT_NONE

    def ask(host_header, path="/", method="GET", port=443, headers=None, body=None, timeout=15):
        connection = HTTPConnection(address, port, timeout=timeout)
        plain = socket.create_connection((address, port), timeout)
        try:
            connection.sock = any_certificate.wrap_socket(plain, server_hostname=host_header.partition(":")[0])
        except OSError:
            plain.close()
            raise
        return _answer(connection, host_header, path, method, headers, body)

    return ask


def _answer(connection, host_header, path, method, headers, body):
    try:
        connection.request(method, path, body=body, headers={"Host": host_header, **(headers or {})})
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
    finally:
        connection.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Add the end of the container's journal to the report of a test that failed."""
    report = (yield).get_result()
    host = getattr(item, "funcargs", {}).get("host")
    if not report.failed or host is None:
        return
    journal = _run("docker", "exec", host.backend.name, "journalctl", "--no-pager", "-n", str(10 * JOURNAL_LINES))
    told = [line for line in journal.splitlines() if " ansible-" not in line]  # each module call logs its arguments
    failed = _run("docker", "exec", host.backend.name, "systemctl", "--failed", "--no-legend")
    report.sections.append((f"failed units of {host.backend.name}", failed or "none"))
    report.sections.append(
        (f"journal of {host.backend.name}, the last {JOURNAL_LINES} lines", "\n".join(told[-JOURNAL_LINES:]))
    )


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
    return (done.stdout + done.stderr).strip()


def _label(host, name):
    command = ["docker", "inspect", "--format", f'{{{{index .Config.Labels "{name}"}}}}', host.backend.name]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
