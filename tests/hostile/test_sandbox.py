"""What runs a site's code can write its data and nothing else, and has no more of the host than it needs."""

from __future__ import annotations

import re

import pytest
from conftest import World

# The most that `systemd-analyze security` may say of a unit: 0 is the best, 10 the worst.
EXPOSURE = 1.5
# What a compromised application does: it says of each try whether it went well.
TRIES = """
import json, os, socket, sys, tempfile
from pathlib import Path

def tried(do):
    try:
        do()
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)
    return "done"

print("tries " + json.dumps({
    "data": tried(lambda: Path("/var/lib/sites/shop/tried").write_text("x")),
    "scratch": tried(lambda: tempfile.TemporaryFile().close()),
    "shared": tried(lambda: Path("/var/tmp-of-all/tried").write_text("x")),
    "home": tried(lambda: os.listdir("/home")),
    "setuid": tried(lambda: os.chmod("/var/lib/sites/shop/tried", 0o4755)),
    "packets": tried(lambda: socket.socket(17, socket.SOCK_RAW)),
    "namespace": tried(lambda: os.unshare(os.CLONE_NEWUSER) if hasattr(os, "unshare") else os.chown("/tmp", 0, 0)),
    "disks": tried(lambda: os.stat("/dev/loop-control")),
    "init": tried(lambda: os.stat("/proc/1")),
    "privileges": open("/proc/self/status").read().partition("NoNewPrivs:")[2].split()[0],
}), flush=True)
"""
WANTED = {
    "data": "done",
    "scratch": "done",
    "shared": "OSError 30",
    "home": "PermissionError 13",
    "setuid": "PermissionError 1",
    "packets": "OSError 97",
    "namespace": "PermissionError 1",
    "disks": "FileNotFoundError 2",
    "init": "FileNotFoundError 2",
    "privileges": "1",
}


@pytest.fixture(scope="module")
def sandboxed(world: World) -> World:
    """The sites with a worker, a timer and a directory on the host that every user may write."""
    world.host.told("mkdir -p /var/tmp-of-all && chmod 1777 /var/tmp-of-all; [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237")
    own = {
        "workers": {"tries": {"run": ["python3", "-c", TRIES + "\nimport time; time.sleep(3600)"]}},
        "timers": {"tries": {"run": ["python3", "-c", TRIES], "at": "2030-01-01"}},
        "release": [{"run": ["python3", "-c", TRIES + f"\nPath('/var/lib/sites/shop/step').write_text('ran')"]}, "migrate"],
    }
    world.play(world.inventory.with_("shop", **own))
    return world


def exposure(world: World, unit: str) -> float:
    said = world.host.told(f"systemd-analyze security --no-pager '{unit}' | tail -n 1")
    return float(re.findall(r"([0-9.]+) [A-Z]+", said)[-1])


def tries(text: str) -> dict[str, str]:
    import json

    lines = [line.partition("tries ")[2] for line in text.splitlines() if "tries {" in line]
    assert lines, text
    return dict(json.loads(lines[-1]))


def test_every_unit_of_a_site_is_exposed_little(sandboxed: World) -> None:
    live = sandboxed.host.told("basename $(readlink /opt/sites/shop/current)")
    port = sandboxed.host.told("basename $(readlink /opt/sites/blog/current)")
    units = [f"uwsgi-shop@{live}", f"uwsgi-blog@{port}", f"pyweb-worker-shop@{live}:tries:1", "pyweb-timer-shop@tries"]
    found = {unit: exposure(sandboxed, f"{unit}.service") for unit in units}
    assert {unit: score for unit, score in found.items() if score > EXPOSURE} == {}


def test_a_worker_and_a_timer_write_their_data_and_reach_nothing_else(sandboxed: World) -> None:
    host = sandboxed.host
    assert tries(host.told("journalctl --output=cat --identifier=pyweb-worker-shop:tries")) == WANTED
    host.told("systemctl start pyweb-timer-shop@tries.service")
    assert tries(host.told("journalctl --output=cat --identifier=pyweb-timer-shop:tries")) == WANTED


def test_manage_runs_in_the_sandbox_with_its_pipes(sandboxed: World) -> None:
    host = sandboxed.host
    assert tries(host.told("/opt/sites/shop/manage shell", TRIES.strip().replace("\n\ndef", "\n\ndef") )) == WANTED
    assert host.told("/opt/sites/shop/manage dumpdata auth.group > /root/dump.json && cat /root/dump.json") == "[]"
    assert host.run("/opt/sites/shop/manage no-such-command").returncode != 0


