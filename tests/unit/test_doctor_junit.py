"""JUnit, and when pyweb.stack.doctor fails."""

from __future__ import annotations

import datetime
from xml.etree import ElementTree

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pyweb.stack.plugins.plugin_utils import doctor_junit, doctor_report
from test_doctor_report import result, run

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def parsed(text):
    return ElementTree.fromstring(text.encode())  # noqa: S314 - it is our own


@pytest.fixture
def hosts():
    return doctor_report.collected({"web1": result(), "web2": {"unreachable": True, "msg": "no route"}})


def test_a_suite_a_site_and_a_test_a_hop(hosts):
    root = parsed(doctor_junit.junit(hosts, WHEN, ("broken",)))
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["web1/shop", "web2"]
    hops = hosts[0]["sites"][0]["hops"]
    assert [case.get("name") for case in suites["web1/shop"]] == [hop["hop"] for hop in hops]
    assert suites["web1/shop"].get("failures") == "2"
    assert root.get("tests") == str(len(hops) + 1)
    assert (root.get("failures"), root.get("errors")) == ("2", "1")
    failure = suites["web1/shop"].find("testcase[@name='socket']/failure")
    assert failure.get("type") == "socket.x"
    assert failure.get("message").startswith("stale socket <script>")
    assert "fix: systemctl start it" in failure.text
    assert suites["web2"].find("testcase/error").get("message") == "unreachable: no route"


@pytest.mark.parametrize(("statuses", "tag"), [(("broken",), "system-out"), (("broken", "degraded"), "failure")])
def test_degraded_fails_where_it_is_asked_to(hosts, statuses, tag):
    hop = hosts[0]["sites"][0]["hops"][0]
    hop["status"] = hop["faults"][0]["status"] = "degraded"
    root = parsed(doctor_junit.junit(hosts, WHEN, statuses))
    assert [child.tag for child in root.find("testsuite/testcase")] == [tag]


def test_what_nobody_knows_is_skipped(hosts):
    hosts[0]["sites"][0]["hops"][3].update(status="unknown", cause="", evidence=[])
    root = parsed(doctor_junit.junit(hosts, WHEN, ()))
    assert root.findall("testsuite/testcase")[3].find("skipped").get("message") == "it was not examined"


def test_what_xml_cannot_say_is_left_out(hosts):
    hosts[0]["sites"][0]["hops"][0]["cause"] = "a\x00b\x1b[31m\ud800\ufffe]]>"
    text = doctor_junit.junit(hosts, WHEN, ())
    assert parsed(text).find("testsuite/testcase/failure").get("message") == "a?b?[31m??]]>"


@pytest.mark.parametrize(
    ("given", "status", "fails"),
    [
        (False, "broken", False),
        ("false", "broken", False),
        (True, "broken", True),
        ("true", "broken", True),
        ("yes", "degraded", False),
        ("degraded", "degraded", True),
        ("degraded", "broken", True),
        ("degraded", "unknown", False),
        ("broken", "ok", False),
    ],
)
def test_when_a_run_fails(tmp_path, given, status, fails):
    found = run(tmp_path, reports={"web1": result(status=status)}, fail=given, html=str(tmp_path / "a.html"))
    assert found.get("failed", False) is fails
    assert ("web1/shop" in found.get("msg", "")) is fails
    assert (tmp_path / "a.html").exists()  # all is written before it fails


def test_a_host_that_was_not_reached_fails(tmp_path):
    reports = {"web1": result(status="ok"), "web2": {"unreachable": True, "msg": "no route"}}
    assert run(tmp_path, reports=reports, fail=True)["msg"].endswith(": web2")
    assert not run(tmp_path, reports=reports).get("failed")


def test_another_word_is_refused(tmp_path):
    with pytest.raises(AnsibleActionFail, match="doctor_fail is 'always'; expected true, false, broken or degraded"):
        run(tmp_path, reports={}, fail="always")


def test_the_action_writes_it(tmp_path):
    path = tmp_path / "new/doctor.xml"
    assert run(tmp_path, reports={"web1": result()}, junit=str(path))["written"] == [str(path)]
    assert parsed(path.read_text(encoding="utf-8")).tag == "testsuites"


# --- what has changed, for people ---


CHANGES = {"since": 1.8e9, "how": "ok", "found": [{"kind": "package", "what": "nginx 1 -> 2 <b>"}]}


def test_what_has_changed_is_on_the_terminal_and_on_the_page():
    hosts = doctor_report.collected({"web1": result(changes=CHANGES)})
    texts = [text for text, _colour in doctor_report.lines(hosts)]
    assert "  changed since 2027-01-15 08:00 UTC, when all was ok:" in texts
    assert "  - package: nginx 1 -> 2 <b>" in texts
    page = doctor_report.page(hosts, WHEN)
    assert "changed since 2027-01-15 08:00 UTC" in page
    assert "nginx 1 -&gt; 2 &lt;b&gt;" in page


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (None, []),
        (
            {**CHANGES, "how": "degraded", "found": []},
            ["changed since 2027-01-15 08:00 UTC, when it last worked: nothing that the doctor records"],
        ),
    ],
)
def test_where_nothing_is_known_or_found(changes, wanted):
    assert doctor_report.changed({"changes": changes}) == wanted
    assert doctor_report.changed({}) == []
