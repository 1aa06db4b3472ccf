"""tests/platforms.json, what reads it, and the tables of the roles know the same platforms."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import platforms
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLES = {"host": "__host_platforms", "django": "__django_platforms"}
# By the family alone, for the packages have the same names in all its releases.
FAMILY_TABLES = {"nginx": "__nginx_platforms", "uwsgi": "__uwsgi_platforms"}


def table(role, name):
    return yaml.safe_load((ROOT / f"roles/{role}/vars/main.yml").read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize("role", TABLES)
def test_the_roles_know_the_platforms_that_are_tested_and_no_other(role):
    assert sorted(table(role, TABLES[role])) == sorted(platform.key for platform in platforms.PLATFORMS.values())


@pytest.mark.parametrize("role", FAMILY_TABLES)
def test_the_roles_know_the_families_that_are_tested_and_no_other(role):
    families = {platform.os_family for platform in platforms.PLATFORMS.values()}
    assert set(table(role, FAMILY_TABLES[role])) == families


@pytest.mark.parametrize("name", platforms.PLATFORMS)
def test_the_pythons_of_a_platform_are_those_that_the_role_offers(name):
    platform = platforms.PLATFORMS[name]
    offered = [python["path"] for python in table("django", "__django_platforms")[platform.key]["pythons"]]
    assert f"/usr/bin/{platform.python}" in offered
    assert offered[-1] == f"/usr/bin/{platform.newest_python}"


def test_one_platform_of_each_family_is_asked_everything():
    families = [platforms.PLATFORMS[name].os_family for name in platforms.FULL]
    assert sorted(families) == sorted({platform.os_family for platform in platforms.PLATFORMS.values()})


def test_a_stand_in_has_the_userland_of_a_platform_that_is_not_one():
    userlands = {platform.image.get("userland", "") for platform in platforms.PLATFORMS.values()} - {""}
    assert userlands
    assert all("userland" not in platforms.PLATFORMS[name].image for name in userlands)


def told(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)
    return done.stdout + done.stderr


def test_the_shell_reads_the_same_platforms():
    script = "tests/tools/platforms.py"
    assert told(sys.executable, script).split() == list(platforms.PLATFORMS)
    assert told(sys.executable, script, "full").split() == platforms.FULL
    lines = told(sys.executable, script, "images").splitlines()
    assert [line.split()[0] for line in lines] == list(platforms.PLATFORMS)
    assert "debian12 debian:bookworm bookworm - -" in lines
    assert "centos9 quay.io/centos/centos:stream9 - 9 debian12" in lines
    assert "expected names, full or images" in told(sys.executable, script, "imges")


def test_images_are_built_of_these_platforms_alone():
    refused = told("bash", "tests/images/build.sh", "debian11")
    assert refused == f"unknown platform 'debian11'; known: {' '.join(platforms.PLATFORMS)}\n"


def test_the_ca_of_the_tests_is_made_of_debian_alone():
    assert told("bash", "tests/images/build.sh", "--flavour", "pebble", "centos9") == (
        "centos9 has no pebble; Debian has: debian12\n"
    )


# An engine that has no image, finds everything in a registry, and notes what it is asked: in one write, for images are
# built side by side.
DOCKER = """#!/bin/sh
printf '%s\\n' "$(echo "$*" | tr '\\n' ' ')" >> "$TOLD"
case $1 in image) exit 1 ;; create) echo container ;; esac
"""


@pytest.fixture
def built(tmp_path):
    """Build images from other data, with an engine that does nothing; return their recipes and bases."""
    shutil.copytree(ROOT / "tests/images", tmp_path / "tests/images")
    (tmp_path / "tests/tools").mkdir()
    shutil.copy(ROOT / "tests/tools/platforms.py", tmp_path / "tests/tools")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(DOCKER, encoding="utf-8")
    (tmp_path / "bin/docker").chmod(0o755)
    (tmp_path / "ca.crt").write_text("", encoding="utf-8")
    notes = tmp_path / "told"
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TOLD": str(notes), "SSL_CERT_FILE": str(tmp_path / "ca.crt")}

    def build(data, *names):
        notes.unlink(missing_ok=True)
        (tmp_path / "tests/platforms.json").write_text(json.dumps(data), encoding="utf-8")
        command = [str(tmp_path / "tests/images/build.sh"), "--flavour", "bare", *names]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        recipes = dict(re.findall(r"pyweb\.platform=(\w+) .*pyweb\.recipe=(\w+)", notes.read_text(encoding="utf-8")))
        bases = set(re.findall(r"^pull (\S+)", notes.read_text(encoding="utf-8"), re.MULTILINE))
        return recipes, bases

    return build


def test_an_image_is_made_anew_when_its_own_platform_changes_and_only_then(built):
    data = json.loads(platforms.FILE.read_text(encoding="utf-8"))
    before, bases = built(data, "debian12", "centos9")
    assert sorted(before) == ["centos9", "debian12"]
    assert bases == {"debian:bookworm", "quay.io/centos/centos:stream9"}

    more = {**data, "ubuntu2404": {**data["debian13"], "image": {"base": "ubuntu:noble", "codename": "noble"}}}
    more["debian12"] = {**data["debian12"], "full": False, "wagtail": "wagtail"}
    again, bases = built(more, "debian12", "centos9", "ubuntu2404")
    assert {name: again[name] for name in before} == before
    assert "ubuntu:noble" in bases

    # The stand-in for centos9 is made of debian12's userland.
    moved = {**data, "debian12": {**data["debian12"], "image": {"base": "debian:12", "codename": "bookworm"}}}
    again, bases = built(moved, "debian12", "debian13", "centos9")
    assert again["debian12"] != before["debian12"]
    assert again["centos9"] != before["centos9"]
    assert again["debian13"] == built(data, "debian13")[0]["debian13"]
    assert "debian:12" in bases
