"""Tracebacks in a log of uWSGI: which one is quoted, and how a long one is shortened."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import pyweb_errors
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import tracebacks
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.tracebacks import last, quote, root, shorten

SRC = "/opt/sites/shop/builds/0123456789ab/src"
LIB = "/opt/sites/shop/builds/0123456789ab/venv/lib/python3.12/site-packages/django"
MARK = "pyweb.stack: unhandled exception: GET /a/ (release 0123456789ab)"
NEXT = f"{MARK}, while the one above was answered"
STARTED = "*** Starting uWSGI 2.0.30 ***\nmapped 1 bytes\nspawned uWSGI worker 2 (pid: 8, cores: 1)\n"
STARTED += '*** Stats server enabled on /run/x.stats fd: 12 ***\nrunning "unix_signal:15 gracefully_kill_them_all"\n'
REQUEST = "[pid: 7|app: 0|req: 1/1] 192.0.2.1 () {40 vars} GET /a/ => generated 9 bytes (HTTP/1.1 500) 2 headers\n"


def frame(path, number=1, code="call()"):
    return f'  File "{path}", line {number}, in call\n    {code}\n    ^^^^^^\n'


def traceback(error, *frames):
    return f"Traceback (most recent call last):\n{''.join(frames)}{error}\n"


SHORT = traceback("ValueError: no such column", frame(f"{LIB}/base.py"), frame(f"{SRC}/shop/views.py", 12))
CHAINED = (
    traceback("KeyError: 'a'", frame(f"{SRC}/shop/models.py", 3))
    + "\nDuring handling of the above exception, another exception occurred:\n\n"
    + SHORT
)
SEVERAL_LINES = traceback("shop.Wrong: first\nsecond\n  third", frame(f"{SRC}/shop/views.py"))
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/app/views.py", line 3, in page
  |     raise ExceptionGroup("many", found)
  | ExceptionGroup: many (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/views.py", line 1, in page
    | ZeroDivisionError: division by zero
    +---------------- 2 ----------------
    | ValueError: two
    +------------------------------------
"""
FOLLOWS = "\nThe above exception was the direct cause of the following exception:\n\n"


def test_the_searched_mark_is_the_written_one():
    assert (tracebacks.MARK, tracebacks.NEXT) == (pyweb_errors.MARK, pyweb_errors.NEXT)
    assert tracebacks.LINES < pyweb_errors.MAX_LINES


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        ("", ""),
        (STARTED + REQUEST, ""),
        # Without the mark: during the import of the project, or in a build of 0.1.
        (STARTED + SHORT + REQUEST, SHORT),
        (SHORT + CHAINED + "unable to load app 0 (mountpoint='') (callable not found or import error)\n", CHAINED),
        (CHAINED + SHORT, SHORT),
        (SEVERAL_LINES + REQUEST, SEVERAL_LINES),
        ("Internal Server Error: /a/\n" + SHORT + "Internal Server Error: /b/\n", SHORT),
        # With the mark, other output is ignored.
        (f"{MARK}\n{CHAINED}{REQUEST}{SHORT}", f"{MARK}\n{CHAINED}"),
        (f"{MARK}\n{SHORT}{MARK}\n{CHAINED}Internal Server Error: /a/\n{REQUEST}", f"{MARK}\n{CHAINED}"),
        # Exceptions while the error was answered belong to it.
        (f"{MARK}\n{SHORT}{MARK}\n{CHAINED}{NEXT}\n{SHORT}{REQUEST}", f"{MARK}\n{CHAINED}{NEXT}\n{SHORT}"),
        (f"x\n{NEXT}\n{SHORT}", f"{NEXT}\n{SHORT}"),
        # An exception group, alone and in a chain.
        (STARTED + GROUP + REQUEST, GROUP),
        (f"{MARK}\n{GROUP}{REQUEST}", f"{MARK}\n{GROUP}"),
        (f"{MARK}\n{SHORT}{FOLLOWS}{GROUP}{REQUEST}", f"{MARK}\n{SHORT}{FOLLOWS}{GROUP}"),
        (f"{GROUP}{FOLLOWS}{SHORT}{REQUEST}", f"{GROUP}{FOLLOWS}{SHORT}"),
    ],
)
def test_the_last_traceback(log, wanted):
    assert last(log) == wanted.rstrip("\n")


