"""Lines that a long step prints while it runs: what it does, how long that usually takes, and that it still runs."""

from __future__ import annotations

import time

import pytest
from ansible import constants
from ansible.utils.display import Display
from ansible_collections.pyweb.stack.plugins.plugin_utils import waiting
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute

USUAL = "takes about a minute"


@pytest.fixture
def shown(monkeypatch):
    lines = []
    monkeypatch.setattr(Display, "display", lambda _display, text, **_more: lines.append(text))
    monkeypatch.setattr(waiting, "LONG", 0.05)
    monkeypatch.setattr(waiting, "AGAIN", 0.05)
    return lines


class Action:
    """An action whose module waits until a number of lines is printed, but at most some seconds, and may fail."""

    def __init__(self, shown, count, error=None, patience=20.0):
        self.shown, self.count, self.error, self.patience = shown, count, error, patience

    def _execute_module(self, **_given):
        end = time.monotonic() + self.patience
        while len(self.shown) < self.count and time.monotonic() < end:
            time.sleep(0.01)
        if self.error:
            raise self.error
        return {"changed": True}


def run(action, doing="building shop"):
    return execute(action, "m", {}, {"inventory_hostname": "web1"}, doing, USUAL)


def test_a_long_step_prints_what_it_does_and_then_that_it_still_runs(shown):
    assert run(Action(shown, 3)) == {"changed": True}
    assert shown[0] == "web1: building shop; takes about a minute"
    assert len(shown) > 2
    assert all(line.startswith("web1: building shop; ") and line.endswith(" s so far") for line in shown[1:])


def test_nothing_is_printed_after_the_step_has_ended(shown):
    with pytest.raises(OSError, match="gone"):
        run(Action(shown, 1, OSError("gone")))
    before = list(shown)
    assert before
    time.sleep(0.3)
    assert shown == before


def test_a_short_step_prints_nothing(shown, monkeypatch):
    monkeypatch.setattr(waiting, "LONG", 60)
    start = time.monotonic()
    run(Action(shown, 0))
    assert shown == []
    assert time.monotonic() - start < 30  # and the step does not wait for the line


def test_a_step_without_a_text_prints_nothing(shown):
    run(Action(shown, 1, patience=0.3), doing="")
    assert shown == []


def test_json_output_stays_json(shown, monkeypatch):
    monkeypatch.setattr(constants.config, "get_config_value", lambda *_names, **_more: "ansible.posix.json")
    run(Action(shown, 1, patience=0.3))
    assert shown == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([], ""),
        (["shop"], "shop"),
        ([{"name": "shop", "domains": ["a"]}, {"name": "blog"}], "shop, blog"),
        (["a", "b", "c", "d"], "a, b, c, d"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
    ],
)
def test_names_fit_in_a_line(given, text):
    assert waiting.names(given) == text
