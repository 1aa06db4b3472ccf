"""How well a report names the fault of a case: tests/doctor/more.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

DOCTOR = str(Path(__file__).resolve().parents[1] / "doctor")
if DOCTOR not in sys.path:
    sys.path.append(DOCTOR)

import more  # noqa: E402 - it is among the tests on hosts
from cases import Case  # noqa: E402 - likewise


def fault(name, status="broken", cause="uWSGI is stopped", follows=""):
    hop = name.partition(".")[0]
    return {
        "fault": name,
        "hop": hop,
        "status": status,
        "cause": cause,
        "fix": "",
        "evidence": [],
        "follows": follows,
    }


def report(*faults):
    told = [given for given in faults if not given["follows"] and given["status"] in ("broken", "degraded")]
    status = told[0]["status"] if told else "ok"
    return {"first": told[0] if told else None, "status": status, "hops": [{"faults": list(faults)}]}


STOPPED = Case("stopped", "uwsgi.stopped", ["is stopped"], "", "")
CHECKS = Case("checks", "django.checks", ["security.W009"], "", "", status="advice")
OTHER = fault("socket.denied")
BESIDE = fault("django.checks", "advice", "security.W009")


@pytest.mark.parametrize(
    ("case", "found", "outcome"),
    [
        (STOPPED, [fault("uwsgi.stopped")], "right"),
        (STOPPED, [fault("uwsgi.stopped"), fault("client.status", follows="uwsgi")], "right"),
        (STOPPED, [fault("uwsgi.stopped"), BESIDE], "right"),
        (STOPPED, [fault("uwsgi.stopped", cause="it is down")], "half"),
        (STOPPED, [fault("uwsgi.stopped", "degraded")], "half"),
        (STOPPED, [fault("uwsgi.stopped"), OTHER], "half"),
        (STOPPED, [OTHER, fault("uwsgi.stopped")], "half"),
        (STOPPED, [fault("uwsgi.busy")], "half"),
        (STOPPED, [OTHER], "wrong"),
        (STOPPED, [], "missed"),
        (STOPPED, [BESIDE], "missed"),
        (CHECKS, [BESIDE], "right"),
        (CHECKS, [fault("django.checks", "advice", "others")], "half"),
        (CHECKS, [BESIDE, OTHER], "half"),
        (CHECKS, [fault("django.checks", "degraded", "security.W009")], "missed"),
        (CHECKS, [OTHER], "missed"),
    ],
)
def test_rating_of_a_report(case, found, outcome):
    assert more.outcome(case, report(*found), "www-data") == outcome


@pytest.mark.parametrize(("found", "outcome"), [([], "healthy"), ([BESIDE], "healthy"), ([OTHER], "called ill")])
def test_a_healthy_site_may_have_advice(found, outcome):
    assert more.outcome_of_healthy(Case("well", "", [], "", "", status="ok"), report(*found)) == outcome
