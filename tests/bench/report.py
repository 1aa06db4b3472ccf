"""The report of `make bench`: the budgets, and where the seconds of each kind of run went."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path

from steps import Module

MARK = "<!-- Written by `make bench` from here on. -->\n"
# Tasks and steps that take less than this many seconds are added up.
SHOWN_SECONDS = 0.05


@dataclass(frozen=True)
class Budget:
    """A measured value and its maximum; `times` shows the times from which it was computed."""

    what: str
    value: float
    most: float
    times: str

    @property
    def is_met(self) -> bool:
        return self.value <= self.most


@dataclass(frozen=True)
class Profile:
    """A run in which the steps of the modules were recorded: its seconds, those of its tasks, and its module calls."""

    name: str
    seconds: float
    tasks: list[tuple[str, float]]
    modules: list[Module]


def tasks(output: str) -> list[tuple[str, float]]:
    """Return the seconds of each task of a run, in order, from the output of the JSON callback."""
    told = json.JSONDecoder().raw_decode(output[output.find("{\n") :])[0]
    found = []
    for task in (task["task"] for play in told["plays"] for task in play["tasks"]):
        start, end = (task["duration"].get(key) for key in ("start", "end"))
        seconds = (_moment(end) - _moment(start)).total_seconds() if start and end else 0.0
        found.append((task["name"], seconds))
    return found


def text(budgets: list[Budget]) -> str:
    """Return the budgets as a table for a terminal."""
    lines = [f"\n{'what':<46} {'measured':>9} {'budget':>7}        {'times'}"]
    for budget in budgets:
        mark = "ok" if budget.is_met else "MISSED"
        lines.append(f"{budget.what:<46} {budget.value:>9.2f} {budget.most:>7} {mark:<6} {budget.times}")
    return "\n".join(lines)


def write(page: Path, budgets: list[Budget], profiles: list[Profile], machine: str) -> None:
    """Write the tables after the mark of the page; the text before it is written by hand."""
    before = page.read_text(encoding="utf-8").partition(MARK)[0]
    rows = [
        f"| {budget.what} | {budget.value:.2f} | {budget.most} | {'met' if budget.is_met else '**missed**'} "
        f"| {budget.times} |"
        for budget in budgets
    ]
    head = ["", "## The last run", "", f"On {machine}, over the docker connection:", ""]
    table = ["| what | measured | budget | | times |", "|---|---|---|---|---|", *rows, ""]
    page.write_text(before + MARK + "\n".join([*head, *table]) + profile_tables(profiles), encoding="utf-8")


def profile_tables(profiles: list[Profile]) -> str:
    """Return a section for each profile: its seconds by task, then by step of its modules."""
    return "".join(f"\n{line}" if line else "\n" for profile in profiles for line in _profile(profile)) + "\n"


def _profile(profile: Profile) -> list[str]:
    inside = sum(seconds for _name, seconds in profile.tasks)
    lines = ["", f"## Where the seconds go: {profile.name}, {profile.seconds:.1f} s", ""]
    lines += ["| seconds | task |", "|---|---|", f"| {profile.seconds - inside:.2f} | *Ansible's start and end* |"]
    shown = [(name, seconds) for name, seconds in profile.tasks if seconds >= SHOWN_SECONDS]
    lines += [f"| {seconds:.2f} | {_cell(name)} |" for name, seconds in shown]
    rest = inside - sum(seconds for _name, seconds in shown)
    lines += [f"| {rest:.2f} | *{len(profile.tasks) - len(shown)} tasks of less than {SHOWN_SECONDS} s each* |", ""]
    lines += ["| seconds | module, and its steps |", "|---|---|"]
    for module in profile.modules:
        lines.append(f"| {module.seconds:.2f} | `{module.name}` |")
        ran = [step for step in module.steps if step.seconds >= SHOWN_SECONDS]
        lines += [f"| {step.seconds:.2f} | &nbsp; {step.step or 'run'}: `{_words(step.words)}` |" for step in ran]
        own = module.seconds - sum(step.seconds for step in module.steps)
        lines.append(f"| {own:.2f} | &nbsp; *the module itself, its start and what it waits for* |")
    return lines


def _words(words: list[str]) -> str:
    """Return a command, shortened, with its program without the directory."""
    shown = [os.path.basename(words[0]), *words[1:]] if words else []
    short = " ".join(" ".join(shown).split())
    return _cell(short if len(short) <= 60 else short[:59] + "…").replace("`", "'")


def _cell(text: str) -> str:
    """Escape a text for a cell of a table."""
    return text.replace("|", "\\|")


def _moment(told: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(told.rstrip("Z"))
