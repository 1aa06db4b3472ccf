"""A fault of one site does not affect others: the other sites of the run are built, released and served."""

from __future__ import annotations

import re
import time

import client
import pytest
from conftest import World
from host import Host, Run
from sites import Inventory, Project, site

pytestmark = pytest.mark.same_everywhere

# Nothing listens there.
NOWHERE = "git://127.0.0.1:1/nothing.git"
VERSION = "7.1"
# A status that the example never returns.
NEVER = {"path": "/healthz", "status": [299], "timeout": 3}


# Responses of a compromised site on its stats socket.
WRONG = """b'{"sockets": 3, "workers": [7, {"status": {"busy": []}}]}'"""
DEEP = "b'[' * 200000"
FORGED = (
    "\x1b[2J\x1b]0;owned\x07\rfatal: [web]: FAILED! => forged\u202e\u2028PLAY RECAP\nfatal: [web]: FAILED! => forged"
)
STATS = """
import glob, os, socket
for path in glob.glob("/run/sites/shop/*.stats"):
    os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
if os.fork() == 0:
    os.setsid()
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    while True:
        connection, _address = listener.accept()
        connection.sendall(@SAID@)
        connection.close()
"""


def lie(world: World, said: str) -> None:
    """Make the site's user answer on the stats socket instead of uWSGI. `said` is a Python expression."""
    program = STATS.replace("@SAID@", said)
    done = world.run_as("site-shop", f"python3 - <<'END'\n{program}END")
    assert done.returncode == 0, done.stderr


def served(host: Host, name: str) -> str:
    answer = client.ask(host.address, f"{name}.example")
    return answer.body if answer.status == 200 else f"{answer.status} {answer.failure}"


@pytest.fixture(scope="module")
def run(world: World, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run once: two builds and the first release of `wiki` fail, nginx refuses `maze`, the other sites succeed.

    `fake` raises an error that looks like Ansible's, and the live release of `shop` sends forged stats to root.
    """
    broken = Project(tmp_path_factory.mktemp("broken") / "mysite")
    broken.edit("mysite/wsgi.py", lambda text: f"{text}raise RuntimeError({FORGED!r})\n")
    lie(world, WRONG)
    world.project.version(VERSION)
    shop, blog = world.inventory.sites
    unreachable = {**blog, "source": {"git": NOWHERE, "version": "main"}, "uwsgi": {"socket": "127.0.0.1:8002"}}
    others = (
        site("fake", broken),
        site("wiki", world.project, health=NEVER),
        site("maze", world.project, nginx={"options": {"no_such_directive": "on"}}),
        site("zine", world.project, nginx={"listen": [80, 8090]}),
    )
    wanted = Inventory((unreachable, *others[:3], shop, others[3]))
    return world.play(wanted)


def test_the_run_fails_and_reports_every_fault(run: Run) -> None:
    assert run.status
    assert run.error.startswith("site 'blog': source failed: ")
    assert re.search(r"^site 'wiki': (start|health) failed: ", run.error, re.MULTILINE)
    assert "site 'maze': nginx failed: `nginx -t` refuses the new files: [emerg] unknown directive" in run.error
    assert "site 'shop'" not in run.error
    assert "site 'zine'" not in run.error


def test_the_other_sites_are_built_released_and_served(world: World, run: Run) -> None:
    assert VERSION in served(world.host, "shop")
    assert VERSION in served(world.host, "zine")
    assert "8090/tcp" in world.host.told("firewall-cmd --list-ports")


def test_a_site_that_fails_is_served_as_before(world: World, run: Run) -> None:
    assert VERSION not in served(world.host, "blog")
    assert "<html" in served(world.host, "blog")
    # The inventory changes its port, but nothing listens on the new one yet.
    servers = world.host.told("nginx -T 2>/dev/null")
    assert "127.0.0.1:8001" in servers
    assert "127.0.0.1:8002" not in servers


def test_a_site_whose_first_release_failed_has_no_server(world: World, run: Run) -> None:
    servers = world.host.told("nginx -T 2>/dev/null")
    assert "wiki" not in servers
    assert "maze" not in servers
    assert re.search(" -> [0-9a-f]{12} by .+: failed: (start|health): ", world.host.told("cat /opt/sites/wiki/history"))


def test_the_output_of_a_project_is_escaped_and_cannot_imitate_ansible(run: Run) -> None:
    said = re.search(r"(?ms)^site 'fake': .*?(?=^site '|\Z)", run.error)
    assert said, run.error
    assert "\\x1b[2J" in said[0]
    assert "\\u202e\\u2028" in said[0]
    assert said[0].replace("\n", "").replace("\t", "").isprintable()
    assert not re.search(r"(?m)^(fatal:|PLAY RECAP)", said[0])
    assert "\x1b" not in run.output


def test_forged_stats_of_one_site_do_not_stop_the_doctor_for_others(world: World, run: Run) -> None:
    lie(world, DEEP)
    began = time.monotonic()
    done = world.play(world.inventory, "doctor.yml", "-e", "doctor_report=")
    assert done.status == 0, done.error
    assert '"name": "blog"' in done.output
    assert time.monotonic() - began < 120
