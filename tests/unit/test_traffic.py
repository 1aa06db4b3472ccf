"""How the answers of a site are counted: uWSGI's numbers and journal, nginx's access log."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.release import traffic, uwsgi_ini
from ansible_collections.pyweb.stack.plugins.module_utils.release.traffic import Counter, Logged
from ansible_collections.pyweb.stack.plugins.module_utils.release.watch import Counted
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol
from releases import FakeShell

NOW = 1764000000.5
UNIT = "uwsgi-shop@0123456789ab.service"
LINE = "[pid: 7|app: 0|req: 1/1] 192.0.2.1 () {{40 vars}} [Thu] GET /a?b => generated 9 bytes in 1 msecs ({}) 2 headers"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    class Clock:
        def time(self):
            return NOW

        def sleep(self, seconds):
            pass

    monkeypatch.setattr(traffic, "time", Clock())


@pytest.fixture
def stats(monkeypatch):
    """Serve stats of uWSGI's workers, one answer after the other: (requests, respawn_count) of each."""
    told = []

    def answer(address):
        assert address == "unix:/run/x.stats"
        workers = told.pop(0)
        if isinstance(workers, Exception):
            raise workers
        if isinstance(workers, bytes):
            return workers
        shown = [
            {"requests": done, "delta_requests": 1, "respawn_count": made, "cores": [{"requests": done}]}
            for done, made in workers
        ]
        # Possible values while a request is being answered.
        return json.dumps({"workers": shown}, indent="\t").encode() + b'"vars": ["\xff\x00'

    monkeypatch.setattr(protocol, "stats", answer)
    return told


def counter(journal=""):
    shell = FakeShell({"journalctl": (0, journal)})
    return shell, Counter(shell, UNIT, "/run/x.stats")


def line(when, text):
    return f"{when:.6f} host uwsgi-shop[7]: {text}\n"


def test_answers_since_the_start_are_counted(stats):
    stats += [[(100, 1), (50, 1)], [(101, 1), (53, 1)]]
    shell, count = counter()
    assert count() == Counted(4, 0)
    assert shell.done == []  # too few for the journal to be read


def test_bad_answers_are_counted_in_the_journal_of_the_release(stats):
    journal = "-- Boot 1 --\n" + "".join(
        [
            line(NOW - 0.2, LINE.format("HTTP/1.1 500")),  # before
            line(NOW + 0.1, LINE.format("HTTP/1.1 500")),
            line(NOW + 0.1, LINE.format("HTTP/2.0 503")),
            line(NOW + 0.1, LINE.format("HTTP/1.1 404")),
            line(NOW + 0.2, "Internal Server Error: /a (HTTP/1.1 500)"),
            line(NOW + 0.3, "DAMN ! worker 1 (pid: 7) died, killed by signal 11 :( trying respawn ..."),
        ]
    )
    stats += [[(10, 1)], [(16, 2)]]
    shell, count = counter(journal)
    assert count() == Counted(7, 3)  # the answer that the dead worker owed was not counted
    assert shell.done == [
        "journal: journalctl --sync (may fail)",
        f"journal: journalctl --no-pager --output=short-unix --since=@1764000000 --unit={UNIT} (may fail)",
    ]


def test_workers_that_die_at_every_request_are_noticed_although_nothing_is_counted(stats):
    died = "".join(line(NOW + 1, f"DAMN ! worker {number} (pid: 7) died, killed") for number in range(6))
    stats += [[(0, 1)], [(0, 7)]]
    assert counter(died)[1]() == Counted(6, 6)


@pytest.mark.parametrize("answer", [protocol.ProtocolError("x", "nobody there"), b"{"], ids=str)
def test_a_uwsgi_without_stats(stats, answer):
    stats += [answer, [(10, 1)]]
    count = counter()[1]
    assert (count.counts, count()) == (False, Counted(0, 0))
    stats += [[(10, 1)], answer]
    count = counter()[1]
    assert (count.counts, count()) == (True, Counted(0, 0))


@pytest.mark.parametrize(
    ("options", "logs"),
    [
        ({}, True),
        ({"log-5xx": None}, False),
        ({"log-format": "%(addr)"}, False),
        ({"logger": "file:/x"}, False),
        ({"logto": "/x"}, False),
        ({"log-4xx": None}, True),
    ],
)
def test_whether_uwsgi_logs_5xx(options, logs):
    [site] = complete([{**goldens.SHOP, "uwsgi": {"options": options}}])
    assert traffic.logs_5xx(uwsgi_ini.render(site, goldens.BUILD)) is logs


# --- nginx's access log ---


def logged(ago, path="/", status=200, agent="curl"):
    when = datetime.fromtimestamp(int(NOW) - ago, timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'192.0.2.1 - - [{when}] "GET {path} HTTP/1.1" {status} 9 "-" "{agent}"\n'


@pytest.fixture
def log(tmp_path):
    return tmp_path / "shop.access.log"


def lately(log):
    found = traffic.lately(str(log), ("/static/", "/media/"), NOW)
    return found if found is None else [(int(NOW) - answer.when, answer.status) for answer in found]


def test_recent_answers_to_visitors(log):
    log.write_text(
        logged(700) + logged(599, "/a", 500) + logged(30, "/static/a.css") + logged(5, "/b", 404)
        + logged(4, agent="pyweb.stack") + "half a line"
    )  # fmt: skip
    assert lately(log) == [(599, 500), (5, 404)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, None),
        ("", []),
        (logged(2, agent="pyweb.stack"), []),
        ('{"status": 200, "time": "2026"}\n', None),
        ("[not a time] \"GET / HTTP/1.1\" 200 9\n", None),
        ('192.0.2.1 - anna [24/Nov/2025:15:59:58 +0000] "GET / HTTP/2.0" 200 9 "-" "x" "198.51.100.1"\n', [(2, 200)]),
    ],
    ids=["no log", "empty", "own probes", "another format", "no time", "EL's main"],
)  # fmt: skip
def test_a_log_without_usable_lines(log, text, wanted):
    if text is not None:
        log.write_text(text)
    assert lately(log) == wanted


def test_a_log_that_was_rotated_a_moment_ago(log):
    before = log.with_name(f"{log.name}.1")
    before.write_text(logged(9) + logged(8, status=502))
    log.write_text(logged(1))
    log.with_name(f"{log.name}.2.gz").write_bytes(b"\x1f\x8b")
    os.utime(before, (1, 1))
    assert lately(log) == [(9, 200), (8, 502), (1, 200)]


@pytest.mark.parametrize(
    ("text", "counted", "wanted"),
    [
        # The log covers more than the few seconds of a deploy.
        (logged(70, status=500) + logged(59), Counted(4, 4), (True, 0.5)),
        (logged(61), Counted(0, 0), (False, 0.0)),
        (logged(61, status=500), Counted(0, 0), (False, 1.0)),
        # A log that is no longer written.
        (logged(700), Counted(2, 0), (True, 0.0)),
        (None, Counted(4, 1), (True, 0.25)),
        (None, Counted(0, 0), (False, 0.0)),
    ],
)
def test_numbers_before_a_watch(log, text, counted, wanted):
    if text is not None:
        log.write_text(text)
    before = traffic.Before(lambda: counted, str(log), ("/static/",))
    # Answers of the new release do not count for the old one.
    with log.open("a") as more:
        more.write(logged(0, status=500) * 9)
    assert before.known() == wanted


def test_an_entry_has_its_time_in_seconds(log):
    log.write_text(logged(0))
    assert traffic.lately(str(log), ("/static/",), NOW) == [Logged(1764000000.0, 200)]
