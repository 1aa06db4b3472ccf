"""Whether firewalld lets the site's ports in. What the doctor says of each fault, word by word."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from doctor_evidence import Case, check, put

CASES = [
    Case(
        "firewall-cmd hangs",
        lambda site, host: put(host.firewall, answered=False, running=False),
        "firewalld.silent",
        "unknown",
        "firewall-cmd does not answer: nobody can say what firewalld lets in",
        "systemctl status firewalld",
        ("no answer in time",),
    ),
    Case(
        "enabled and stopped",
        lambda site, host: put(host.firewall, running=False),
        "firewalld.stopped",
        "degraded",
        ("firewalld is enabled but not running: the site is reachable, and so is everything else on this host"),
        "systemctl start firewalld",
        ("firewall-cmd --state: not running",),
    ),
    Case(
        "enabled and stopped, with an error",
        lambda site, host: put(host.firewall, running=False, error="no bus"),
        "firewalld.stopped",
        "degraded",
        ("firewalld is enabled but not running: the site is reachable, and so is everything else on this host"),
        "systemctl start firewalld",
        ("no bus",),
    ),
    Case(
        "the port of http is closed",
        lambda site, host: put(host.firewall, opened=["81/tcp", "80/udp"], ports=[]),
        "firewalld.closed",
        "broken",
        "firewalld does not let 80/tcp in: zone public is closed for it",
        (
            "firewall-cmd --add-service=http && firewall-cmd --permanent --add-service=http "
            "(firewalld_ports, or web_sites[].nginx.listen with playbooks/site.yml)"
        ),
        ("zone public: services ssh; ports none",),
    ),
    Case(
        "the port of https is closed",
        lambda site, host: (put(site.entrances[0], port=443), put(host, listeners=[Listener("0.0.0.0:443", 1)])),
        "firewalld.closed",
        "broken",
        "firewalld does not let 443/tcp in: zone public is closed for it",
        (
            "firewall-cmd --add-service=https && firewall-cmd --permanent --add-service=https "
            "(firewalld_ports, or web_sites[].nginx.listen with playbooks/site.yml)"
        ),
        ("zone public: services ssh; ports 80/tcp",),
    ),
    Case(
        "another port is closed",
        lambda site, host: (put(site.entrances[0], port=8080), put(host, listeners=[Listener("0.0.0.0:8080", 1)])),
        "firewalld.closed",
        "broken",
        "firewalld does not let 8080/tcp in: zone public is closed for it",
        (
            "firewall-cmd --add-port=8080/tcp && firewall-cmd --permanent --add-port=8080/tcp "
            "(firewalld_ports, or web_sites[].nginx.listen with playbooks/site.yml)"
        ),
        ("zone public: services ssh; ports 80/tcp",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_firewalld_is_named(case):
    check(case)
