"""A run that fails or is killed does not affect other users of the host, and the next run completes its work."""

from __future__ import annotations

import json
import time
from urllib.request import urlopen

import pytest
from fixtures import PLATFORM
from host import ROOT, Host, Run
from platforms import PLATFORMS

SITE = {"name": "shop", "domains": ["shop.example"]}
MISSPELT = {**SITE, "packages": ["djnago-that-nobody-wrote"]}
IN_BACKGROUND = PLATFORMS[PLATFORM].pkg_mgr == "apt"

# A service that is not the collection's, enabled at boot.
SERVICE = """cat > /etc/systemd/system/metrics.service <<EOF
[Service]
ExecStart=/usr/bin/python3 -m http.server 9090 --directory /var/empty
[Install]
WantedBy=multi-user.target
EOF
mkdir -p /var/empty && echo metrics > /var/empty/index.html
systemctl enable --quiet --now metrics.service
"""
# Takes the port of a site while the site is being built, after the run has checked the port.
SQUATTER = """cat > /usr/local/bin/squatter <<EOF
#!/bin/sh
while ! test -e /opt/sites/shop/current; do sleep 0.1; done
exec python3 -m http.server 8080 --directory /var/empty
EOF
chmod +x /usr/local/bin/squatter; systemd-run --quiet --collect --unit=squatter /usr/local/bin/squatter
"""
# Slows down each step of dpkg, so that it still runs in the background when the roles need the packages.
SLOW = "mkdir -p /etc/dpkg/dpkg.cfg.d && echo 'pre-invoke=sleep {seconds}' > /etc/dpkg/dpkg.cfg.d/slow"
MASKED = "find /run/systemd/system /etc/systemd/system -maxdepth 1 -lname /dev/null | sort"


def services(host: Host) -> str:
    """Return the units that run, those that are enabled and those that are masked."""
    running = "systemctl list-units --type=service,socket --state=running,listening --no-legend --plain | cut -d' ' -f1"
    enabled = "systemctl list-unit-files --state=enabled,enabled-runtime --no-legend --plain | cut -d' ' -f1"
    return host.told(f"{{ {running}; }} | sort; echo; {{ {enabled}; }} | sort; echo; {MASKED}")


def wait_for(host: Host, script: str) -> None:
    deadline = time.monotonic() + 300
    while host.run(script).returncode:
        assert time.monotonic() < deadline, f"still fails: {script}"
        time.sleep(0.5)


def assert_reachable(host: Host) -> None:
    with urlopen(f"http://{host.address}:9090/", timeout=20) as answer:
        assert answer.read() == b"metrics\n"


def counts(run: Run) -> dict[str, int]:
    report, _end = json.JSONDecoder().raw_decode(run.output[run.output.find("{\n") :])
    (stats,) = report["stats"].values()
    return dict(stats)


def test_a_failed_run_starts_no_service(host: Host) -> None:
    host.told(SERVICE)
    before = services(host)
    run = host.play([MISSPELT])
    assert run.status != 0
    assert "djnago-that-nobody-wrote" in run.error
    # Nothing is masked, and no process is left that could start a service later.
    assert services(host) == before
    assert host.run("pgrep -l 'apt-get|dpkg|dnf|rpm'").stdout == ""
    assert_reachable(host)
    # The packages must be installed, otherwise the test proves nothing.
    host.told("command -v nginx && command -v firewall-cmd")
    host.restart()
    assert services(host) == before
    assert_reachable(host)

    # nginx accepts the configuration but cannot start with it; with that of the package it could.
    host.told(SQUATTER)
    run = host.play([{**SITE, "nginx": {"listen": [8080]}}])
    assert "port 8080 is taken by" in run.error, run.error
    # Nor will it be started: systemd restarts failed services after a moment.
    assert host.told("systemctl show --property=SubState --value nginx.service") in ("dead", "failed")
    assert host.run("systemctl is-active nginx firewalld").stdout.split() == ["inactive", "inactive"]
    assert host.run("systemctl is-enabled nginx firewalld").stdout.split() == ["disabled", "disabled"]
    host.told("systemctl stop squatter")

    run = host.deploy([SITE])
    assert host.told("systemctl is-active nginx firewalld").split() == ["active", "active"]
    assert host.told("systemctl is-enabled nginx firewalld").split() == ["enabled", "enabled"]
    assert_reachable(host)
    assert host.deploy([SITE]).changed == 0


