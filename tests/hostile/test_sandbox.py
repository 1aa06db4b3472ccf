"""Processes that run a site's code can write only the site's data, and access no more of the host than they need."""

from __future__ import annotations

import json
import re
from typing import Any

from conftest import HOME, World
from tries import SCRIPT, WANTED

# The highest rating of `systemd-analyze security` that a unit may have: 0 is the best, 10 the worst.
EXPOSURE = 1.5


def told(text: str) -> dict[str, Any]:
    """Return the results of the last attempts in a text."""
    lines = [line.partition("tries ")[2] for line in text.splitlines() if line.startswith("tries {")]
    assert lines, text
    return dict(json.loads(lines[-1]))


def live(world: World, name: str) -> str:
    return world.host.told(f"basename $(readlink /opt/sites/{name}/current)")


def test_the_exposure_of_every_unit_is_rated_low(world: World) -> None:
    shop, blog = live(world, "shop"), live(world, "blog")
    units = [f"uwsgi-shop@{shop}", f"uwsgi-blog-probe@{blog}", f"pyweb-worker-shop@{shop}:tries:1"]
    found = {}
    for unit in [*units, "pyweb-timer-shop@tries"]:
        said = world.host.told(f"systemd-analyze security --no-pager '{unit}.service'")
        found[unit] = float(re.findall(r"Overall exposure level.*: ([0-9.]+)", said)[0])
    assert {unit: level for unit, level in found.items() if level > EXPOSURE} == {}


def test_workers_timers_and_release_steps_can_write_only_data(world: World) -> None:
    host = world.host
    host.told("systemctl start pyweb-timer-shop@tries.service && journalctl --sync")
    found = {
        "worker": told(host.told("journalctl --output=cat --identifier=pyweb-worker-shop:tries")),
        "timer": told(host.told("journalctl --output=cat --identifier=pyweb-timer-shop:tries")),
        "step": json.loads(host.told("cat /var/lib/sites/shop/step.json")),
    }
    assert found["step"].pop("words") == ["$HOME ${HOME} %h $$"]
    found["step"]["words"] = []
    assert found == dict.fromkeys(found, WANTED)


def test_a_build_step_cannot_access_the_host(world: World) -> None:
    found = json.loads(world.host.told("cat /opt/sites/shop/current/src/tries.json"))
    # Whether it can write the data depends on the account that builds.
    assert {name: what for name, what in found.items() if name != "data"} == {
        name: what for name, what in WANTED.items() if name != "data"
    }


def test_manage_runs_in_the_sandbox_and_supports_pipes_and_terminals(world: World) -> None:
    host = world.host
    shell = f"exec(open('{SCRIPT}').read(), {{'__name__': 'tries'}})"
    assert told(host.told("/opt/sites/shop/manage shell", shell)) == WANTED
    assert host.told("/opt/sites/shop/manage dumpdata auth.group > /root/dump.json; cat /root/dump.json") == "[]"
    assert host.run("/opt/sites/shop/manage no-such-command").returncode != 0
    # With a terminal.
    said = host.told("script --quiet --return --command '/opt/sites/shop/manage check' /dev/null")
    assert "no issues" in said


def test_a_site_may_do_what_the_inventory_allows(world: World) -> None:
    """A directory, a system call and reading home directories, by one directive each; the other directives stay."""
    shell = f"exec(open('{SCRIPT}').read(), {{'__name__': 'tries'}})"
    found = told(world.host.told("/opt/sites/blog/manage shell", shell))
    allowed = {"data": "Read-only file system", "shared": "done", "owner": "done", "homes": "done"}
    assert found == {**WANTED, **allowed}


def test_a_command_leaves_no_unit_and_no_secret_behind(world: World) -> None:
    """Commands run as transient units, whose properties must not contain the environment."""
    host = world.host
    assert host.told("systemctl list-units --all --no-legend 'pyweb-run-*'") == ""
    assert "DATABASE_URL" not in host.told("journalctl --unit='pyweb-run-*' --output=json")


def test_a_site_in_a_home_directory_can_write_only_its_database_there(world: World) -> None:
    host = world.host
    unit = f"uwsgi-hut@{live(world, 'hut')}.service"
    assert host.told(f"systemctl show --property=ProtectHome --value {unit}") == "read-only"
    assert host.told(f"stat -c %s {HOME}/mysite/db.sqlite3") != "0", "the migrations were applied to another database"
    write = "from django.contrib.auth.models import Group; Group(name=chr(120)).save(); print(Group.objects.count(), 7)"
    assert "1 7" in host.told("/opt/sites/hut/manage shell", write)
    done = host.run("/opt/sites/hut/manage shell", f"open('{HOME}/.profile', 'a')")
    assert "Read-only file system" in done.stdout + done.stderr
