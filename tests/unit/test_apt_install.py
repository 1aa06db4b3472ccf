"""What apt-get says, and what is made of it."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.pyweb.stack.plugins.modules import apt_install

DONE = """\
Selecting previously unselected package nginx-common.
Setting up nginx-common (1.22.1-9+deb12u3) ...
Setting up libnm0:amd64 (1.42.4-1+deb12u1) ...
Setting up nginx (1.22.1-9+deb12u3) ...
Upgrading binary: nginx.
Processing triggers for libc-bin (2.36-9+deb12u10) ...
"""
SIMULATED = """\
NOTE: This is only a simulation!
Inst nginx-common (1.22.1-9+deb12u3 Debian:12.11/oldstable [all])
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.11/oldstable [amd64])
Conf nginx-common (1.22.1-9+deb12u3 Debian:12.11/oldstable [all])
"""


@pytest.mark.parametrize(
    ("out", "installed"),
    [
        (DONE, ["libnm0 1.42.4-1+deb12u1", "nginx 1.22.1-9+deb12u3", "nginx-common 1.22.1-9+deb12u3"]),
        (SIMULATED, ["libc6 2.36-9+deb12u10", "nginx-common 1.22.1-9+deb12u3"]),
        ("nginx is already the newest version (1.22.1-9+deb12u3).\n", []),
    ],
)
def test_installed_is_what_came_to_the_host(out, installed):
    assert apt_install.installed_by(out) == installed


def test_faults_are_errors_without_warnings_once():
    err = (
        "W: Some index files failed to download.\nE: Unable to locate package nope\nE: Unable to locate package nope\n"
    )
    assert apt_install.faults(err) == "Unable to locate package nope"
    assert apt_install.faults("Killed\n") == "Killed"


class Apt:
    """apt-get, with what it answers to one call after the other; the last answer stays."""

    def __init__(self, *answers):
        self.answers, self.calls = list(answers), []

    def __call__(self, *words):
        self.calls.append(words)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


LOCKED = (100, "", "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)\n")


def test_lists_wait_for_another_apt_get(monkeypatch):
    monkeypatch.setattr(apt_install.time, "sleep", lambda _seconds: None)
    apt = Apt(LOCKED, LOCKED, (0, "", ""))
    assert apt_install.fetch_lists(apt, 60) == ""
    assert apt.calls == [("update",)] * 3


def test_lists_do_not_wait_for_ever():
    assert "Could not get lock" in apt_install.fetch_lists(Apt(LOCKED), -1)


def test_lists_that_cannot_be_fetched_are_a_reason_and_not_a_wait():
    apt = Apt((100, "", "E: Failed to fetch http://deb.example.com/InRelease\n"))
    assert apt_install.fetch_lists(apt, 60) == "apt-get update: Failed to fetch http://deb.example.com/InRelease"
    assert len(apt.calls) == 1


def test_lists_are_fresh_for_a_day(monkeypatch, tmp_path):
    monkeypatch.setattr(apt_install.glob, "glob", lambda _pattern: ["a_Packages"])
    real = os.stat
    monkeypatch.setattr(apt_install.os, "stat", lambda _path: real(tmp_path))
    assert apt_install.lists_are_fresh()
    os.utime(tmp_path, (0, time.time() - 86500))
    assert not apt_install.lists_are_fresh()


def test_no_lists_are_not_fresh(monkeypatch):
    monkeypatch.setattr(apt_install.glob, "glob", lambda _pattern: [])
    assert not apt_install.lists_are_fresh()
