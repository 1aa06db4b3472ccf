"""What runs a site's code can write the site's data and nothing else, and has no more of the host than it needs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from conftest import World
from sites import Inventory, site

# The most that `systemd-analyze security` may say of a unit: 0 is the best, 10 the worst.
EXPOSURE = 1.5
SCRIPT = "/usr/local/lib/tries.py"
# What a compromised application does: it says of each try whether it went well.
TRIES = """
import json, os, socket, sys, tempfile, time
from pathlib import Path

def tried(do):
    try:
        do()
    except OSError as error:
        return os.strerror(error.errno)
    return "done"

found = {
    "data": tried(lambda: Path("/var/lib/sites/shop/tried").write_text("x")),
    "scratch": tried(lambda: tempfile.TemporaryFile().close()),
    "shared": tried(lambda: Path("/srv/shared/tried").write_text("x")),
    "homes": tried(lambda: os.listdir("/home")),
    "setuid": tried(lambda: os.chmod(tempfile.mkstemp()[1], 0o4755)),
    "owner": tried(lambda: os.chown(tempfile.mkstemp()[1], os.getuid(), os.getgid())),
    "packets": tried(lambda: socket.socket(17, socket.SOCK_RAW)),
    "devices": tried(lambda: os.stat("/dev/of-the-host")),
    "others": tried(lambda: os.stat("/proc/1")),
    "words": sys.argv[1:-1],
    "privileges": open("/proc/self/status").read().partition("NoNewPrivs:")[2].split()[0],
}
text = json.dumps(found)
if "stay" in sys.argv:
    print("tries " + text, flush=True)
    time.sleep(3600)
elif sys.argv[-1].endswith(".json"):
    Path(sys.argv[-1]).write_text(text)
else:
    print("tries " + text)
