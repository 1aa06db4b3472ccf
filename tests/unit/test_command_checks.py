"""Commands and steps of a site: accepted values, their normalized form, and error messages."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.checks import Wrong, duration, written_duration
from ansible_collections.pyweb.stack.plugins.module_utils.model.command_checks import command, steps

MIGRATE = {"kind": "builtin", "words": ["migrate"], "timeout": 1200, "once": False}


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(1, 1), (90, 90), ("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("1d", 86400)],
)
def test_a_duration_is_seconds_or_text(given, seconds):
    assert duration(1, 86400)(given) == seconds


@pytest.mark.parametrize(
    "given", ["", "m", "1 h", "1h5", "-5", "30m1h", "1.5h", "2d", 0, 86401, True, None, 1.5, ["1h"]]
)
def test_an_invalid_duration_is_refused_with_the_limits(given):
    with pytest.raises(Wrong) as caught:
        duration(1, 86400)(given)
    assert caught.value.wanted == "seconds, or text such as 90s, 10m or 1h; from 1s to 1d"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (3600, "1h"), (5400, "1h30m"), (90061, "1d1h1m1s")]
)
def test_seconds_are_shown_in_a_readable_form(seconds, text):
    assert written_duration(seconds) == text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("npm run build", ["npm", "run", "build"]),
        (["npm", "run", "build"], ["npm", "run", "build"]),
        ("loaddata 'first data.json'", ["loaddata", "first data.json"]),
        (["celery", "-c", 4], ["celery", "-c", "4"]),
        ("cp static/*.css out", ["cp", "static/*.css", "out"]),
        ("createcachetable", ["createcachetable"]),
        # Only a plain text is checked for shell syntax: in a list, `>` is meant literally.
        (["grep", ">", "x"], ["grep", ">", "x"]),
    ],
)
def test_a_command_is_split_into_words(given, words):
    assert command(given) == words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("npm ci && npm run build", "&& would need a shell"),
        ("npm ci; npm run build", "ci; would need a shell"),
        ("a | b", "| would need a shell"),
        ("date > built", "> would need a shell"),
        ("date 2>&1", "2>&1 would need a shell"),
        ("echo $(date)", "$(date) would need a shell"),
        ("echo `date`", "`date` would need a shell"),
        ("deploy --to=$HOME/x", "--to=$HOME/x would need a shell"),
        ("NODE_ENV=production npm run build", "put NODE_ENV=production into env"),
        ("say 'it", "quotes in pairs"),
        ("", "a list of words"),
        ([], "a list of words"),
        (["npm", None], "quote the words"),
        (["npm", True], "quote the words"),
        (["", "x"], "the first of them a program"),
        (["npm", "a\nb"], "on one line"),
        ({"npm": "ci"}, "a list of words"),
        (5, "a list of words"),
    ],
)
def test_invalid_commands_are_refused(given, said):
    with pytest.raises(Wrong) as caught:
        command(given)
    assert said in f"{caught.value.wanted}; {caught.value.fix}"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], []),
        (["migrate"], [MIGRATE]),
        ([{"migrate": {"timeout": "1h"}}], [{**MIGRATE, "timeout": 3600}]),
        ([{"migrate": None, "timeout": 90}], [{**MIGRATE, "timeout": 90}]),
        (
            [{"manage": "createcachetable", "once": True}, "migrate"],
            [{"kind": "manage", "words": ["createcachetable"], "timeout": 1200, "once": True}, MIGRATE],
        ),
        (
            [{"run": ["./warm", "-x"], "timeout": "10m"}],
            [{"kind": "run", "words": ["./warm", "-x"], "timeout": 600, "once": False}],
        ),
    ],
)
def test_steps_are_normalized(given, found):
    assert steps("migrate", once=True)(given) == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("migrate", "a list of steps"),
        (["createcachetable"], "a management command is {manage: createcachetable}"),
        (["npm ci"], "a management command is {manage: npm ci}, a program {run: npm ci}"),
        (["migrat"], "found 'migrat'; did you mean 'migrate'?"),
        (["migrate", "migrate"], "migrate at most once"),
        ([{"run": "x", "manage": "y"}], "exactly one of run, manage"),
        ([{"timeout": 5}], "exactly one of run, manage"),
        ([{"mange": "x"}], "did you mean 'manage'?"),
        ([{"manage": "x", "timeout": "1 h"}], "as timeout"),
        ([{"manage": "x", "once": "perhaps"}], "true or false as once"),
        ([{"migrate": True}], "{migrate: {timeout: 1h}}"),
        ([{"run": "a && b"}], ", as run (found in step 1); && would need a shell"),
        ([5], "a list of steps"),
    ],
)
def test_error_message_of_a_step(given, said):
    with pytest.raises(Wrong) as caught:
        steps("migrate", once=True)(given)
    assert said in f"{caught.value.wanted}; {caught.value.fix}"


def test_only_a_release_can_have_steps_of_one_host():
    with pytest.raises(Wrong) as caught:
        steps("collectstatic")([{"run": "npm ci", "once": True}])
    assert "run, manage, timeout" in caught.value.wanted
