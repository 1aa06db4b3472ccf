"""tests/platforms.json, the programs that read it, and the tables of the roles have the same platforms."""

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
# Only by family, because the packages have the same names in all its releases.
FAMILY_TABLES = {
    "django": "__django_families",
    "host": "__host_families",
    "nginx": "__nginx_platforms",
    "uwsgi": "__uwsgi_platforms",
}


def table(role, name):
    return yaml.safe_load((ROOT / f"roles/{role}/vars/main.yml").read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize("role", TABLES)
def test_the_roles_support_exactly_the_tested_platforms(role):
    assert set(table(role, TABLES[role])) == {platform.key for platform in platforms.PLATFORMS.values()}


@pytest.mark.parametrize("role", FAMILY_TABLES)
def test_the_roles_support_exactly_the_tested_families(role):
    families = {platform.os_family for platform in platforms.PLATFORMS.values()}
    assert set(table(role, FAMILY_TABLES[role])) == families


@pytest.mark.parametrize("name", platforms.PLATFORMS)
def test_the_pythons_of_a_platform_are_those_that_the_role_offers(name):
    platform = platforms.PLATFORMS[name]
    offered = [python["path"] for python in table("django", "__django_platforms")[platform.key]["pythons"]]
    assert f"/usr/bin/{platform.python}" in offered
    assert offered[-1] == f"/usr/bin/{platform.newest_python}"


def test_one_platform_of_each_family_runs_all_tests():
    families = [platforms.PLATFORMS[name].os_family for name in platforms.FULL]
    assert sorted(families) == sorted({platform.os_family for platform in platforms.PLATFORMS.values()})


def test_a_stand_in_has_the_userland_of_a_real_platform():
    userlands = {platform.image.get("userland", "") for platform in platforms.PLATFORMS.values()} - {""}
    assert userlands
    assert all("userland" not in platforms.PLATFORMS[name].image for name in userlands)


def test_platforms_from_a_registry_only_run_if_they_are_named():
    others = {"ubuntu2204", "ubuntu2404", "rocky9", "rocky10", "alma9", "alma10"}
    assert others == set(platforms.PLATFORMS) - set(platforms.LOCAL)
    assert set(platforms.FULL) < set(platforms.LOCAL)


def test_the_workflow_tests_every_platform():
    workflow = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert "names=$(tests/tools/platforms.py names)" in workflow


def told(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)
    return done.stdout + done.stderr


def test_the_shell_reads_the_same_platforms():
    script = "tests/tools/platforms.py"
    assert told(sys.executable, script).split() == list(platforms.PLATFORMS)
    assert told(sys.executable, script, "local").split() == platforms.LOCAL
    assert told(sys.executable, script, "full").split() == platforms.FULL
    lines = told(sys.executable, script, "images").splitlines()
    assert [line.split()[0] for line in lines] == list(platforms.PLATFORMS)
    assert "debian12 debian:bookworm bookworm - -" in lines
    assert "centos9 quay.io/centos/centos:stream9 - 9 debian12" in lines
    assert "alma9 almalinux:9 - 9 -" in lines
    assert "expected names, local, full or images" in told(sys.executable, script, "imges")


def test_images_are_only_built_of_these_platforms():
    refused = told("bash", "tests/images/build.sh", "debian11")
    assert refused == f"unknown platform 'debian11'; known: {' '.join(platforms.PLATFORMS)}\n"


def test_the_ca_image_of_the_tests_is_built_of_debian_only():
    assert told("bash", "tests/images/build.sh", "--flavour", "pebble", "centos9") == (
        "centos9 has no pebble; Debian has: debian12\n"
    )


# A fake engine without images that records its calls, each with one write because images are built in parallel. Its
# registry has every image, or does not answer.
DOCKER = """#!/bin/sh
printf '%s\\n' "$(echo "$*" | tr '\\n' ' ')" >> "$TOLD"
case $1 in image) exit 1 ;; create) echo container ;; pull) exit "$PULL" ;; esac
"""


@pytest.fixture
def images(tmp_path):
    """Build images from other data with the fake engine; return the process and the recorded calls."""
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

    def build(data, *names, registry=True):
        notes.unlink(missing_ok=True)
        (tmp_path / "tests/platforms.json").write_text(json.dumps(data), encoding="utf-8")
        command = [str(tmp_path / "tests/images/build.sh"), "--flavour", "bare", *names]
        given = {**environment, "PULL": "0" if registry else "1"}
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)
        return done, notes.read_text(encoding="utf-8")

    return build


@pytest.fixture
def built(images):
    """Build images and return their recipes and bases."""

    def build(data, *names):
        done, notes = images(data, *names)
        assert done.returncode == 0, done.stdout + done.stderr
        recipes = dict(re.findall(r"pyweb\.platform=(\w+) .*pyweb\.recipe=(\w+)", notes))
        return recipes, set(re.findall(r"^pull (\S+)", notes, re.MULTILINE))

    return build


def test_an_image_is_only_rebuilt_when_its_own_platform_changes(built):
    data = json.loads(platforms.FILE.read_text(encoding="utf-8"))
    before, bases = built(data, "debian12", "centos9")
    assert sorted(before) == ["centos9", "debian12"]
    assert bases == {"debian:bookworm", "quay.io/centos/centos:stream9"}

    more = {**data, "other": {**data["debian13"], "image": {"base": "other:13", "codename": "other"}}}
    more["debian12"] = {**data["debian12"], "full": False, "wagtail": "wagtail"}
    again, bases = built(more, "debian12", "centos9", "other")
    assert {name: again[name] for name in before} == before
    assert "other:13" in bases

    # The stand-in for centos9 is made of debian12's userland.
    moved = {**data, "debian12": {**data["debian12"], "image": {"base": "debian:12", "codename": "bookworm"}}}
    again, bases = built(moved, "debian12", "debian13", "centos9")
    assert again["debian12"] != before["debian12"]
    assert again["centos9"] != before["centos9"]
    assert again["debian13"] == built(data, "debian13")[0]["debian13"]
    assert "debian:12" in bases


def test_an_image_of_el_is_built_with_the_file_of_its_release(images):
    done, notes = images(json.loads(platforms.FILE.read_text(encoding="utf-8")), "rocky9", "alma10")
    assert done.returncode == 0, done.stderr
    assert "/tests/images/centos9/Dockerfile --tag pyweb-rocky9:bare --build-arg BASE=rockylinux/rockylinux:9" in notes
    assert "/tests/images/centos10/Dockerfile --tag pyweb-alma10:bare --build-arg BASE=almalinux:10" in notes


def test_an_image_that_only_a_registry_has_is_named_if_it_is_missing(images):
    data = json.loads(platforms.FILE.read_text(encoding="utf-8"))
    for name, base in (("alma10", "almalinux:10"), ("ubuntu2404", "ubuntu:noble")):
        done, _notes = images(data, name, registry=False)
        assert done.returncode == 1
        assert f"No registry answers, and an image of {name} is made from {base} alone." in done.stderr
