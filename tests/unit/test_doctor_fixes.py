"""A fix applies to the kind of host that has the fault."""

from __future__ import annotations

import importlib

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import fixes
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.chain import HOPS
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from doctor_evidence import evidence, hop_of, put

CASES = [case for hop in HOPS for case in importlib.import_module(f"test_doctor_{hop}").CASES]
# Only this collection makes these: units of workers and timers, a placeholder certificate.
OURS = ("background.", "nginx.certificate-placeholder")
OF_EVERYBODY = [case for case in CASES if not case.fault.startswith(OURS)]


@pytest.mark.parametrize(
    ("text", "managed", "by_hand"),
    [
        ("systemctl start nginx", "systemctl start nginx", "systemctl start nginx"),
        ("web_sites[].wsgi; by hand: module = a in x.ini", "web_sites[].wsgi", "module = a in x.ini"),
        (
            "correct it: web_sites[].database; by hand: DATABASES",
            "correct it: web_sites[].database",
            "correct it: DATABASES",
        ),
        ("look; web_sites[].a; by hand: look at b", "look; web_sites[].a", "look at b"),
        ("DEBUG = False (web_sites[].a) now", "DEBUG = False (web_sites[].a) now", "DEBUG = False now"),
        ("uwsgi (plugin) here", "uwsgi (plugin) here", "uwsgi (plugin) here"),
        ("web_sites[].tls: {acme: {}}; by hand: certbot --nginx", "web_sites[].tls: {acme: {}}", "certbot --nginx"),
    ],
)
def test_a_fix_has_a_part_for_each_kind_of_host(text, managed, by_hand):
    assert fixes.fix_for(text, managed=True) == managed
    assert fixes.fix_for(text, managed=False) == by_hand


@pytest.mark.parametrize("case", OF_EVERYBODY, ids=lambda case: f"{case.fault}: {case.title}")
def test_fixes_on_a_host_set_up_by_hand_do_not_mention_the_inventory(case):
    site, host = evidence()
    case.change(site, host)
    put(site, managed=False)
    put(site.https, kind="")
    for hop in verdict(site, host)["hops"]:
        for fault in hop["faults"]:
            assert not fixes.INVENTORY.search(fault["fix"]), fault


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.fault}: {case.title}")
def test_a_consequence_names_a_hop_that_has_a_fault(case):
    site, host = evidence()
    case.change(site, host)
    report = verdict(site, host)
    for hop in report["hops"]:
        for fault in hop["faults"]:
            if fault["follows"]:
                assert hop_of(report, fault["follows"])["status"] in ("broken", "degraded"), fault
            else:
                assert "see the hop" not in fault["fix"], fault