"""
WANTED: dict[str, Any] = {
    "data": "done",
    "scratch": "done",
    "shared": "Read-only file system",
    "homes": "Permission denied",
    "setuid": "Operation not permitted",
    "owner": "Operation not permitted",
    "packets": "Address family not supported by protocol",
    "devices": "No such file or directory",
    "others": "No such file or directory",
    "privileges": "1",
    "words": [],
}


HOME = "/home/huatai"


@pytest.fixture(scope="module")
def sandboxed(world: World) -> World:
    """The site shop with a worker, a timer and steps of its own; blog is allowed more; hut lies in a home."""
    host = world.host
    host.told(f"cat > {SCRIPT}", TRIES)
    host.told("mkdir -p /srv/shared && chmod 1777 /srv/shared && touch /dev/of-the-host")
    own = {
        "workers": {"tries": {"run": f"python3 {SCRIPT} stay"}},
        "timers": {"tries": {"run": f"python3 {SCRIPT}", "at": "2035-01-01"}},
        # In the directory of the code, which is the builder's until the build is done.
        "build": [{"run": f"python3 {SCRIPT} tries.json"}, "collectstatic"],
        # Nobody expands the words of a step.
        "release": [{"run": ["python3", SCRIPT, "$HOME ${HOME} %h $$", "/var/lib/sites/shop/step.json"]}, "migrate"],
    }
    allowed = {"ReadWritePaths": "/srv/shared", "SystemCallFilter": "@chown", "ProtectHome": "read-only"}
    wanted = world.inventory.with_("shop", **own).with_("blog", uwsgi={"unit": allowed})
    host.told(f"useradd --create-home --shell /bin/sh huatai && chmod 0755 {HOME}")
    host.copy(world.project.folder, f"{HOME}/mysite")
    # The tutorial's way: all of it is the person's, the database lies beside the code.
    host.told(f"touch {HOME}/mysite/db.sqlite3 && chown -R huatai:huatai {HOME}/mysite")
    hut = site("hut", None, source={"path": f"{HOME}/mysite"}, user="huatai")
    run = world.play(Inventory((*wanted.sites, hut)))
    assert not run.status, run.error
    return world


def told(text: str) -> dict[str, Any]:
    """What the last tries in a text came to."""
    lines = [line.partition("tries ")[2] for line in text.splitlines() if line.startswith("tries {")]
    assert lines, text
    return dict(json.loads(lines[-1]))


def live(world: World, name: str) -> str:
    return world.host.told(f"basename $(readlink /opt/sites/{name}/current)")


def test_no_unit_of_a_site_is_exposed(sandboxed: World) -> None:
    shop, blog = live(sandboxed, "shop"), live(sandboxed, "blog")
    units = [f"uwsgi-shop@{shop}", f"uwsgi-blog-probe@{blog}", f"pyweb-worker-shop@{shop}:tries:1"]
    found = {}
    for unit in [*units, "pyweb-timer-shop@tries"]:
        said = sandboxed.host.told(f"systemd-analyze security --no-pager '{unit}.service'")
        found[unit] = float(re.findall(r"Overall exposure level.*: ([0-9.]+)", said)[0])
    assert {unit: level for unit, level in found.items() if level > EXPOSURE} == {}


def test_a_worker_a_timer_and_a_step_of_a_release_write_data_alone(sandboxed: World) -> None:
    host = sandboxed.host
    host.told("systemctl start pyweb-timer-shop@tries.service && journalctl --sync")
    found = {
        "worker": told(host.told("journalctl --output=cat --identifier=pyweb-worker-shop:tries")),
        "timer": told(host.told("journalctl --output=cat --identifier=pyweb-timer-shop:tries")),
        "step": json.loads(host.told("cat /var/lib/sites/shop/step.json")),
    }
    assert found["step"].pop("words") == ["$HOME ${HOME} %h $$"]
    found["step"]["words"] = []
    assert found == dict.fromkeys(found, WANTED)


def test_a_step_of_a_build_reaches_nothing_of_the_host(sandboxed: World) -> None:
    found = json.loads(sandboxed.host.told("cat /opt/sites/shop/current/src/tries.json"))
    # Whether it may write the data is up to who builds.
    assert {name: what for name, what in found.items() if name != "data"} == {
        name: what for name, what in WANTED.items() if name != "data"
    }


def test_manage_is_in_the_sandbox_and_has_its_pipes(sandboxed: World) -> None:
    host = sandboxed.host
    shell = f"exec(open('{SCRIPT}').read(), {{'__name__': 'tries'}})"
    assert told(host.told("/opt/sites/shop/manage shell", shell)) == WANTED
    assert host.told("/opt/sites/shop/manage dumpdata auth.group > /root/dump.json; cat /root/dump.json") == "[]"
    assert host.run("/opt/sites/shop/manage no-such-command").returncode != 0
    # With a terminal, as a person has it.
    said = host.told("script --quiet --return --command '/opt/sites/shop/manage check' /dev/null")
    assert "no issues" in said


def test_what_the_inventory_allows_a_site_may(sandboxed: World) -> None:
    """One directive each, and the others stay: a directory, a system call, a look at the homes."""
    shell = f"exec(open('{SCRIPT}').read(), {{'__name__': 'tries'}})"
    found = told(sandboxed.host.told("/opt/sites/blog/manage shell", shell))
    allowed = {"data": "Read-only file system", "shared": "done", "owner": "done", "homes": "done"}
    assert found == {**WANTED, **allowed}


def test_a_command_leaves_no_unit_and_no_secret(sandboxed: World) -> None:
    """Commands run as units: gone afterwards, and none of the environment was in their properties."""
    host = sandboxed.host
    assert host.told("systemctl list-units --all --no-legend 'pyweb-run-*'") == ""
    assert "DATABASE_URL" not in host.told("journalctl --unit='pyweb-run-*' --output=json")


def test_a_site_in_a_home_writes_its_database_and_nothing_else_there(sandboxed: World) -> None:
    host = sandboxed.host
    unit = f"uwsgi-hut@{live(sandboxed, 'hut')}.service"
    assert host.told(f"systemctl show --property=ProtectHome --value {unit}") == "read-only"
    assert host.told(f"stat -c %s {HOME}/mysite/db.sqlite3") != "0", "the migrations went to another database"
    write = "from django.contrib.auth.models import Group; Group(name=chr(120)).save(); print(Group.objects.count(), 7)"
    assert "1 7" in host.told("/opt/sites/hut/manage shell", write)
    done = host.run("/opt/sites/hut/manage shell", f"open('{HOME}/.profile', 'a')")
    assert "Read-only file system" in done.stdout + done.stderr
