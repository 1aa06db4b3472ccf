"""Every fault is named, alone and in pairs; a healthy site is all ok. Writes the table of docs/doctor.md."""

from __future__ import annotations

import itertools
import time

import cases
import pytest
import symptoms
import table
from cases import BY_HAND_CASES, MANAGED_CASES, PAIRED
from conftest import MYSITE, PORTY, SECRET, SECURE, TUTORIAL, on_a_line

MANAGED, BY_HAND = cases.PRELUDE + cases.MANAGED, cases.PRELUDE + cases.BY_HAND

# The promise, with the patience that is the default.
SECONDS_A_SITE = 5


def roots(report):
    """The faults that follow from nothing, and are more than an open question."""
    return {
        one["fault"]: one
        for hop in report["hops"]
        for one in hop["faults"]
        if not one["follows"] and one["status"] not in ("unknown", "advice")
    }


def text_of(fault):
    return " ".join([fault["cause"], fault["fix"], *fault["evidence"]])


def said(box, case, fault):
    """Which of the words of a case are in a fault."""
    return [word for word in case.words if word.format(www=box.www) in text_of(fault)]


def lines_of(report):
    """What was found, short enough to read in a failure."""
    faults = [one for hop in report["hops"] for one in hop["faults"]] if "hops" in report else report.values()
    told = [f"{one['fault']} {one['status']} <- {one['follows']}: {text_of(one)}" for one in faults]
    return "\n".join([*told, *(f"{hop['hop']}: {hop['status']}" for hop in report.get("hops", []))])


def examine(box, case):
    """Ask the doctor, then the site itself: (report, output, what a visitor sees)."""
    given = {"mysite": MYSITE, "porty": PORTY, "secure": SECURE}[case.site] if "managed" in box.name else TUTORIAL
    options = dict(case.options)
    if "path" in options:
        given = {**given, "health": {"path": options.pop("path")}}
    if "controller_time" in options:
        options["controller_time"] += time.time()
    return *box.asked(given, **options), box.seen(given, case)


def made(box, case, prelude):
    """Break, ask, heal: (report, output, what a visitor sees)."""
    box.sh(case.break_it, prelude)
    try:
        return examine(box, case)
    finally:
        box.sh(f"{case.heal}\nhealthy", prelude)


def made_on_managed(managed, case):
    return managed, *made(managed, case, MANAGED)


def made_on_by_hand(by_hand, case):
    return by_hand, *made(by_hand, case, BY_HAND)


def check(case, box, report, output, sight):
    found = roots(report)
    right = (
        set(found) - case.extra == {case.fault}
        and found[case.fault]["status"] == case.status
        and said(box, case, found[case.fault]) == case.words
    )
    table.row(case, report["first"], sight, right)
    assert set(found) - case.extra == {case.fault}, lines_of(report)
    assert found[case.fault]["status"] == case.status, lines_of(found)
    assert said(box, case, found[case.fault]) == case.words, lines_of(found)
    hop = next(hop for hop in report["hops"] if hop["hop"] == case.fault.partition(".")[0])
    assert hop["status"] in (case.status, "broken")
    assert not symptoms.unlisted(case.fault, sight)
    assert SECRET not in output


# --- the host of this collection ---


@pytest.mark.parametrize("site", [MYSITE, PORTY, SECURE], ids=["unix", "tcp", "https"])
def test_healthy_managed_site_is_all_ok(managed, site):
    report, output = managed.doctor(site)
    assert {hop["status"] for hop in report["hops"]} == {"ok"}, lines_of(report)
    assert report["first"] is None
    assert report["managed"] is True
    assert SECRET not in output


@pytest.mark.parametrize("case", MANAGED_CASES, ids=lambda case: case.title)
@on_a_line(made_on_managed)
def test_fault_of_a_managed_site_is_named(managed_line, case):
    check(case, *managed_line)


def both_made(managed, pair):
    """Break two things, ask, heal both."""
    first, second = both(pair)
    managed.sh(first.break_it, MANAGED)
    try:
        managed.sh(second.break_it, MANAGED)
        report, _output = managed.asked(MYSITE)
    finally:
        managed.sh(f"{second.heal}\n{first.heal}\nhealthy", MANAGED)
    return managed, report


def both(pair):
    by_title = {case.title: case for case in MANAGED_CASES}
    # What a fault stops cannot be restarted by the other one: it goes last.
    return sorted((by_title[title] for title in pair), key=lambda case: case.fault == "uwsgi.stopped")