CUT = traceback("", frame(f"{SRC}/shop/views.py", 12), frame(f"{SRC}/shop/models.py", 34)).rstrip("\n") + "\n"


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        (f"{MARK}\n{SHORT}{MARK}\n{CUT}", f"{MARK}\n{SHORT}"),
        (f"{MARK}\n{SHORT}{REQUEST}{MARK}\n{CUT}{REQUEST}{MARK}\n{CUT}{REQUEST}", f"{MARK}\n{SHORT}"),
        (f"{SHORT}{CUT}", SHORT),
        # In the second half of a chain.
        (f"{MARK}\n{SHORT}{MARK}\n{SHORT}{FOLLOWS}{CUT}{REQUEST}", f"{MARK}\n{SHORT}"),
        # There is no better one.
        (f"{MARK}\n{CUT}{REQUEST}", f"{MARK}\n{CUT}"),
        (STARTED + CUT, CUT),
    ],
)
def test_an_incomplete_traceback_is_less_useful_than_the_one_before(log, wanted):
    """journald drops lines of a unit that writes too many."""
    assert last(log) == wanted.rstrip("\n")


def test_the_root_of_a_report_is_what_failed_first():
    assert root(f"{MARK}\n{CHAINED}{NEXT}\n{SHORT}") == f"{MARK}\n{CHAINED}".rstrip("\n")
    assert root(SHORT) == SHORT


LONG = traceback(
    "ValueError: the end",
    *(frame(f"{LIB}/{number}.py") for number in range(30)),
    frame(f"{SRC}/shop/views.py", 12, "first()"),
    *(frame(f"{LIB}/{number}.py") for number in range(30)),
    frame(f"{SRC}/shop/models.py", 34, "second()"),
    *(frame(f"{LIB}/{number}.py") for number in range(30)),
)


def test_a_long_traceback_keeps_the_frames_of_the_project_and_its_end():
    assert shorten(f"{MARK}\n{LONG}", 60).splitlines() == [
        MARK,
        "Traceback (most recent call last):",
        "  ... in libraries ...",
        *frame(f"{SRC}/shop/views.py", 12, "first()").splitlines(),
        "  ... in libraries ...",
        *frame(f"{SRC}/shop/models.py", 34, "second()").splitlines(),
        "  ... in libraries ...",
        *frame(f"{LIB}/29.py").splitlines(),
        "ValueError: the end",
    ]


def test_a_traceback_that_is_still_too_long_is_shortened_in_the_middle():
    report = f"{MARK}\n" + traceback("ValueError: the end", *(frame(f"{SRC}/a.py", number) for number in range(99)))
    lines = shorten(report, 60).splitlines()
    assert len(lines) == 60
    assert lines[:3] == [*report.splitlines()[:3]]
    assert lines[15] == "  ... 241 lines ..."
    assert lines[-3:] == ["    call()", "    ^^^^^^", "ValueError: the end"]


def test_both_of_two_reports_keep_their_end():
    shown = shorten(f"{MARK}\n{LONG}{NEXT}\n{LONG.replace('the end', 'the page')}", 40)
    assert len(shown.splitlines()) <= 40
    assert "ValueError: the end\n" in shown
    assert shown.endswith("ValueError: the page")


def test_a_short_traceback_is_unchanged():
    assert shorten(SHORT) == SHORT.rstrip("\n")


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        (STARTED + f"{MARK}\n{SHORT}{REQUEST}", f"{MARK}\n{SHORT}".rstrip("\n")),
        (STARTED + "no row of that kind\n", "no row of that kind\n"),
        (STARTED, ""),
        ("GAME OVER\n", "GAME OVER\n"),
    ],
    ids=["a traceback", "no traceback", "only the start", "no start"],
)
def test_the_quoted_part_of_a_log(log, wanted):
    assert quote(log) == wanted
