"""Output of a project or a host is shown safely: without terminal sequences, and no line looks like Ansible's own."""

from __future__ import annotations

import re
import sys
import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import compilers, pythons
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import hide
from ansible_collections.pyweb.stack.plugins.module_utils.host import refusals, system_packages
from ansible_collections.pyweb.stack.plugins.module_utils.host.causes import cause
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import OUTPUT_MAX, Shell, StepError, own_fault
from ansible_collections.pyweb.stack.plugins.module_utils.host.visible import (
    FIRST_LINES,
    LAST_LINES,
    LINE_MAX,
    all_visible,
    below,
    in_measure,
    one_line,
    visible,
)
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import tracebacks
from ansible_collections.pyweb.stack.plugins.plugin_utils import doctor_report, output

FORGED = "Error\n\x1b[2J\x1b]0;owned\x07\rfatal: [web]: FAILED! => {}\u2028PLAY RECAP\u202e\x9b1m\u200b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ü, 日本, \t tab\nnext line, no\xa0break", "plain, ü, 日本, \t tab\nnext line, no\xa0break"),
        ("\x1b[31mred\x07\x00", "\\x1b[31mred\\x07\\x00"),
        ("50 %\r100 %\r\ndone", "50 %\\r100 %\ndone"),
        ("\x7f\x9b2J\x85", "\\x7f\\x9b2J\\x85"),
        ("\u202eevil\u2066\u200b\ufeff\xad", "\\u202eevil\\u2066\\u200b\\ufeff\\xad"),
        ("one\u2028two\u2029", "one\\u2028two\\u2029"),
        ("\U000e0041\ud800", "\\U000e0041\\ud800"),
    ],
)
def test_invisible_characters_are_shown(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_a_single_line_has_no_line_breaks():
    assert one_line("a\nb\r\n\n c\u2028d") == "a b c d"


def test_following_lines_are_indented():
    assert below("a\nfatal: x\n\nb") == "  a\n  fatal: x\n\n  b"


def test_data_is_escaped_at_any_depth():
    assert all_visible({"a\r": ["\x1b", 1, None, {"b": "\u202e"}]}) == {"a\\r": ["\\x1b", 1, None, {"b": "\\u202e"}]}


def is_tame(text):
    assert text.replace("\n", "").replace("\t", "").isprintable(), repr(text)
    assert not [line for line in text.splitlines()[1:] if line.startswith(("fatal:", "PLAY", "site '"))], text


def test_the_output_of_a_step_is_escaped():
    error = StepError("shop", "health\x1b", FORGED, f"{FORGED}\nsite 'blog': health failed: not at all\n")
    is_tame(str(error))
    assert str(error).startswith("site 'shop': health\\x1b failed: Error \\x1b[2J")
    assert "\n  site 'blog': health failed: not at all" in str(error)


def test_the_output_of_a_command_is_escaped():
    program = f"import sys; sys.stderr.write({FORGED!r}); sys.exit(1)"
    with pytest.raises(StepError) as caught:
        Shell("shop", {}).run("check", [sys.executable, "-c", program])
    is_tame(str(caught.value))


def test_an_unexpected_exception_is_escaped():
    with pytest.raises(StepError) as caught, own_fault("shop", str):
        raise ValueError(FORGED)
    is_tame(str(caught.value))


def test_the_end_of_a_commands_output_is_kept():
    program = f"import sys; sys.stdout.write('x' * {OUTPUT_MAX + 4096}); print('the end')"
    said = Shell("shop", {}).run("check", [sys.executable, "-c", program]).stdout
    assert len(said) <= OUTPUT_MAX
    assert said.endswith("x" * 100 + "the end\n")


def test_line_ends_of_a_command_are_converted():
    assert Shell("shop", {}).run("check", ["printf", "a\\r\\nb\\rc\\n"]).stdout == "a\nb\nc\n"


def test_the_doctors_output_is_escaped_on_the_host_and_on_the_controller(capfd):
    for text in hide([FORGED, {"a": FORGED}], [])[:1]:
        assert "\x1b" not in text
    hop = {"hop": "app", "status": "broken", "cause": FORGED, "evidence": [FORGED], "faults": [], "follows": ""}
    site = {"name": "shop", "domains": ["a.example"], "status": "broken", "hops": [hop], "ladder": []}
    site["first"] = {"hop": "app", "fault": "app.import", "evidence": [FORGED], "cause": FORGED, "fix": FORGED}
    hosts = doctor_report.collected({"web": {"sites": [site]}, "lost": {"unreachable": True, "msg": FORGED}})
    output.show(doctor_report.lines(hosts))
    is_tame(capfd.readouterr().out)


# --- limits of searches ---

HOSTILE = [
    "a", " ", "'", "a=", "0", "OSError: [Errno 30] ", "Traceback (most recent call last):\n", "a-0", "a.a", "==",
    '  File "a", line 1, in b\n', "pyweb.stack: unhandled exception:\n", "depends on Python>", "'/dev/",
    " \n", "[Errno 2] No such file or directory: '/proc/",
]  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE)
def test_any_output_of_a_program_is_analysed_in_time(part):
    """A search may take quadratic time, and a build prints up to 4 MiB."""
    text, began = part * (OUTPUT_MAX // len(part)), time.monotonic()
    error = StepError("shop", "requirements", cause(text), text)
    pythons.refused(str(error))
    tracebacks.last(text)
    refusals.failed_step(text)
    refusals.refusal(text)
    for pattern in compilers._FAILED:
        re.search(pattern, error.output)
    system_packages.missing(error.output)
    assert time.monotonic() - began < 20
    assert len(error.output) < OUTPUT_MAX


def test_output_within_the_limits_is_complete():
    text = "\n".join(["x" * LINE_MAX] * (FIRST_LINES + LAST_LINES))
    assert in_measure(text) == text
    assert in_measure("a\r\n\x0b\n") == "a\r\n\x0b\n"
    many = "\n".join(map(str, range(FIRST_LINES + LAST_LINES + 1)))
    assert in_measure(many).split("\n") == [line for line in many.split("\n") if line != str(FIRST_LINES)]
