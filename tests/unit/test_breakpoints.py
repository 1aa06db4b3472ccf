"""The agent of tests/hosts stops a process at the requested point, before or after it, and nowhere else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

AGENT = Path(__file__).resolve().parents[1] / "hosts/agent.py"
WORK = """
class Shell:
    def run(self, step):
        wait()

def wait():
    print("waiting", flush=True)

def link(name):
    print("linking", name, flush=True)
    return name

def broken():
    raise ValueError

def main():
    for step in ("start", "stop", "stop"):
        Shell().run(step)
    link("previous")
    link("current")
    try:
        broken()
    except ValueError:
        print("broken", flush=True)
    print("end", flush=True)
"""
ALL = ["waiting", "waiting", "waiting", "linking previous", "linking current", "broken", "end"]


@pytest.fixture
def stopped(tmp_path):
    """Run WORK as the module product.steps.work with a breakpoint; return its output when it stopped, or None."""
    package = tmp_path / "product/steps"
    package.mkdir(parents=True)
    (package / "work.py").write_text(WORK, encoding="utf-8")
    point_file, reached = tmp_path / "point.json", tmp_path / "reached"
    agent = AGENT.read_text(encoding="utf-8")
    for name, path in (("point.json", point_file), ("reached", reached)):
        place = f"/run/pyweb-breakpoint.{name.removeprefix('point.')}"
        assert place in agent
        agent = agent.replace(place, str(path))
    (tmp_path / "pyweb_breakpoint.py").write_text(agent, encoding="utf-8")

    def run(**point):
        asked = {"module": "product.steps", "function": "", "event": "call", "step": "", "nth": 1, **point}
        point_file.write_text(json.dumps(asked), encoding="utf-8")
        output = tmp_path / "output"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-c", "import pyweb_breakpoint, product.steps.work as work; work.main()"],
                cwd=tmp_path,
                stdout=stream,
            )
        _pid, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            assert output.read_text(encoding="utf-8").splitlines() == ALL
            return None
        told = output.read_text(encoding="utf-8").splitlines()
        assert reached.read_text(encoding="utf-8") == f"{process.pid}\n"
        assert not point_file.exists(), "the next run would stop too"
        os.kill(process.pid, signal.SIGCONT)
        os.waitpid(process.pid, 0)
        assert output.read_text(encoding="utf-8").splitlines() == ALL
        return told

    return run


def test_stops_before_a_function(stopped):
    assert stopped(function="link") == ALL[:3]
    assert stopped(function="link", nth=2) == ALL[:4]


def test_stops_after_a_function(stopped):
    assert stopped(function="link", event="return") == ALL[:4]
    assert stopped(function="link", event="return", nth=2) == ALL[:5]


def test_stops_after_a_function_that_raises(stopped):
    assert stopped(function="broken", event="return") == ALL[:5]


def test_stops_at_a_step_of_a_function_or_of_its_caller(stopped):
    assert stopped(function="run", step="stop") == ALL[:1]
    assert stopped(function="wait", step="stop", nth=2) == ALL[:2]


def test_another_module_with_the_same_function_does_not_stop(stopped):
    assert stopped(module="product.step", function="link") is None
    assert stopped(module="product.steps.work", function="link") == ALL[:3]
    assert stopped(function="link", nth=3) is None
