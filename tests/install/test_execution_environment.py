"""The execution environment of examples/ is one for ansible-builder, and the collection says what it needs in it."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from host import ROOT

EXAMPLE = ROOT / "examples/execution-environment/execution-environment.yml"

pytestmark = pytest.mark.same_everywhere


def builder(*words):
    done = subprocess.run(
        ["ansible-builder", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_becomes_a_build_context(tmp_path):
    builder("create", "--file", str(EXAMPLE), "--context", str(tmp_path), "--output-filename", "Containerfile")
    wanted = yaml.safe_load((tmp_path / "_build/requirements.yml").read_text(encoding="utf-8"))
    assert [one["name"] for one in wanted["collections"]] == ["pyweb.stack"]
    assert "ansible-galaxy collection install" in (tmp_path / "Containerfile").read_text(encoding="utf-8")


def test_the_installed_collection_says_what_it_needs(archive, tmp_path):
    target = tmp_path / "ansible_collections/pyweb/stack"
    target.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(target), "-f", str(archive)], check=True)
    told = yaml.safe_load(builder("introspect", str(tmp_path)))
    system = [line.partition("  # ")[0] for line in told["system"]]
    assert system == ["openssh-clients [platform:rpm]", "openssh-client [platform:dpkg]"]
