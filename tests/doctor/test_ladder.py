"""The ladder: the lowest rung that fails is the answer, and nothing of it stays behind."""

from __future__ import annotations

import threading

import pytest
from cases import BY_HAND, MANAGED, PRELUDE
from conftest import MYSITE, TUTORIAL, on_a_line

pytestmark = pytest.mark.same_everywhere

RUNGS = 5
LEFT = "pgrep -a -f 'pyweb-doctor-|runserver' | grep -v pgrep || true; ls -d /tmp/pyweb-doctor-* 2>/dev/null || true"
CASES = {
    "Django itself": (
        "keep $project/mysite/urls.py; echo 'raise RuntimeError(\"not today\")' >> $project/mysite/urls.py",
        "back $project/mysite/urls.py",
        0,
        "500|RuntimeError",
    ),
    "uWSGI itself": (
        "keep $ini; sed -i 's/^plugins = .*/plugins = nosuchplugin/' $ini",
        "back $ini",
        1,
        "nosuchplugin",
    ),
    "the module that uWSGI loads": (
        "keep $ini; sed -i 's/^module = .*/module = nosuch.wsgi:application/' $ini",
        "back $ini",
        2,
        "nosuch",
    ),
}


def statuses(report):
    return [rung["status"] for rung in report["ladder"]]


def climbed(by_hand):
    """What the ladder of a healthy site came to, and what was left of it."""
    report, _output = by_hand.asked(TUTORIAL, deep=True)
    return report, by_hand.sh(LEFT)


def climbed_broken(by_hand, name):
    break_it, heal, _broken, _words = CASES[name]
    by_hand.sh(break_it, PRELUDE + BY_HAND)
    try:
        report, _output = by_hand.asked(TUTORIAL, deep=True)
    finally:
        by_hand.sh(heal, PRELUDE + BY_HAND)
    return report, by_hand.sh(LEFT)


def climbed_stopped(managed):
    managed.sh("systemctl stop $unit", PRELUDE + MANAGED)
    try:
        report, _output = managed.asked(MYSITE, deep=True)
    finally:
        managed.sh("systemctl start $unit; healthy", PRELUDE + MANAGED)
    return report, managed.sh(LEFT)


def test_a_healthy_managed_site_climbs_to_the_top_by_way_of_ansible(managed):
    report, _output = managed.doctor(MYSITE, deep=True)
    assert statuses(report) == ["ok"] * RUNGS, report["ladder"]
    assert managed.sh(LEFT) == ""


@on_a_line(climbed)
def test_a_healthy_tutorial_climbs_to_the_top(by_hand_line):
    report, left = by_hand_line
    assert statuses(report) == ["ok"] * RUNGS, report["ladder"]
    assert left == ""


@pytest.mark.parametrize("name", CASES)
@on_a_line(climbed_broken)
def test_the_lowest_rung_that_fails_is_the_answer(by_hand_line, name):
    report, left = by_hand_line
    _break_it, _heal, broken, words = CASES[name]
    assert statuses(report) == ["ok"] * broken + ["broken"] + ["unknown"] * (RUNGS - broken - 1), report["ladder"]
    told = " ".join([report["ladder"][broken]["cause"], *report["ladder"][broken]["evidence"]])
    assert any(word in told for word in words.split("|")), told
    assert left == ""


@on_a_line(climbed_stopped)
def test_a_stopped_site_climbs_as_well(managed_line):
    """The parts are taken from the unit and the ini, not from a running process."""
    report, left = managed_line
    assert statuses(report) == ["ok"] * RUNGS, report["ladder"]
    assert left == ""


def test_nothing_is_left_when_the_doctor_is_killed_on_the_ladder(by_hand):
    """A runserver that takes long to start holds the lowest rung while the module is killed, without a word."""
    wait = "import sys, time; time.sleep(6 if 'runserver' in sys.argv else 0)"
    slow = f'keep $project/mysite/settings.py; echo "{wait}" >> $project/mysite/settings.py'
    by_hand.sh(slow, PRELUDE + BY_HAND)
    asking = threading.Thread(target=by_hand.doctor_anyhow, args=[TUTORIAL], kwargs={"deep": True})
    try:
        asking.start()
        seen = by_hand.sh("for _try in $(seq 300); do pgrep -f '[d]jango runserver' && break; sleep 0.1; done")
        # The module is what started the rung.
        by_hand.sh(f"kill -KILL $(ps -o ppid= -p {seen.split()[0]})")
        asking.join(60)
        left = by_hand.sh(
            "for _try in $(seq 10); do pgrep -a -f '[d]jango runserver' >&2 || exit 0; sleep 0.1; done; echo left"
        )
    finally:
        by_hand.sh("back $project/mysite/settings.py; rm -rf /tmp/pyweb-doctor-*", PRELUDE + BY_HAND)
    assert seen.strip()
    assert left == ""
