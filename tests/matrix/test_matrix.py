"""The steps of a site with each ansible-core from the oldest that is supported to the newest."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from bed import pinned_core, running
from starting_point import HOSTS, INVENTORY, change, lay_out

# Python 3.11 for the older ones; the newer need 3.12 or later.
OLDER, NEWER = "debian12", "debian13"
CORES = [(OLDER, "==2.16.*"), (OLDER, pinned_core()), (NEWER, "==2.20.*"), (NEWER, "==2.21.*"), (NEWER, "newest")]


def newest() -> str:
    """Return the newest version in the package index that Debian 13's Python can have, be it a pre-release."""
    words = ["index", "versions", "ansible-core", "--pre", "--python-version=3.13", "--only-binary=:all:"]
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=True)
    return "==" + re.findall(r"ansible-core \((\S+)\)", done.stdout)[0]


@pytest.mark.parametrize(("controller", "core"), CORES, ids=[core.strip("=*.") for _controller, core in CORES])
def test_every_step_of_a_site(controller, core, archive, tmp_path):
    core = newest() if core == "newest" else core
    page = f"matrix-{core.strip('=*.')}"
    with running(page, HOSTS, tmp_path, archive, core=core, controller=controller, flavour="baked") as bed:
        lay_out(bed)
        steps(bed)


def steps(bed):
    def play(words):
        done = bed.session().type(f"ansible-playbook -i {INVENTORY} -K pyweb.stack.{words}")
        assert done.status == 0, done.output
        assert "WARNING]" not in done.output, done.output
        return done.output

    print(bed.session().type("ansible --version").output)
    assert "would serve a new release" in play("site --check")
    assert "serves release" in play("site")
    assert "nothing changed" in play("site")
    change(bed)
    assert re.search(r"serves release .*changed: .*release", play("deploy"))
    assert "changed: rollback" in play("rollback -e rollback_site=shop")
    assert ": all ok" in play("doctor")
