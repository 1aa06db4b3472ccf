"""The long table: every file `cases_*.py` beside this one, and how well the doctor names what is in it.

Such a file has lists of `cases.Case`, and says by their names which host they are made on:

    BY_HAND_CASES   the host of the tutorial (tutorial.sh; by_hand.sh has the helpers)
    MANAGED_CASES   the host of this collection (managed.sh has the helpers)
    CASES           the host that HOST sets up, the name of a script beside the file
    HEALTHY         what has no fault, though it is another way to do it; on HOST where the file names one, else on the
                    tutorial's. `status` is "ok", or "degraded" where that may be said (of `fault` alone, where given)
    HEALTHY_MANAGED the same on the host of this collection

and beside HOST, where they are wanted:

    HELPERS         a script beside the file that goes in front of `break_it` and `heal`, after prelude.sh. Where it
                    defines `healthy`, a heal ends with it
    SITES           {Case.site: the site as the doctor is told of it}; else example.com, as on the tutorial's host
    ABOUT           the host in a few words, for the page
    NOT_YET         {title: outcome} of what the doctor does not name right yet
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import cases
from cases import Case

HERE = Path(__file__).parent
RIGHT, HALF, WRONG, MISSED = "right", "half", "wrong", "missed"
OUTCOMES = (RIGHT, HALF, WRONG, MISSED)
# Of a healthy site: nothing is said of it, or something is.
HEALTHY, CALLED_ILL = "healthy", "called ill"
TUTORIAL = {"name": "mysite", "domains": ["example.com"]}
# Asked in every run of the tests as well, on the tutorial's host, which is there anyway.
HANDFUL = (
    "import error, and home 0700",
    "an ini that is not there",
    "closed for maintenance, by hand",
    "buffer-size that is not set, as in most tutorials",
    "server_name _ on the default server",
    "a built front end at /, Django below /api/",
    "uWSGI speaks HTTP behind proxy_pass",
    "https with a redirect from http, and from www",
)


@dataclass
class Group:
    """The cases of one host. `setup` is the script that makes it, '' for a host that conftest.py knows by its name."""

    name: str
    about: str
    setup: str = ""
    prelude: str = ""
    sites: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    healthy: list[Case] = field(default_factory=list)
    not_yet: dict[str, str] = field(default_factory=dict)

    def key(self, case: Case) -> str:
        """Return the name under which the outcome of a case is kept."""
        return f"{self.name}: {case.title}"


def groups() -> list[Group]:
    """Return the hosts of all files, each with its cases. Raises ValueError where two have the same title."""
    found = {
        "managed": Group("managed", "managed by this collection", prelude=cases.PRELUDE + cases.MANAGED),
        "by_hand": Group("by_hand", "set up by hand, after the tutorial", prelude=cases.PRELUDE + cases.BY_HAND),
    }
    for path in sorted(HERE.glob("cases_*.py")):
        _add(found, importlib.import_module(path.stem))
    for group in found.values():
        titles = [case.title for case in (*group.cases, *group.healthy)]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(f"on the host {group.name} there are two cases of the title {', '.join(twice)}")
    return [group for group in found.values() if group.cases or group.healthy]


def handful() -> list[Case]:
    """Return the cases of the long table that every run asks. Raises KeyError for a title that is not there."""
    [by_hand] = [group for group in groups() if group.name == "by_hand"]
    cases_of = {case.title: case for case in (*by_hand.cases, *by_hand.healthy)}
    return [cases_of[title] for title in HANDFUL]


def files_cases() -> Iterator[Case]:
    """Yield every case that has a fault."""
    for group in groups():
        yield from group.cases


def outcome(case: Case, report: Mapping[str, Any], www: str) -> str:
    """Return how well a report names what a case broke.

    right: that fault comes first, in its words, and no other one that is not true. half: its code or its hop, or it is
    named, but not first. wrong: something else comes first. missed: nothing is broken or degraded. What is advice, or
    not known, comes nowhere first: it is right where nothing is broken or degraded beside it.
    """
    first = report["first"]
    if case.status in ("advice", "unknown"):
        return _aside(case, report, www)
    roots = [fault for fault in _faults(report) if not fault["follows"] and fault["status"] in ("broken", "degraded")]
    if not roots or first is None:
        return MISSED
    if first["fault"] == case.fault:
        words = all(word.format(www=www) in text_of(first) for word in case.words)
        others = {fault["fault"] for fault in roots if fault["status"] == "broken"} - case.extra - {case.fault}
        return RIGHT if words and not others and first["status"] == case.status else HALF
    named = any(fault["fault"] == case.fault for fault in roots)
    return HALF if named or first["hop"] == case.fault.partition(".")[0] else WRONG


def _aside(case: Case, report: Mapping[str, Any], www: str) -> str:
    found = [fault for fault in _faults(report) if (fault["fault"], fault["status"]) == (case.fault, case.status)]
    if not found:
        return MISSED
    words = all(word.format(www=www) in text_of(found[0]) for word in case.words)
    return RIGHT if words and report["first"] is None else HALF


def outcome_of_healthy(case: Case, report: Mapping[str, Any]) -> str:
    """Return whether nothing is said of a healthy site, or no more than a case lets pass."""
    if report["status"] == "ok":
        return HEALTHY
    allowed = case.status == report["status"] == "degraded" and case.fault in ("", report["first"]["fault"])
    return HEALTHY if allowed else CALLED_ILL


def text_of(fault: Mapping[str, Any]) -> str:
    return " ".join([fault["cause"], fault["fix"], *fault["evidence"]])


def _faults(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [fault for hop in report["hops"] for fault in hop["faults"]]


def _add(found: dict[str, Group], module: ModuleType) -> None:
    def listed(name: str) -> list[Case]:
        return list(getattr(module, name, []))

    found["managed"].cases += listed("MANAGED_CASES")
    found["managed"].healthy += listed("HEALTHY_MANAGED")
    found["by_hand"].cases += listed("BY_HAND_CASES")
    not_yet = getattr(module, "NOT_YET", {})
    if not hasattr(module, "HOST"):
        found["by_hand"].healthy += listed("HEALTHY")
        for group in (found["managed"], found["by_hand"]):
            titles = {case.title for case in (*group.cases, *group.healthy)}
            group.not_yet.update({title: outcome for title, outcome in not_yet.items() if title in titles})
        return
    name = Path(module.HOST).stem
    helpers = getattr(module, "HELPERS", "")
    prelude = cases.PRELUDE + ((HERE / Path(helpers).name).read_text(encoding="utf-8") if helpers else "")
    group = found.setdefault(name, Group(name, getattr(module, "ABOUT", name), Path(module.HOST).name, prelude))
    group.sites = {**group.sites, **getattr(module, "SITES", {})}
    group.cases += listed("CASES")
    group.healthy += listed("HEALTHY")
    group.not_yet.update(not_yet)
