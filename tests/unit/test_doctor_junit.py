"""JUnit reports, and when the playbook pyweb.stack.doctor fails."""

from __future__ import annotations

import datetime
from xml.etree import ElementTree

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pyweb.stack.plugins.plugin_utils import doctor_junit, doctor_report
from test_doctor_report import result, run

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def parsed(text):
    return ElementTree.fromstring(text.encode())  # noqa: S314 - our own output


@pytest.fixture
def hosts():
    return doctor_report.collected({"web1": result(), "web2": {"unreachable": True, "msg": "no route"}})


def test_each_site_is_a_suite_and_each_hop_a_test_case(hosts):
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
def test_degraded_fails_on_request(hosts, statuses, tag):
    hop = hosts[0]["sites"][0]["hops"][0]
    hop["status"] = hop["faults"][0]["status"] = "degraded"
    root = parsed(doctor_junit.junit(hosts, WHEN, statuses))
    assert [child.tag for child in root.find("testsuite/testcase")] == [tag]


def test_unknown_hops_are_skipped(hosts):
    hosts[0]["sites"][0]["hops"][3].update(status="unknown", cause="", evidence=[])
    root = parsed(doctor_junit.junit(hosts, WHEN, ()))
    assert root.findall("testsuite/testcase")[3].find("skipped").get("message") == "it was not examined"


def test_characters_that_xml_does_not_allow_are_removed(hosts):
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
    assert (tmp_path / "a.html").exists()  # All reports are written before it fails.


def test_an_unreachable_host_fails(tmp_path):
    reports = {"web1": result(status="ok"), "web2": {"unreachable": True, "msg": "no route"}}
    assert run(tmp_path, reports=reports, fail=True)["msg"].endswith(": web2")
    assert not run(tmp_path, reports=reports).get("failed")


def test_an_unknown_value_of_fail_on_is_refused(tmp_path):
    with pytest.raises(AnsibleActionFail, match="doctor_fail is 'always'; expected true, false, broken or degraded"):
        run(tmp_path, reports={}, fail="always")


def test_the_action_writes_the_report(tmp_path):
    path = tmp_path / "new/doctor.xml"
    assert run(tmp_path, reports={"web1": result()}, junit=str(path))["written"] == [str(path)]
    assert parsed(path.read_text(encoding="utf-8")).tag == "testsuites"


# --- changes in the text and in the page ---


CHANGES = {"since": 1.8e9, "how": "ok", "found": [{"kind": "package", "what": "nginx 1 -> 2 <b>"}]}


def test_changes_are_on_the_terminal_and_on_the_page():
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
def test_output_if_no_changes_are_known_or_found(changes, wanted):
    assert doctor_report.changed({"changes": changes}) == wanted
    assert doctor_report.changed({}) == []
