"""Results of `make bench`: a budget is only missed above its bound, and the tables of a profile add up."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/bench"), str(ROOT / "tests/hosts")]

import report  # noqa: E402 - modules in the directory that the line above adds
import steps  # noqa: E402 - likewise

PROFILE = report.Profile(
    "rollback",
    3.0,
    [("role : Look | Look at it", 1.5), ("Skip this", 0.01), ("Skip that", 0.02)],
    [steps.Module("uwsgi_rollback", 1.2, 0.3, [steps.Step("start", ["/usr/bin/systemctl", "start", "a|b"], 0.2, 0.7)])],
)


@pytest.mark.parametrize(("value", "met"), [(0.9, True), (1.0, True), (1.01, False)])
def test_a_budget_is_met_up_to_its_bound(value, met):
    budget = report.Budget("what", value, 1.0, "")
    assert budget.is_met is met
    assert ("MISSED" in report.text([budget])) is not met


def test_a_profile_accounts_for_all_seconds():
    lines = [line.split(" | ") for line in report.profile_tables([PROFILE]).splitlines() if line.startswith("| ")]
    seconds = [float(line[0][2:]) for line in lines if line[0][2:3].isdigit()]
    assert sum(seconds[:3]) == pytest.approx(3.0)  # Ansible, the task with a row, the two without one
    assert seconds[3:] == [1.2, 0.7, 0.5]  # the module, its step, the rest of the module


def test_text_does_not_break_a_table():
    table = report.profile_tables([PROFILE])
    assert "| 1.50 | role : Look \\| Look at it |" in table
    assert "| 0.70 | &nbsp; start: `systemctl start a\\|b` |" in table


def test_seconds_of_tasks_are_parsed_from_the_callbacks_output():
    moment = {"start": "2026-01-02T03:04:05.500000Z", "end": "2026-01-02T03:04:07.250000Z"}
    told = {
        "plays": [{"tasks": [{"task": {"name": "a", "duration": moment}}, {"task": {"name": "b", "duration": {}}}]}]
    }
    assert report.tasks("[WARNING]: x\n" + json.dumps(told, indent=4) + "\nmore") == [("a", 1.75), ("b", 0.0)]


def test_handwritten_parts_of_the_page_are_kept(tmp_path):
    page = tmp_path / "bench.md"
    page.write_text("# By hand\n\n" + report.MARK + "what was there before\n", encoding="utf-8")
    for _run in range(2):
        report.write(page, [report.Budget("seconds", 2.0, 1.0, "2 s")], [PROFILE], "one machine")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# By hand\n\n" + report.MARK)
    assert text.count("| seconds | 2.00 | 1.0 | **missed** | 2 s |") == 1
    assert "what was there before" not in text


def test_agent_runs_on_the_oldest_python():
    ast.parse(steps.AGENT, feature_version=(3, 9))


@pytest.mark.parametrize("payload", ["ansible_pyweb.stack.uwsgi_rollback_payload_x/payload.zip", "other.zip"])
def test_agent_records_commands_of_a_module_and_not_of_other_programs(tmp_path, payload):
    notes = tmp_path / "notes"
    (tmp_path / "pyweb_steps.py").write_text(steps.AGENT.replace(steps.NOTES, str(notes)))
    code = f"""
import sys, time
sys.path.append({payload!r})
import pyweb_steps, subprocess
module = {{"__name__": "ansible_collections.pyweb.stack.plugins.module_utils.host.shell", "subprocess": subprocess}}
exec("def run(step, argv):\\n    subprocess.run(argv, check=True)", module)
module["run"]("start", ["sleep", "0.3"])
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    if payload == "other.zip":
        assert not notes.exists()
        return
    note = json.loads(notes.read_text())
    [[step, words, begun, ended]] = note["ran"]
    assert (note["module"], step, words) == ("uwsgi_rollback", "start", ["sleep", "0.3"])
    assert note["began"] <= begun < begun + 0.3 <= ended <= note["ended"]
