"""host_unknown_platform: what the roles do on a host with an unsupported distribution or release."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = {"name": "shop", "domains": ["shop.example"], "source": {"startproject": "shop"}}
MINT = ("Debian", "Linux Mint", "22", "Debian-22")
FEDORA = ("RedHat", "Fedora", "44", "RedHat-44")
SUSE = ("Suse", "openSUSE Leap", "15.6", "Suse-15")
HINT = "To use it untested, set host_unknown_platform: allow"


@pytest.fixture
def play(tmp_path):
    """Run the tasks `look` of the roles host and django as on such a host; return the exit status and the output."""

    def run(system, **variables):
        family, name, version, key = system
        own = {"platform": key, "pythons": {"3.12": "/usr/bin/python3.12"}, "packages": [], "packages_known": True}
        facts = {"os_family": family, "distribution": name, "distribution_version": version, "pyweb": own}
        roles = [{"include_role": {"name": f"pyweb.stack.{role}", "tasks_from": "look"}} for role in ("host", "django")]
        roles[1]["include_role"]["public"] = True
        shown = "{{ __django_chosen[0].interpreter.path }} {{ __django_platform.git | join(' ') }}"
        tasks = [{"set_fact": {**facts, "cacheable": True}}, *roles, {"debug": {"msg": shown}}]
        given = {"host_looked": {}, "web_sites": [SITE], **variables}
        book = tmp_path / "play.yml"
        book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": given, "tasks": tasks}]))
        environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "2000"}
        done = subprocess.run(
            ["ansible-playbook", str(book)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environment},
            check=False,
        )
        return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)

    return run


@pytest.mark.parametrize("system", [MINT, FEDORA], ids=["mint", "fedora"])
def test_it_is_refused_with_the_name_of_the_variable(play, system):
    status, said = play(system)
    assert status == 2
    assert f"localhost is {system[1]} {system[2]}; this collection supports Debian 12, Debian 13, Ubuntu 22.04" in said
    assert HINT in said


@pytest.mark.parametrize(
    ("system", "git"), [(MINT, "git openssh-client"), (FEDORA, "git-core openssh-clients")], ids=["mint", "fedora"]
)
def test_it_is_allowed_with_a_warning_and_the_data_of_its_family(play, system, git):
    status, said = play(system, host_unknown_platform="allow")
    assert status == 0, said
    assert f"[WARNING]: localhost is {system[1]} {system[2]}; this collection supports" in said
    assert "The run continues, because host_unknown_platform is allow" in said
    assert f"/usr/bin/python3.12 {git}" in said


def test_a_system_of_another_family_is_always_refused(play):
    status, said = play(SUSE, host_unknown_platform="allow")
    assert status == 2
    assert "localhost is openSUSE Leap 15.6; this collection supports" in said
    assert HINT not in said


def test_a_supported_one_gets_no_warning(play):
    status, said = play(("Debian", "Ubuntu", "24.04", "Ubuntu-24.04"), host_unknown_platform="allow")
    assert status == 0, said
    assert "[WARNING]: localhost is" not in said
    assert "/usr/bin/python3.12 git openssh-client" in said


def test_another_value_allows_nothing(play):
    status, said = play(MINT, host_unknown_platform="alow")
    assert status == 2
    assert HINT in said