@pytest.mark.same_everywhere
@pytest.mark.parametrize("pair", list(itertools.combinations(PAIRED, 2)), ids=" and ".join)
@on_a_line(both_made)
def test_two_faults_at_once_are_both_named(managed_line, pair):
    box, report = managed_line
    found = roots(report)
    assert set(found) == {case.fault for case in both(pair)}, lines_of(report)
    for case in both(pair):
        assert said(box, case, found[case.fault]) == case.words, lines_of(found)
    order = [hop["hop"] for hop in report["hops"]]
    assert report["first"]["hop"] == min((case.fault.partition(".")[0] for case in both(pair)), key=order.index)


def test_managed_site_is_all_ok_again_after_all_that(managed):
    report, _output = managed.asked(MYSITE)
    assert {hop["status"] for hop in report["hops"]} == {"ok"}, lines_of(report)


def test_a_site_in_which_everything_hangs_takes_less_than_five_seconds(managed):
    case = next(case for case in MANAGED_CASES if case.fault == "uwsgi.busy")
    managed.sh(case.break_it, MANAGED)
    try:
        report, _output = managed.asked(MYSITE, patience=4)
    finally:
        managed.sh(f"{case.heal}\nhealthy", MANAGED)
    assert report["seconds"] < SECONDS_A_SITE
    assert "uwsgi.busy" in roots(report)


# --- the host of the tutorial ---


def test_healthy_tutorial_is_all_ok_with_nothing_but_name_and_domain(by_hand):
    report, _output = by_hand.doctor(TUTORIAL)
    assert {hop["status"] for hop in report["hops"]} == {"ok"}, lines_of(report)
    assert report["managed"] is False


def test_healthy_tutorial_with_a_certificate_of_certbot_is_all_ok(by_hand):
    by_hand.sh("lineage; https", BY_HAND)
    try:
        report, _output = by_hand.asked(TUTORIAL)
    finally:
        by_hand.sh("unlineage", BY_HAND)
    assert {hop["status"] for hop in report["hops"]} == {"ok"}, lines_of(report)
    [nginx] = [hop for hop in report["hops"] if hop["hop"] == "nginx"]
    assert any("issued by CN=Doctor Middle" in line for line in nginx["evidence"]), nginx


@pytest.mark.parametrize("case", BY_HAND_CASES, ids=lambda case: case.title)
@on_a_line(made_on_by_hand)
def test_fault_of_the_tutorial_is_named(by_hand_line, case):
    check(case, *by_hand_line)


def test_tutorial_is_all_ok_again_after_all_that(by_hand):
    report, _output = by_hand.asked(TUTORIAL)
    assert {hop["status"] for hop in report["hops"]} == {"ok"}, lines_of(report)


@pytest.mark.parametrize("stop", ["without nginx", "without uWSGI", "without both"])
def test_a_host_without_nginx_or_uwsgi_still_gets_a_report(by_hand, stop):
    hide = {
        "nginx": (
            "systemctl stop nginx; mv /usr/sbin/nginx /var/tmp/nginx",
            "mv /var/tmp/nginx /usr/sbin/nginx; systemctl start nginx",
        ),
        "uWSGI": (
            "systemctl stop mysite; dirname $(command -v uwsgi) > /var/tmp/bin\n"
            "mv /etc/systemd/system/mysite.service $(command -v uwsgi) $ini /var/tmp/; systemctl daemon-reload",
            "mv /var/tmp/mysite.service /etc/systemd/system/; mv /var/tmp/uwsgi $(cat /var/tmp/bin)/\n"
            "mv /var/tmp/uwsgi.ini $ini; systemctl daemon-reload; restart",
        ),
    }
    hidden = [name for name in hide if name in stop or "both" in stop]
    for name in hidden:
        by_hand.sh(hide[name][0], BY_HAND)
    try:
        report, _output = by_hand.asked(TUTORIAL)
    finally:
        for name in hidden:
            by_hand.sh(hide[name][1], BY_HAND)
        by_hand.sh("healthy", BY_HAND)
    assert report["hops"][0]["hop"] == "client"
    wanted = {"nginx": "nginx.missing", "uWSGI": "uwsgi.missing"}
    assert set(roots(report)) == {wanted[name] for name in hidden}, lines_of(report)


def test_an_unknown_site_name_lists_the_known_ones(by_hand):
    with pytest.raises(
        AssertionError, match=r"there is no site 'mysit'; known sites are mysite; did you mean 'mysite'\?"
    ):
        by_hand.doctor(TUTORIAL, names=["mysit"])
