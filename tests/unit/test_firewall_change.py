"""Changes of a running and of a stopped firewalld."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from ansible.module_utils import basic
from ansible_collections.pyweb.stack.plugins.module_utils import firewall_change
from ansible_collections.pyweb.stack.plugins.module_utils.host import zone_files
from ansible_collections.pyweb.stack.plugins.modules import firewall_set
from module_args import patch_module_args

PUBLIC = '<?xml version="1.0" encoding="utf-8"?>\n<zone>\n  <!-- mine -->\n  <service name="ssh"/>\n</zone>\n'


def item(service="", port="", zone="public", **more):
    return {"zone": zone, "service": service, "port": port, **more}


def plan(**given):
    found = {key: [] for key in ("ssh", "wanted", "open", "others", "close", "notes")}
    found.update({"purpose": "web", "opened": {}, "start": False, "managed": True, "differs": True}, **given)
    found["wanted"] = found["wanted"] or found["open"]
    return found


class Host:
    """A host with firewalld; `refuse` maps words of a call to firewalld's error."""

    def __init__(self, root, monkeypatch):
        self.root, self.calls, self.refuse, self.active = root, [], {}, False
        for folder in ("own", "packaged", "services"):
            (root / folder).mkdir()
        (root / "packaged/public.xml").write_text(PUBLIC)
        (root / "packaged/dmz.xml").write_text("<zone/>\n")
        for service in ("ssh", "http", "https"):
            (root / f"services/{service}.xml").touch()
        monkeypatch.setattr(zone_files, "OWN", str(root / "own"))
        monkeypatch.setattr(zone_files, "PACKAGED", str(root / "packaged"))
        monkeypatch.setattr(zone_files.zones, "__defaults__", (str(root / "own"), str(root / "packaged")))
        monkeypatch.setattr(firewall_change, "SERVICE_FILES", (str(root / "services"),))
        monkeypatch.setattr(firewall_change, "FIREWALLD_RECORDS", str(root / "records"))

    def run(self, argv):
        words = " ".join(argv)
        if words == "systemctl is-active --quiet firewalld.service":
            return (0 if self.active else 3), "", ""
        self.calls.append(re.sub(r"^busctl call org\.fedoraproject\.FirewallD1 (\S+) \S+ ", r"\1 ", words))
        for part, answer in self.refuse.items():
            if part in words:
                return 1, "", f"Call failed: {answer}\n"
        return 0, 'o "/zone/7"\n', ""

    def change(self, given, active):
        self.active = active
        firewall_change.change(given, self.run)

    def zone(self, name):
        root = ElementTree.fromstring((self.root / f"own/{name}.xml").read_text())  # noqa: S314 - written by this test
        return [(element.tag, *element.attrib.values()) for element in root]

    def record(self, purpose="web"):
        path = self.root / f"records/{purpose}.json"
        return json.loads(path.read_text()) if path.exists() else {}


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def test_a_running_firewalld_is_changed_permanently_and_at_runtime(host):
    host.change(plan(open=[item("http"), item(port="5000-5010/udp")]), active=True)
    config, bus = "/org/fedoraproject/FirewallD1/config", "/org/fedoraproject/FirewallD1"
    assert host.calls == [
        f"{config} getZoneByName s public",
        "/zone/7 addService s http",
        f"{bus} addService ssi public http 0",
        f"{config} getZoneByName s public",
        "/zone/7 addPort ss 5000-5010 udp",
        f"{bus} addPort sssi public 5000-5010 udp 0",
    ]
    assert host.record() == {"zone": "public", "services": ["http"], "ports": ["5000-5010/udp"], "closing": []}


def test_ports_that_are_already_open_or_closed_are_no_error(host):
    host.refuse = {"addService s http": "ALREADY_ENABLED: http", "removePort sss": "NOT_ENABLED: 81:tcp"}
    host.change(plan(open=[item("http")], close=[item(port="81/tcp")]), active=True)
    assert host.calls[-2:] == [
        "/zone/7 removePort ss 81 tcp",
        "/org/fedoraproject/FirewallD1 removePort sss public 81 tcp",
    ]


def test_ports_of_a_removed_zone_are_closed(host):
    host.refuse = {"getZoneByName": "INVALID_ZONE: public"}
    closing = plan(close=[item("http")], opened={"web": {"zone": "public", "services": ["http"]}})
    host.change(closing, active=True)
    assert host.record() == {}
    with pytest.raises(firewall_change.FirewallError, match="http in zone public: INVALID_ZONE: public"):
        host.change(plan(open=[item("http")]), active=True)


