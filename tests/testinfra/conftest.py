"""What every scenario's tests share, beside what the collection brings for everybody's tests (extensions/testinfra)."""

from __future__ import annotations

import subprocess

import pytest
from platforms import PLATFORMS

pytest_plugins = ["pyweb_testinfra"]


def pytest_report_header(config):
    """Say what the container's image was made from: a stand-in's pass is not the real one's."""
    hosts = (config.getoption("hosts") or "").split(",")
    label = '{{.Config.Image}} made from {{index .Config.Labels "pyweb.origin"}}'
    return [f"{host}: {_run('docker', 'inspect', '--format', label, host)}" for host in hosts if host]


@pytest.fixture
def platform(host):
    """What tests/platforms.json says about the platform that the container's image is of."""
    return PLATFORMS[_label(host, "pyweb.platform")]


@pytest.fixture
def origin(host):
    """What the container's image was made from: registry, mmdebstrap or stand-in."""
    return _label(host, "pyweb.origin")


@pytest.fixture
def site_url(address):
    """Where a client outside of the container finds its web server."""
    return f"http://{address}"


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
    return (done.stdout + done.stderr).strip()


def _label(host, name):
    command = ["docker", "inspect", "--format", f'{{{{index .Config.Labels "{name}"}}}}', host.backend.name]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
