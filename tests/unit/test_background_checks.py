"""Workers and timers in the inventory: their normalized form, and times of timers compared with systemd itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.background_checks import calendar
from ansible_collections.pyweb.stack.plugins.module_utils.model.checks import Wrong
from models import completed

TIMES = [
    "03:30",
    "Mon *-*-* 07:00",
    "hourly",
    "Daily",
    "daily UTC",
    "weekly Europe/Berlin",
    "semi-annually",
    "02:30 EST5EDT",
    "*:0/15",
    "Mon..Fri 22:30",
    "Sat,Sun 10:00",
    "Mon,Wed..Fri 1..5:00 Europe/Berlin",
    "Monday 3:00",
    "Mon",
    "*-*-1 04:00",
    "*-02~03",
    "*-1,7-1 00:00",
    "12-31",
    "2026-12-31 23:59:59",
    "26-01-01 0:00",
    "*-*-* *:*:00",
    "*-*-* 0/2:00:00",
    "*:*:0/30",
    "03:30 UTC",
]
NO_TIMES = [
    "",
    "25:00",
    "3:70",
    "03",
    "3.30",
    "Foo 03:00",
    "03:30 nonsense",
    "every day",
    "*-13-01",
    "*-*-32",
    "0/0:00",
    "*:*/0",
    "Mon Tue",
    "03:30 03:40",
    "10:00 *-*-*",
    "%h:00",
    "03:30;x",
]


@pytest.mark.parametrize("text", TIMES)
def test_valid_times(text):
    assert calendar(text) == text


@pytest.mark.parametrize("text", [*NO_TIMES, "dayly", 750, None, True, ["03:30"], "03:30\nPersistent=no", "a" * 99])
def test_invalid_times(text):
    with pytest.raises(Wrong, match="a time in the OnCalendar format"):
        calendar(text)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd is installed")
@pytest.mark.parametrize("text", [*TIMES, *NO_TIMES])
def test_systemd_agrees(text):
    done = subprocess.run(["systemd-analyze", "calendar", text], capture_output=True, timeout=30, check=False)
    assert (done.returncode == 0) == (text in TIMES)


def test_error_message_of_a_time():
    with pytest.raises(Wrong) as caught:
        calendar("25:00")
    assert caught.value.fix == "found 25 as the hour, which must be from 0 to 23"
    with pytest.raises(Wrong) as caught:
        calendar("dayly")
    assert caught.value.fix == "did you mean 'daily'?"
    with pytest.raises(Wrong) as caught:
        calendar("*/5 0-6 * * *")
    assert caught.value.fix.startswith("the format of cron is different: ")


def test_white_space_in_a_time_is_collapsed():
    assert calendar(" Mon  07:00 ") == "Mon 07:00"


def test_a_worker_has_its_defaults():
    site = completed(workers={"celery": {"run": "celery -A shop worker -c 4"}, "tasks": {"manage": ["db_worker"]}})
    defaults = {"processes": 1, "stop_timeout": 300, "singleton": False, "hosts": "all", "unit": {}}
    assert site["workers"] == {
        "celery": {"run": ["celery", "-A", "shop", "worker", "-c", "4"], "manage": [], **defaults},
        "tasks": {"run": [], "manage": ["db_worker"], **defaults},
    }


def test_a_singleton_runs_on_the_first_host():
    workers = {"beat": {"run": "celery beat", "singleton": True}, "a": {"run": "x", "hosts": "first"}}
    site = completed(workers={**workers, "b": {"run": "x", "hosts": "all"}})
    assert {name: worker["hosts"] for name, worker in site["workers"].items()} == {
        "beat": "first",
        "a": "first",
        "b": "all",
    }


def test_a_timer_has_its_defaults():
    timers = {
        "clearsessions": {"manage": "clearsessions", "at": "03:30", "jitter": "10m"},
        "digest": {"manage": "send_digest", "at": ["Mon 07:00", "Thu 07:00"], "timeout": "2h", "hosts": "first"},
    }
    assert completed(timers=timers)["timers"] == {
        "clearsessions": {
            "run": [],
            "manage": ["clearsessions"],
            "at": ["03:30"],
            "jitter": 600,
            "timeout": 3600,
            "hosts": "all",
            "unit": {},
        },
        "digest": {
            "run": [],
            "manage": ["send_digest"],
            "at": ["Mon 07:00", "Thu 07:00"],
            "jitter": 0,
            "timeout": 7200,
            "hosts": "first",
            "unit": {},
        },
    }


def test_an_absent_site_has_no_workers_and_timers():
    assert completed(state="absent")["workers"] == completed(state="absent")["timers"] == {}
