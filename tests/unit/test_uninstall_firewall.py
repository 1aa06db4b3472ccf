"""Ports that the role firewalld opened are closed, and firewalld's files are restored."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import facts, file_set, firewalld_state
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall import firewall
from ansible_collections.pyweb.stack.plugins.module_utils.uninstall.report import Fault, Report
from uninstall_host import Host

PUBLIC = "/etc/firewalld/zones/public.xml"
PACKAGED = '<zone><service name="ssh"/></zone>'
OURS = '<zone><service name="ssh"/><service name="http"/><port port="8080" protocol="tcp"/></zone>'
THEIRS = '<zone>\n  <service name="ssh"/>\n  <service name="http"/>\n</zone>\n'
RAN = {"firewalld": {"active": "active", "enabled": "enabled"}}


@pytest.fixture
def host(tmp_path, monkeypatch):
    made = Host(tmp_path, monkeypatch)
    monkeypatch.setattr(firewalld_state, "FIREWALLD_RECORDS", f"{tmp_path}/etc/firewalld/pyweb.stack")
    monkeypatch.setattr(firewalld_state, "default_zone", lambda: "public")
    monkeypatch.setattr(facts, "listening_ports", lambda _program: {22})
    monkeypatch.setattr(facts, "connection_ports", lambda: {2222})
    monkeypatch.setattr(file_set, "which", lambda name: f"/usr/bin/{name}")
    made.put("/usr/lib/firewalld/zones/public.xml", PACKAGED)
    record = {"zone": "", "services": ["http"], "ports": ["8080/tcp"], "closing": []}
    made.put("/etc/firewalld/pyweb.stack/web.json", json.dumps(record))
    made.put(PUBLIC, OURS)
    return made


def give_back(host, before=None, check_mode=False):
    report = Report()
    firewall.give_back(host.run, before or {}, report, check_mode)
    report.removed, report.restored = host.shown(report.removed), host.shown(report.restored)
    return report


def noted(host, zones, texts, services=None):
    files = {f"{host.root}{path}": text for path, text in texts.items()}
    return {"services": services or {}, "firewalld": {"zones": zones, "files": files}}


HTTP, PORT = "the service http in firewalld's zone public", "the port 8080/tcp in firewalld's zone public"
RECORD = "/etc/firewalld/pyweb.stack/web.json"
CLOSED = [
    "firewall-offline-cmd --zone=public --remove-service-from-zone=http",
    "firewall-offline-cmd --zone=public --remove-port=8080/tcp",
]


def test_a_stopped_firewalld_is_changed_offline_and_its_file_is_removed(host):
    report = give_back(host, noted(host, {"public": {"services": ["ssh"], "ports": []}}, {}))
    assert [call for call in host.calls if "remove" in call] == CLOSED[::-1]
    assert report.removed == [PORT, HTTP, PUBLIC, RECORD]
    assert (host.text(PUBLIC), host.text(RECORD)) == (None, None)


def test_a_running_firewalld_is_changed_now_and_permanently_and_other_ports_stay_open(host):
    host.service("firewalld", "active", "enabled")
    before = noted(host, {"public": {"services": ["http", "ssh"], "ports": []}}, {PUBLIC: THEIRS}, RAN)
    report = give_back(host, before)
    words = "--zone=public --remove-port=8080/tcp"
    asked = [call for call in host.calls if "--remove" in call]
    assert asked == [f"firewall-cmd --permanent {words}", f"firewall-cmd {words}"]
    assert (report.removed, report.restored) == ([PORT, RECORD], [PUBLIC])
    assert host.text(PUBLIC) == THEIRS


def test_changes_made_since_are_kept(host):
    host.put(PUBLIC, OURS.replace("</zone>", '<service name="imaps"/></zone>'))
    before = noted(host, {"public": {"services": ["ssh"], "ports": []}}, {PUBLIC: PACKAGED})
    report = give_back(host, before)
    assert report.removed == [PORT, HTTP, RECORD]
    assert "imaps" in host.text(PUBLIC)


@pytest.mark.parametrize("ran", [False, True])
def test_ssh_is_only_closed_if_firewalld_is_stopped(host, ran):
    host.service("firewalld", "active" if ran else "inactive", "enabled")
    host.put(PUBLIC, OURS.replace("</zone>", '<port port="2222" protocol="tcp"/></zone>'))
    before = noted(host, {"public": {"services": ["ssh"], "ports": []}}, {}, RAN if ran else {})
    report = give_back(host, before)
    opening = "the port 2222/tcp in firewalld's zone public"
    assert (opening in report.removed) is not ran
    assert (f"{opening}, because SSH may need it" in report.kept) is ran


def test_without_a_record_of_the_host_managed_ports_are_closed_and_files_kept(host):
    host.service("firewalld", "active", "enabled")
    report = give_back(host)
    assert report.removed == [PORT, HTTP, RECORD]
    assert host.text(PUBLIC) == OURS


def test_check_mode_reports_the_same_and_changes_nothing(host):
    before, all_before = noted(host, {"public": {"services": ["ssh"], "ports": []}}, {}), host.files()
    predicted = give_back(host, before, check_mode=True)
    assert (host.files(), [call for call in host.calls if "--remove" in call]) == (all_before, [])
    assert predicted.removed == give_back(host, before).removed


def test_without_a_record_no_command_is_run(host):
    (host.root / RECORD.lstrip("/")).unlink()
    assert give_back(host).removed == []
    assert host.calls == []


def test_runtime_only_ports_are_closed_too(host):
    host.service("firewalld", "active", "enabled")
    host.put(PUBLIC, PACKAGED)
    report = give_back(host)
    assert report.removed == [PORT, HTTP, RECORD]
    host.put(RECORD, json.dumps({"zone": "dmz", "services": [], "ports": ["1/udp"]}))
    host.answers["firewall-cmd --zone=dmz --query-port=1/udp"] = (1, "", "no")
    assert give_back(host).removed == [RECORD]


@pytest.mark.parametrize(("said", "fails"), [("INVALID_ZONE: public", False), ("ALREADY BROKEN", True)])
def test_a_removed_zone_counts_as_closed_and_other_errors_are_faults(host, said, fails):
    host.answers["firewall-offline-cmd"] = (1, "", said)
    before = noted(host, {"public": {"services": ["ssh"], "ports": []}}, {})
    if fails:
        with pytest.raises(
            Fault, match="the port 8080/tcp in firewalld's zone public cannot be closed: ALREADY BROKEN"
        ):
            give_back(host, before)
        assert host.text(RECORD)
    else:
        give_back(host, before)
        assert host.text(RECORD) is None


@pytest.mark.parametrize("ran", [False, True])
def test_ports_of_others_are_only_closed_if_firewalld_is_stopped(host, ran):
    host.service("firewalld", "active" if ran else "inactive", "enabled")
    theirs = {"zone": "public", "services": [], "ports": ["9090/tcp"], "closing": [], "processes": {"9090/tcp": "x"}}
    host.put("/etc/firewalld/pyweb.stack/_others.public.json", json.dumps(theirs))
    host.put(PUBLIC, OURS.replace("</zone>", '<port port="9090" protocol="tcp"/></zone>'))
    before = noted(host, {"public": {"services": ["ssh"], "ports": []}}, {}, RAN if ran else {})
    for known in [before, *([{}] if ran else [])]:
        report = give_back(host, known, check_mode=True)
        opening = "the port 9090/tcp in firewalld's zone public"
        assert (opening in report.removed) is not ran
        assert (f"{opening}, which a run opened for another program" in report.kept) is ran
    give_back(host, before)
    assert host.files("/etc/firewalld/pyweb.stack") == []
