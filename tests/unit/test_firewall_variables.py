"""Variables of the role firewalld: accepted values, boundary values, and error messages."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.firewall import plan, records


def planned(**given):
    wanted = {"services": [], "ports": [], "zone": "", "purpose": "web", "opened": {}, "ssh_ports": [22], **given}
    return plan([], default_zone="public", **wanted)


def opened(ports):
    return [item["port"] for item in planned(ports=ports)["open"]]


def faults(**given):
    with pytest.raises(ValueError, match="firewalld") as error:
        planned(**given)
    return str(error.value).split("\n")


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ("1/tcp", "1/tcp"),
        ("65535/udp", "65535/udp"),
        ("00080/tcp", "80/tcp"),
        ("1-65535/tcp", "1-65535/tcp"),
        ("80-80/tcp", "80/tcp"),
        ("5000-5010/sctp", "5000-5010/sctp"),
        ("5000-5010/dccp", "5000-5010/dccp"),
    ],
)
def test_a_port_is_written_as_firewalld_writes_it(given, port):
    assert opened([given]) == [port]


def test_the_same_port_in_different_forms_is_opened_once():
    assert opened(["80/tcp", "080/tcp", "80-80/tcp", "80/udp"]) == ["80/tcp", "80/udp"]


@pytest.mark.parametrize(
    "given",
    ["0/tcp", "65536/tcp", "1-65536/tcp", "0-1/tcp", "2-1/tcp", "80", "/tcp", "80/TCP", "80/icmp", 80, "80/tcp x"],
)
def test_invalid_ports(given):
    assert faults(ports=[given]) == [
        f"firewalld_ports has {given!r}; expected ports from 1 to 65535 with their protocol, such as 8080/tcp or "
        "5000-5010/udp",
    ]


@pytest.mark.parametrize("given", ["", "-a", "_a", "a b", "a/b", "a" * 65, None])
def test_invalid_services_and_purposes(given):
    assert "expected names of firewalld's services, such as https" in faults(services=[given])[0]
    assert faults(purpose=given)[0].endswith("; expected a word of letters, digits, - and _")


@pytest.mark.parametrize("given", ["a", "A-b_9", "a" * 64, "9"])
def test_valid_services_zones_and_purposes(given):
    found = planned(services=[given], zone=given, purpose=given)
    assert found["open"] == [{"zone": given, "service": given, "port": ""}]


def test_invalid_zones():
    assert faults(zone="x y")[0] == "firewalld_zone is 'x y'; expected the name of a zone, such as public, or ''"


def test_both_lists_must_be_lists():
    assert faults(services="http", ports={"80/tcp": True}) == [
        "firewalld_services is 'http'; expected a list",
        "firewalld_ports is a mapping; expected a list",
        "firewalld has 2 faults",
    ]


def test_ssh_is_a_service_only_with_its_own_port_and_zone():
    item = {"zone": "public", "service": "", "port": "22/tcp"}
    as_service = {"public": {"services": ["ssh"], "ports": []}}
    assert planned(let_in=as_service)["ssh"] == []
    assert planned(let_in={"dmz": as_service["public"]})["ssh"] == [item]
    assert planned(let_in=as_service, ssh_ports=[2222])["ssh"] == [{**item, "port": "2222/tcp"}]
    assert planned(let_in={"public": {"services": [], "ports": ["2222/tcp"]}}, ssh_ports=[2222])["ssh"] == []
    assert planned(let_in={"public": {"services": [], "ports": ["22/udp"]}})["ssh"] == [item]


def test_an_unknown_default_zone_is_left_to_firewalld():
    found = plan([], ["http"], [], "", "web", {}, [22])
    assert found["open"] == [{"zone": "", "service": "http", "port": ""}]
    assert found["ssh"] == [{"zone": "", "service": "", "port": "22/tcp"}]


def test_ssh_is_never_closed():
    before = {"web": {"zone": "public", "services": ["ssh", "http"], "ports": ["22/tcp", "22/udp"], "closing": []}}
    assert planned(opened=before)["close"] == [
        {"zone": "public", "service": "http", "port": ""},
        {"zone": "public", "service": "", "port": "22/udp"},
    ]


def test_ports_that_another_purpose_is_closing_are_not_closed_here():
    item = {"zone": "public", "service": "http", "port": ""}
    own = {"zone": "public", "services": ["http"], "ports": [], "closing": []}
    assert planned(opened={"web": own})["close"] == [item]
    assert planned(opened={"web": own, "mail": {"zone": "", "closing": [item]}})["close"] == []


def test_managed_ports_are_sorted_and_split():
    wanted = [
        *({"zone": "dmz", "service": name, "port": ""} for name in ("https", "http")),
        *({"zone": "dmz", "service": "", "port": port} for port in ("9/tcp", "10/tcp")),
    ]
    planned = {"purpose": "web", "opened": {}, "wanted": wanted, "open": wanted, "others": [], "close": []}
    assert records(planned)["web"] == {
        "zone": "dmz",
        "services": ["http", "https"],
        "ports": ["10/tcp", "9/tcp"],
        "closing": [],
    }
    assert records({**planned, "open": []})["web"] == {}
    # Entries that are no longer expected are removed from the record: the port is closed, or was open before.
    assert records({**planned, "wanted": []})["web"] == {}
