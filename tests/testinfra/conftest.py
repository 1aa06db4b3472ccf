"""Fixtures for the tests of all scenarios, in addition to those for users' tests (extensions/testinfra)."""

from __future__ import annotations

import subprocess

import pytest
from platforms import PLATFORMS

pytest_plugins = ["pyweb_testinfra"]


def pytest_report_header(config):
    """Show what the container's image was made from: a pass on a stand-in is not one on the real platform."""
    hosts = (config.getoption("hosts") or "").split(",")
    label = '{{.Config.Image}} made from {{index .Config.Labels "pyweb.origin"}}'
    return [f"{host}: {_run('docker', 'inspect', '--format', label, host)}" for host in hosts if host]


@pytest.fixture
def platform(host):
    """Return the platform of the container's image, from tests/platforms.json."""
    return PLATFORMS[_label(host, "pyweb.platform")]


@pytest.fixture
def origin(host):
    """Return what the container's image was made from: registry, mmdebstrap or stand-in."""
    return _label(host, "pyweb.origin")


@pytest.fixture
def site_url(address):
    """Return the URL of the web server for a client outside of the container."""
    return f"http://{address}"


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
    return (done.stdout + done.stderr).strip()


def _label(host, name):
    command = ["docker", "inspect", "--format", f'{{{{index .Config.Labels "{name}"}}}}', host.backend.name]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