@pytest.mark.skipif(not IN_BACKGROUND, reason="only apt starts what it installs, and installs packages during a build")
def test_a_killed_run_leaves_nothing_masked(host: Host) -> None:
    host.told(SERVICE)
    before = services(host)
    host.told(SLOW.format(seconds=30))
    playing = host.begin([SITE])
    wait_for(host, "test -L /run/systemd/system/nginx.service")
    playing.kill()
    # Also kill the background processes, which would remove the masks.
    host.told("pkill -KILL 'apt-get|dpkg|python3'; systemctl restart metrics.service")
    assert "/run/systemd/system/nginx.service" in host.told(MASKED)
    assert host.run("systemctl is-active nginx firewalld").stdout.split() == ["inactive", "inactive"]
    host.told("rm /etc/dpkg/dpkg.cfg.d/slow")
    # As if it had been killed a moment later. apt-get does not call its hook for packages that it only configures.
    unpacked = host.run("dpkg --unpack /var/cache/apt/archives/*.deb; dpkg-query --show --showformat '${Status}' nginx")
    assert unpacked.stdout.endswith("unpacked"), unpacked.stdout + unpacked.stderr
    # And as an earlier version, killed while pip wrote uv, left it: everything is there, but not executable.
    host.told("cd /opt/sites; rm -rf .tools; install -D -m 0644 /bin/true .tools/bin/uv; mkdir -p .tools.new")
    run = host.play([MISSPELT])
    assert run.status != 0
    assert "djnago-that-nobody-wrote" in run.error, run.error
    # The killed run may have started a release of the site, which keeps running.
    left = [line for line in services(host).splitlines() if not line.startswith("uwsgi-shop")]
    assert left == before.splitlines()

    host.deploy([SITE])
    assert host.told("cd /opt/sites; echo .tools* .[!.]*/bin/uv").split() == [".tools", ".tools/bin/uv"]
    after = services(host)
    assert after.rpartition("\n\n")[2] == before.rpartition("\n\n")[2]
    assert host.told("systemctl is-active nginx firewalld").split() == ["active", "active"]
    assert_reachable(host)


@pytest.mark.skipif(not IN_BACKGROUND, reason="only apt installs packages during a build")
def test_a_first_run_has_the_same_task_counts_however_slow_the_packages_are(host: Host) -> None:
    quick = host.deploy([SITE])
    host.start()
    host.told(SLOW.format(seconds=2))
    slow = host.deploy([SITE])
    assert counts(quick) == counts(slow)


@pytest.mark.same_everywhere
def test_a_failed_run_leaves_no_part_of_a_virtualenv(baked: Host) -> None:
    """The tutorial's layout: the project is in the directory of the virtualenv that the first run makes."""
    host, works = baked, "/srv/works"
    host.told(f"mkdir -p {works}/bin; echo theirs > {works}/bin/deploy.sh")
    host.copy(ROOT / "examples/mysite", f"{works}/mysite")
    host.told(f"echo djnago-that-nobody-wrote >> {works}/mysite/requirements.txt")
    before = host.told(f"cd {works}; find . | sort")
    site = {**SITE, "source": {"path": f"{works}/mysite"}, "virtualenv": works, "health": {"path": "/healthz"}}
    run = host.play([site])
    assert "djnago-that-nobody-wrote" in run.error, run.error
    assert host.told(f"cd {works}; find . -path ./bin/python -o -name pyvenv.cfg -o -path './lib/python*' -prune") == ""
    assert set(before.split()) <= set(host.told(f"cd {works}; find .").split())

    # The requirements must be installed now, although nothing but the code names them.
    host.told(f"sed -i /djnago/d {works}/mysite/requirements.txt")
    host.deploy([site])
    assert host.told(f"{works}/bin/python -c 'import django, PIL; print(django.__file__)'").startswith(works)
    assert host.told(f"cat {works}/bin/deploy.sh") == "theirs"
    assert host.deploy([site]).changed == 0
