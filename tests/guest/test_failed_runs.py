"""A run that fails or is killed leaves the host as it was for everybody else, and the next run makes all of it good."""

from __future__ import annotations

import json
import time
from urllib.request import urlopen

import pytest
from fixtures import PLATFORM
from host import Host, Run
from platforms import PLATFORMS

SITE = {"name": "shop", "domains": ["shop.example"]}
MISSPELT = {**SITE, "packages": ["djnago-that-nobody-wrote"]}
IN_BACKGROUND = PLATFORMS[PLATFORM].pkg_mgr == "apt"

# Somebody's service, also after a reboot.
SERVICE = """cat > /etc/systemd/system/metrics.service <<EOF
[Service]
ExecStart=/usr/bin/python3 -m http.server 9090 --directory /var/empty
[Install]
WantedBy=multi-user.target
EOF
mkdir -p /var/empty && echo metrics > /var/empty/index.html
systemctl enable --quiet --now metrics.service
"""
# Takes the port of a site while the site is being made, so that nobody can see it coming.
SQUATTER = """cat > /usr/local/bin/squatter <<EOF
#!/bin/sh
while ! test -e /opt/sites/shop/current; do sleep 0.1; done
exec python3 -m http.server 8080 --directory /var/empty
EOF
chmod +x /usr/local/bin/squatter; systemd-run --quiet --collect --unit=squatter /usr/local/bin/squatter
"""
# Each of dpkg's steps, slower: the background is still at work when the roles ask.
SLOW = "mkdir -p /etc/dpkg/dpkg.cfg.d && echo 'pre-invoke=sleep {seconds}' > /etc/dpkg/dpkg.cfg.d/slow"
MASKED = "find /run/systemd/system /etc/systemd/system -maxdepth 1 -lname /dev/null | sort"


def services(host: Host) -> str:
    """What runs, what starts at boot and what is masked."""
    running = "systemctl list-units --type=service,socket --state=running,listening --no-legend --plain | cut -d' ' -f1"
    enabled = "systemctl list-unit-files --state=enabled,enabled-runtime --no-legend --plain | cut -d' ' -f1"
    return host.told(f"{{ {running}; }} | sort; echo; {{ {enabled}; }} | sort; echo; {MASKED}")


def wait_for(host: Host, script: str) -> None:
    deadline = time.monotonic() + 300
    while host.run(script).returncode:
        assert time.monotonic() < deadline, f"still not: {script}"
        time.sleep(0.5)


def assert_reachable(host: Host) -> None:
    with urlopen(f"http://{host.address}:9090/", timeout=20) as answer:
        assert answer.read() == b"metrics\n"


def counts(run: Run) -> dict[str, int]:
    report, _end = json.JSONDecoder().raw_decode(run.output[run.output.find("{\n") :])
    (stats,) = report["stats"].values()
    return dict(stats)


def test_a_failed_run_starts_nothing(host: Host) -> None:
    host.told(SERVICE)
    before = services(host)
    run = host.play([MISSPELT])
    assert run.status != 0
    assert "djnago-that-nobody-wrote" in run.error
    # Nothing is masked, and nothing goes on that could start a service later.
    assert services(host) == before
    assert host.run("pgrep -l 'apt-get|dpkg|dnf|rpm'").stdout == ""
    assert_reachable(host)
    # The packages are there, or this says nothing.
    host.told("command -v nginx && command -v firewall-cmd")
    host.restart()
    assert services(host) == before
    assert_reachable(host)

    # nginx takes the configuration and does not start with it; with that of the package it could.
    host.told(SQUATTER)
    run = host.play([{**SITE, "nginx": {"listen": [8080]}}])
    assert "port 8080 is taken by" in run.error, run.error
    # Neither is it about to start: systemd starts what failed after a moment.
    assert host.told("systemctl show --property=SubState --value nginx.service") in ("dead", "failed")
    assert host.run("systemctl is-active nginx firewalld").stdout.split() == ["inactive", "inactive"]
    assert host.run("systemctl is-enabled nginx firewalld").stdout.split() == ["disabled", "disabled"]
    host.told("systemctl stop squatter")

    run = host.deploy([SITE])
    assert host.told("systemctl is-active nginx firewalld").split() == ["active", "active"]
    assert host.told("systemctl is-enabled nginx firewalld").split() == ["enabled", "enabled"]
    assert_reachable(host)
    assert host.deploy([SITE]).changed == 0


@pytest.mark.skipif(not IN_BACKGROUND, reason="only apt starts what it installs, and installs beside a build")
def test_a_killed_run_leaves_nothing_masked(host: Host) -> None:
    host.told(SERVICE)
    before = services(host)
    host.told(SLOW.format(seconds=30))
    playing = host.begin([SITE])
    wait_for(host, "test -L /run/systemd/system/nginx.service")
    playing.kill()
    # What works in the background is killed, too, and with it what would remove the masks.
    host.told("pkill -KILL 'apt-get|dpkg|python3'; systemctl restart metrics.service")
    assert "/run/systemd/system/nginx.service" in host.told(MASKED)
    assert host.run("systemctl is-active nginx firewalld").stdout.split() == ["inactive", "inactive"]
    host.told("rm /etc/dpkg/dpkg.cfg.d/slow")
    # As if it had been killed a moment later. What is only configured is nothing that apt-get tells its hook of.
    unpacked = host.run("dpkg --unpack /var/cache/apt/archives/*.deb; dpkg-query --show --showformat '${Status}' nginx")
    assert unpacked.stdout.endswith("unpacked"), unpacked.stdout + unpacked.stderr
    assert host.play([MISSPELT]).status != 0
    # The run that was killed may have come as far as a release of the site, which runs on.
    left = [line for line in services(host).splitlines() if not line.startswith("uwsgi-shop")]
    assert left == before.splitlines()

    host.deploy([SITE])
    after = services(host)
    assert after.rpartition("\n\n")[2] == before.rpartition("\n\n")[2]
    assert host.told("systemctl is-active nginx firewalld").split() == ["active", "active"]
    assert_reachable(host)


@pytest.mark.skipif(not IN_BACKGROUND, reason="only apt installs packages beside a build")
def test_first_runs_are_the_same_however_quick_the_packages_are(host: Host) -> None:
    quick = host.deploy([SITE])
    host.start()
    host.told(SLOW.format(seconds=2))
    slow = host.deploy([SITE])
    assert counts(quick) == counts(slow)