def test_refused_changes_are_not_on_record(host):
    host.refuse = {"addService s https": "INVALID_SERVICE: no"}
    with pytest.raises(firewall_change.FirewallError, match="https in zone public: INVALID_SERVICE"):
        host.change(plan(open=[item("http"), item("https")]), active=True)
    assert host.record()["services"] == ["http"]


def test_ports_that_were_not_closed_stay_on_record(host):
    host.refuse = {"removeService s http": "COMMAND_FAILED: no"}
    closing = plan(close=[item("http")], opened={"web": {"zone": "public", "services": ["http"]}})
    with pytest.raises(firewall_change.FirewallError, match="COMMAND_FAILED"):
        host.change(closing, active=True)
    assert host.record()["closing"] == [item("http")]


def test_ports_are_in_the_files_before_firewalld_starts(host):
    opened = [item("http"), item(port="9090/tcp", process="app"), item(port="22/tcp", zone="dmz")]
    host.change(plan(ssh=opened[2:], open=opened[:1], others=opened[1:2], start=True), active=False)
    assert host.zone("public") == [("service", "ssh"), ("service", "http"), ("port", "9090", "tcp")]
    assert host.zone("dmz") == [("port", "22", "tcp")]
    assert "<!-- mine -->" in (host.root / "own/public.xml").read_text()
    assert host.calls == ["systemctl enable --quiet --now firewalld.service"]
    assert host.record("_others.public")["processes"] == {"9090/tcp": "app"}


def test_an_administrators_zone_is_extended(host):
    (host.root / "own/public.xml").write_text('<zone target="DROP">\n  <port port="1" protocol="tcp"/>\n</zone>\n')
    host.change(plan(open=[item("https")], start=True), active=False)
    assert host.zone("public") == [("port", "1", "tcp"), ("service", "https")]


def test_an_invalid_zone_file_is_unchanged(host):
    (host.root / "own/public.xml").write_text("broken")
    with pytest.raises(firewall_change.FirewallError, match="is not a zone of firewalld"):
        host.change(plan(open=[item("https")], start=True), active=False)
    assert (host.root / "own/public.xml").read_text() == "broken"
    assert host.record() == {}


def test_a_firewalld_that_does_not_start_is_an_error(host):
    host.refuse = {"enable": "no kernel"}
    with pytest.raises(firewall_change.FirewallError, match=r"firewalld does not start: .*no kernel; see journalctl"):
        host.change(plan(open=[item("http")], start=True), active=False)
    # The port is in the zone's file now, so the role must close it later.
    assert host.record()["services"] == ["http"]


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (item("htpp"), "INVALID_SERVICE: firewalld has no service 'htpp'"),
        (item("http", zone="dmzz"), "INVALID_ZONE: firewalld has no zone 'dmzz'; it has dmz, public"),
    ],
)
@pytest.mark.parametrize("active", [True, False])
def test_names_that_firewalld_does_not_know_are_refused_before_anything_changes(host, wrong, cause, active):
    with pytest.raises(firewall_change.FirewallError, match=cause):
        host.change(plan(open=[item("http"), wrong], start=True), active)
    assert (host.calls, host.record()) == ([], {})


def test_no_name_is_refused_before_firewalld_is_installed(host, tmp_path):
    for path in [*(tmp_path / "packaged").iterdir(), *(tmp_path / "services").iterdir()]:
        path.unlink()
    firewall_change.check(plan(open=[item("htpp", zone="dmzz")]))


@pytest.mark.parametrize("check", [True, False])
def test_the_result_of_the_module_lists_the_changes(host, monkeypatch, capsys, check):
    monkeypatch.setattr(basic.AnsibleModule, "run_command", lambda _self, argv, **_more: host.run(argv))
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_words, **_more: None)
    given = plan(others=[item(port="9/tcp", process="app")], close=[item("http")], start=True, notes=["a line"])
    with patch_module_args({"_ansible_check_mode": check, "plan": given}), pytest.raises(SystemExit):
        firewall_set.main()
    result = json.loads(capsys.readouterr().out)
    assert (result["changed"], result["notes"]) == (True, ["a line"])
    assert (result["opened"], result["closed"]) == (["9/tcp (app) in zone public"], ["http in zone public"])
    assert result["diff"]["before"] == "http in zone public\n"
    assert result["diff"]["after"] == "firewalld.service, now and at boot\n9/tcp (app) in zone public\n"
    assert (host.calls == []) is check


def test_the_module_fails_with_the_cause(host, monkeypatch, capsys):
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_words, **_more: None)
    given = plan(open=[item("htpp")])
    with patch_module_args({"plan": given}), pytest.raises(SystemExit):
        firewall_set.main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"]
    assert result["msg"].startswith("INVALID_SERVICE: firewalld has no service 'htpp'")
