"""The long table of faults and of healthy sites, `cases_*.py`: what more.py says of them is what has to come of it.

pytest reads this file where it is named (`tests/tools/test.py doctor-long`), not with the others of this directory. One
host for each way to run a site; its cases are made and healed one after another. While the tests ask for what was found
on one host, the next one's cases are made already.
"""

from __future__ import annotations

import functools

import more
import platforms
import pytest
import symptoms
import table
from conftest import MYSITE, PORTY, SECRET, SECURE, host_of, on_a_line
from fixtures import PLATFORM
from lines import Line
from test_faults import lines_of

# Its servers are packages of Debian: uWSGI with its emperor and apps-enabled, supervisor.
DEBIAN_ONLY = () if platforms.PLATFORMS[PLATFORM].os_family == "Debian" else ("servers_host",)
GROUPS = {group.name: group for group in more.groups() if group.name not in DEBIAN_ONLY}
# Host by host: the line of one ends where the next one's begins.
ROWS = [(name, case) for name, group in GROUPS.items() for case in (*group.cases, *group.healthy)]
# A heal that fails leaves a host on which the next case would mean nothing.
WAIT = "if declare -F healthy > /dev/null; then healthy; fi"


class Lines:
    """The lines of all hosts, in the order in which tests ask for them; two of them work at a time."""

    def __init__(self, tmp_path_factory):
        self._lines = {
            name: Line(functools.partial(host_of, name, group.setup, tmp_path_factory))
            for name, group in GROUPS.items()
        }

    def add(self, group, name, work, parameters):
        self._lines[group].add(name, work, parameters)

    def found(self, group, name):
        wanted = [each for each in self._lines if self._lines[each].queued]
        place = wanted.index(group)
        for done in wanted[:place]:
            self._lines[done].end()
        for each in wanted[place : place + 2]:
            self._lines[each].begin()
        return self._lines[group].found(name)

    def end(self):
        for line in self._lines.values():
            line.end()


@pytest.fixture(scope="session")
def hosts(request, tmp_path_factory):
    lines = Lines(tmp_path_factory)
    for item in request.session.items:
        if "found" in item.fixturenames:
            name, case = item.callspec.params["row"]
            lines.add(name, item.nodeid, item.function.work, {"group": GROUPS[name], "case": case})
    try:
        yield lines
    finally:
        lines.end()


@pytest.fixture
def found(hosts, request):
    name, _case = request.node.callspec.params["row"]
    return hosts.found(name, request.node.nodeid)


def made(box, group, case):
    """Break, ask, heal: (nginx's user, report, output, what a visitor sees). Where the heal fails the host is made
    anew."""
    try:
        box.sh(case.break_it, group.prelude)
        [site] = told(group, case)
        report, output = box.asked(site, **options_of(case))
        sight = box.seen(site, case)
    finally:
        try:
            box.sh(f"{case.heal}\n{WAIT}", group.prelude)
        except BaseException:
            box.anew()
            raise
    return box.www, report, output, sight


def told(group, case):
    """The site as the doctor is told of it."""
    known = {"mysite": MYSITE, "porty": PORTY, "secure": SECURE} if group.name == "managed" else group.sites
    site = known.get(case.site, {**more.TUTORIAL, "name": case.site})
    return [{**site, "health": {"path": case.options["path"]}} if "path" in case.options else site]


def options_of(case):
    return {name: value for name, value in case.options.items() if name != "path"}


def named(row):
    name, case = row
    return f"{name}: {case.title}"


def judge(group, case, www, report, output, sight):
    """Keep how well a fault was named, or what was said of a healthy site; it has to be what is expected."""
    if case in group.healthy:
        came, wanted = more.outcome_of_healthy(case, report), more.HEALTHY
    else:
        came, wanted = more.outcome(case, report, www), more.RIGHT
    table.long_row(group, case, report["first"], sight, came)
    assert came == group.not_yet.get(case.title, wanted), f"wanted {case.words}\n{lines_of(report)}"
    assert case in group.healthy or not symptoms.unlisted(case.fault, sight)
    assert SECRET not in output


@pytest.mark.parametrize("row", ROWS, ids=named)
@on_a_line(made)
def test_a_fault_is_named_and_nothing_is_said_of_a_healthy_site(found, row):
    judge(GROUPS[row[0]], row[1], *found)
