"""Changes on the host since the last run, and how the next run handles them. One run handles all of them."""

from __future__ import annotations

import json
import re

import client
import pytest
from conftest import LOCAL, World, connects
from host import Run

pytestmark = pytest.mark.same_everywhere

MEDIA, DISK = "/var/lib/sites/shop/media", "/srv/disk/media"
# Every value that the model accepts must arrive unchanged.
VALUES = {
    "QUOTES": "a \"b\" 'c' `d` $e ${f} \\g \\\\",
    "LINES": "-----BEGIN-----\nabc=\n\n# no comment\n-----END-----\n",
    "BLANKS": "  \t around \t ",
    "CONTROL": "\x01\x1b[31m\x7f\r",
    "WIDE": "\u00fc\u2028\ufeff\U0001f600\ue000\u0085",
    "EMPTY": "",
    "LONG": "x" * 100_000,
}
FLUSH = """
import ctypes
nft = ctypes.CDLL("libnftables.so.1")
nft.nft_ctx_new.restype = ctypes.c_void_p
nft.nft_run_cmd_from_buffer(ctypes.c_void_p(nft.nft_ctx_new(0)), b"delete table inet pyweb-ports-blog")
"""


def main_process(world: World) -> str:
    return world.host.told("systemctl show --property=MainPID --value nginx.service")


@pytest.fixture(scope="module")
def main(world: World) -> str:
    """Return nginx's main process before the run."""
    return main_process(world)


@pytest.fixture(scope="module")
def run(world: World, main: str) -> Run:
    """Move the media to another disk, flush rules, limit nginx's descriptors and set values; then run the playbook."""
    world.host.told(f"mkdir -p /srv/disk && mv {MEDIA} {DISK} && ln -s {DISK} {MEDIA}")
    world.host.told("/usr/bin/python3 -", FLUSH)
    assert connects(world, LOCAL)
    # The limit of an nginx that 0.1 started.
    world.host.told(
        f"prlimit --pid {main} --nofile=1024: && systemctl reload nginx && "
        "rm /etc/systemd/system/nginx.service.d/pyweb.conf && systemctl daemon-reload"
    )
    return world.play(world.inventory.with_("shop", env=VALUES))


def test_a_link_that_root_made_to_another_disk_is_followed(world: World, run: Run) -> None:
    assert run.status == 0, run.error
    assert world.host.told(f"readlink {MEDIA}") == DISK
    assert world.host.told(f"stat -c %U {DISK}") == "site-shop"
    world.run_as("site-shop", f"echo big > {MEDIA}/big.txt")
    assert client.ask(world.host.address, "shop.example", "/media/big.txt").body == "big\n"


def test_a_port_is_restricted_again_after_its_rules_were_flushed(world: World, run: Run) -> None:
    assert connects(world, "root"), run.error
    assert not connects(world, LOCAL)


def test_nginx_gets_more_descriptors_without_a_restart(world: World, main: str, run: Run) -> None:
    """Two for each connection, and some more."""
    assert main_process(world) == main, run.error
    for pid in (main, *world.host.told(f"cat /proc/{main}/task/{main}/children").split()):
        if "shutting down" in world.host.run(f"cat /proc/{pid}/cmdline").stdout:
            continue
        soft = re.search(r"Max open files +(\d+)", world.host.told(f"cat /proc/{pid}/limits"))
        assert soft, pid
        assert int(soft[1]) >= 2 * 1024 + 1024, pid


def test_every_environment_value_arrives_unchanged(world: World, run: Run) -> None:
    assert run.status == 0, run.error
    found = world.host.told(
        "systemd-run --quiet --wait --pipe --collect --uid=site-shop --property=EnvironmentFile=$(ls -t "
        "/etc/sites/shop/*.env | head -1) /usr/bin/python3 -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    )
    arrived = json.loads(found)
    assert {name: arrived.get(name) for name in VALUES} == VALUES


def test_after_root_moves_the_media_back_a_second_run_changes_nothing(world: World, run: Run) -> None:
    world.host.told(f"rm {MEDIA} {DISK}/big.txt && mv {DISK} {MEDIA}")
    assert world.deploy().changed
    again = world.deploy()
    assert again.changed == 0, again.changes
