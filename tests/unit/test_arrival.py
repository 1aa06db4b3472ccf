"""The variables of a release are read back from a process that systemd starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import arrival
from releases import SECRET, FakeShell, make_release

VALUES = {"TOKEN": SECRET, "NAME": "ü\n"}


class Systemd(FakeShell):
    """Run the program at the end of the command with `arrives` as its environment."""

    def __init__(self, arrives):
        super().__init__({})
        self.arrives = arrives

    def run(self, step, argv, user="root", cwd="/", environment=None, stdin="", timeout=1200, check=True):
        super().run(step, argv, user, cwd, environment, stdin, timeout, check)
        own = argv[argv.index("/usr/bin/python3") + 1 :]
        env = {**os.environb, **{name.encode(): value.encode() for name, value in self.arrives.items()}}
        return subprocess.run([sys.executable, *own], input=stdin, env=env, capture_output=True, text=True, check=False)


def test_variables_arrive_unchanged(tmp_path):
    shell = Systemd({**VALUES, "MORE": "of the host"})
    release = make_release(tmp_path, env=VALUES)
    arrival.check(shell, release)
    [given] = shell.given
    assert given["argv"][:6] == ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--uid=site-shop"]
    assert f"--property=EnvironmentFile={tmp_path}/config/shop/{release.id}.env" in given["argv"]
    assert SECRET not in given["stdin"] + " ".join(given["argv"])


@pytest.mark.parametrize(
    ("arrives", "lost"),
    [({"NAME": "ü\n"}, "TOKEN"), ({"TOKEN": SECRET, "NAME": "ü"}, "NAME"), ({}, "NAME, TOKEN")],
)
def test_a_lost_variable_is_named_without_its_value(tmp_path, arrives, lost):
    with pytest.raises(StepError) as caught:
        arrival.check(Systemd(arrives), make_release(tmp_path, env=VALUES))
    assert str(caught.value) == (
        f"site 'shop': env failed: {lost} of env did not arrive in a process that systemd starts as the inventory has "
        "it; expected every character of it; remove what systemd cannot read"
    )


def test_a_file_that_systemd_refuses_is_an_error(tmp_path):
    shell = FakeShell({"systemd-run": (1, "Failed with result 'resources'.")})
    with pytest.raises(StepError) as caught:
        arrival.check(shell, make_release(tmp_path, env=VALUES))
    first, last = str(caught.value).splitlines()
    assert first == (
        "site 'shop': env failed: no process starts with the variables NAME, TOKEN: one of them is too long for the "
        "kernel (128 KiB), or contains a character that systemd refuses, such as U+FFFE; remove it from env"
    )
    assert last.strip() == "Failed with result 'resources'."


def test_no_process_is_started_without_variables(tmp_path):
    shell = FakeShell({})
    arrival.check(shell, make_release(tmp_path))
    assert shell.given == []


def test_the_program_prints_json():
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", arrival._PROGRAM],
        input='{"A": "0", "B": "1"}',
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout) == ["A", "B"]
