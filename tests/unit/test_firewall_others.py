"""Ports of other programs when firewalld starts, and other packet filters on the host."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.firewall import plan, records
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete

APP = {"port": "8443/tcp", "process": "python3 (pid 7, app.service)", "unit": "app.service"}
LOGS = {"port": "514/udp", "process": "rsyslogd (pid 9, rsyslog.service)", "unit": "rsyslog.service"}
SHOP = {"name": "shop", "domains": ["a"], "source": {"path": "/srv"}, "nginx": {"listen": [80, 8080]}}


def planned(open_ports=(APP, LOGS), ssh=(22,), opened=None, zone="", let_in=None, sites=(SHOP,), **given):
    others = {"active": False, "enabled": False, "open_ports": list(open_ports), **given}
    known = {"public": {"services": ["ssh"], "ports": []}} if let_in is None else let_in
    return plan(complete(list(sites)), [], [], zone, "web", opened or {}, list(ssh), "public", known, **others)


def ports(items):
    return [item["port"] or item["service"] for item in items]


def recorded(*ports, zone="public", closing=()):
    closing = [{"zone": zone, "service": "", "port": port} for port in closing]
    return {
        "zone": zone,
        "services": [],
        "ports": list(ports),
        "closing": closing,
        "processes": dict.fromkeys(ports, "x"),
    }


def test_listening_ports_stay_open_if_nothing_filtered_before():
    found = planned()
    assert found["others"] == [
        {"zone": "public", "service": "", "port": "8443/tcp", "process": "python3 (pid 7, app.service)"},
        {"zone": "public", "service": "", "port": "514/udp", "process": "rsyslogd (pid 9, rsyslog.service)"},
    ]
    assert (found["start"], found["differs"], found["managed"]) == (True, True, True)
    assert found["notes"] == [
        "firewalld is started; ports that other hosts could reach before stay open: 8443/tcp python3 (pid 7, "
        "app.service), "
        "514/udp rsyslogd (pid 9, rsyslog.service) (firewalld_close_others closes it)"
    ]
    note = records(found)["_others.public"]
    assert note == {
        "zone": "public",
        "services": [],
        "ports": ["514/udp", "8443/tcp"],
        "closing": [],
        "processes": {"514/udp": "rsyslogd (pid 9, rsyslog.service)", "8443/tcp": "python3 (pid 7, app.service)"},
    }
    assert records(found)["web"]["ports"] == ["8080/tcp"]


NGINX = {"port": "80/tcp", "process": "nginx (pid 5, nginx.service)", "unit": "nginx.service"}


def test_a_port_of_nginx_with_other_sites_stays_open_when_ours_are_removed():
    found = planned([NGINX], served=["80/tcp"])
    assert ports(found["others"]) == ["80/tcp"]
    opened = records(found)
    assert opened["web"]["services"] == ["http"]
    known = {"public": {"services": ["ssh", "http"], "ports": ["80/tcp", "8080/tcp"]}}
    gone = {"opened": opened, "let_in": known, "sites": [{**SHOP, "state": "absent"}]}
    removed = planned([], active=True, enabled=True, served=["80/tcp"], **gone)
    assert ports(removed["close"]) == ["http", "8080/tcp"]
    again = planned([], active=True, enabled=True, served=["80/tcp"], close_others=True, **gone)
    assert ports(again["close"]) == ["http", "8080/tcp", "80/tcp"]


@pytest.mark.parametrize("given", [{}, {"served": ["8443/tcp"]}, {"served": ["80/tcp"], "close_others": ["80/tcp"]}])
def test_a_port_that_only_managed_sites_use_is_not_opened_for_others(given):
    found = planned([NGINX], **given)
    assert (found["others"], found["notes"]) == ([], [])


def test_listening_ports_stay_open_in_every_zone_with_an_interface_or_source():
    let_in = {"public": {"services": ["ssh"], "ports": []}, "dmz": {"services": ["http"], "ports": ["514/udp"]}}
    found = planned(let_in=let_in, bound={"dmz": ["eth0", "10.0.0.0/8"]})
    opened = [(item["zone"], item["port"]) for item in found["others"]]
    assert opened == [("public", "8443/tcp"), ("public", "514/udp"), ("dmz", "8443/tcp")]
    assert found["ssh"] == [{"zone": "dmz", "service": "", "port": "22/tcp"}]
    assert {item["zone"] for item in found["open"]} == {"public"}
    assert found["notes"][1:] == [
        "firewalld is started; eth0, 10.0.0.0/8 is in its zone dmz, in which 8080/tcp stays closed "
        "(firewalld_zone: dmz opens it there instead)"
    ]
    assert records(found)["_others.dmz"]["ports"] == ["8443/tcp"]


def test_the_zone_of_an_interface_may_be_the_requested_one():
    found = planned([], zone="dmz", let_in={}, bound={"dmz": ["eth0"]})
    assert {item["zone"] for item in found["open"]} == {"dmz"}
    assert found["notes"] == []


@pytest.mark.parametrize(
    ("listener", "more"),
    [
        ({"port": "2222/tcp"}, {"ssh": [22, 2222]}),
        ({"port": "80/tcp"}, {}),  # port of a managed site
        ({"port": "8080/tcp"}, {}),
        ({"port": "8001/tcp", "unit": "uwsgi-shop@0123456789ab.service"}, {}),
        ({"port": "8001/tcp", "unit": "uwsgi-shop@8001.socket"}, {}),
        ({"port": "9000/tcp"}, {"let_in": {"public": {"services": ["ssh"], "ports": ["8999-9001/tcp"]}}}),
    ],
)
def test_managed_and_open_ports_are_not_opened_for_others(listener, more):
    found = planned([{**APP, **listener}], **more)
    assert (found["others"], found["notes"]) == ([], [])


@pytest.mark.parametrize(
    "listener",
    [
        {"port": "80/udp"},
        {"port": "8001/tcp", "unit": "uwsgi-shopping@0123456789ab.service"},
        {"port": "9000/udp"},
    ],
)
def test_similar_ports_are_opened_for_others(listener):
    let_in = {"public": {"services": ["ssh"], "ports": ["8999-9001/tcp"]}}
    assert ports(planned([{**APP, **listener}], let_in=let_in)["others"]) == [listener["port"]]


def test_other_programs_stay_reachable_in_both_zones():
    found = planned([APP], zone="dmz")
    assert [(item["zone"], item["port"]) for item in found["others"]] == [("public", "8443/tcp"), ("dmz", "8443/tcp")]
    assert sorted(records(found)) == ["_others.dmz", "_others.public", "web"]
    assert found["notes"][0].count("8443/tcp") == 1


@pytest.mark.parametrize(
    ("close_others", "others", "shut"),
    [
        (False, ["8443/tcp", "514/udp"], ""),
        ("no", ["8443/tcp", "514/udp"], ""),
        ([], ["8443/tcp", "514/udp"], ""),
        (True, [], "8443/tcp python3 (pid 7, app.service), 514/udp rsyslogd (pid 9, rsyslog.service)"),
        ("true", [], "8443/tcp python3 (pid 7, app.service), 514/udp rsyslogd (pid 9, rsyslog.service)"),
        (["8443/tcp"], ["514/udp"], "8443/tcp python3 (pid 7, app.service)"),
        (["8000-9000/tcp", "514/tcp"], ["514/udp"], "8443/tcp python3 (pid 7, app.service)"),
    ],
)
def test_ports_that_the_inventory_closes(close_others, others, shut):
    found = planned(close_others=close_others)
    assert ports(found["others"]) == others
    last = f"firewalld is started; other hosts can no longer reach {shut} (firewalld_close_others)"
    assert found["notes"][-1:] == ([last] if shut else found["notes"][-1:])


@pytest.mark.parametrize("state", [{"active": True, "enabled": True}, {"active": True, "enabled": False}])
def test_a_running_firewalld_keeps_its_ports(state):
    found = planned(opened={"_others.public": recorded("514/udp")}, **state)
    assert (found["others"], found["close"], found["notes"]) == ([], [], [])
    assert found["start"] is not state["enabled"]


def test_an_enabled_firewalld_keeps_its_ports_and_the_run_lists_what_that_closes():
    found = planned([APP], enabled=True)
    assert (found["others"], found["start"]) == ([], True)
    assert found["notes"] == [
        "firewalld is started; other hosts can no longer reach 8443/tcp python3 (pid 7, app.service) "
        "(it starts at boot with its own openings)"
    ]
    let_in = {"public": {"services": ["ssh"], "ports": ["8443/tcp"]}}
    assert planned([APP], enabled=True, let_in=let_in)["notes"] == []


RUNS = {"active": True, "enabled": True, "open_ports": []}


@pytest.mark.parametrize(
    ("opened", "close_others", "closed"),
    [
        ({"_others.public": recorded("8443/tcp", "514/udp")}, True, ["8443/tcp", "514/udp"]),
        ({"_others.public": recorded("8443/tcp", "514/udp")}, ["1-600/udp"], ["514/udp"]),
        ({"_others.public": recorded("8443/tcp", "22/tcp")}, True, ["8443/tcp"]),  # never SSH
        ({"_others.public": recorded("8443/tcp", "8080/tcp")}, True, ["8443/tcp"]),  # used by a site now
        ({"_others.public": recorded("25/tcp"), "mail": recorded("25/tcp")}, True, []),
        # Used by a removed site before: another program has opened it, or none.
        ({"_others.public": recorded("81/tcp"), "web": recorded("81/tcp")}, False, []),
        ({"_others.public": recorded("81/tcp"), "web": recorded("81/tcp")}, True, ["81/tcp"]),
        ({"_others.public": recorded(closing=["514/udp"])}, True, ["514/udp"]),
    ],
)
def test_ports_of_others_are_closed_if_the_inventory_says_so(opened, close_others, closed):
    assert ports(planned(opened=opened, close_others=close_others, **RUNS)["close"]) == closed


def test_closed_ports_are_removed_from_the_record():
    opened = {"_others.public": recorded("514/udp", "8443/tcp")}
    found = planned(opened=opened, close_others=["514/udp"], **RUNS)
    begun, done = records(found)["_others.public"], records(found, closed=True)["_others.public"]
    assert (begun["ports"], ports(begun["closing"])) == (["8443/tcp"], ["514/udp"])
    assert (done["ports"], done["closing"], done["processes"]) == (["8443/tcp"], [], {"8443/tcp": "x"})
    found = planned(opened={"_others.public": done}, close_others=True, **RUNS)
    assert records(found, closed=True)["_others.public"] == {}


def test_ports_of_others_that_could_not_be_opened_are_not_on_record():
    found = planned()
    assert records(found, failed=found["others"])["_others.public"] == {}


def test_the_record_of_others_does_not_change_a_second_run():
    found = planned()
    let_in = {"public": {"services": ["ssh", "http"], "ports": ["8080/tcp", "8443/tcp", "514/udp"]}}
    assert planned(opened=records(found), let_in=let_in, **RUNS)["differs"] is False


@pytest.mark.parametrize(
    ("packet_filters", "note"),
    [
        (
            ["ufw is active", "nftables.service runs"],
            "ufw is active, so firewalld is not started and opens nothing: allow 80/tcp, 8080/tcp there "
            "(ufw allow 80/tcp && ufw allow 8080/tcp), or other hosts cannot reach the sites; firewalld_over_others: "
            "true starts firewalld beside it",
        ),
        (
            ["the kernel has rules in ip filter"],
            "the kernel has rules in ip filter, so firewalld is not started and opens nothing: allow 80/tcp, 8080/tcp "
            "there, or other hosts cannot reach the sites; firewalld_over_others: true starts firewalld beside it",
        ),
    ],
)
def test_firewalld_is_not_started_with_another_packet_filter(packet_filters, note):
    found = planned(packet_filters=packet_filters, opened={"web": recorded("1/tcp")}, close_others=True)
    assert [found[key] for key in ("ssh", "open", "others", "close")] == [[]] * 4
    assert (found["managed"], found["start"], found["differs"], found["notes"]) == (False, False, False, [note])


def test_firewalld_is_started_with_another_packet_filter_if_the_inventory_says_so():
    found = planned([APP], packet_filters=["ufw is active"], over_others=True)
    assert (found["start"], ports(found["others"])) == (True, ["8443/tcp"])
    assert found["notes"][-1] == (
        "ufw is active, and firewalld is started beside it: allow 80/tcp, 8080/tcp there as well"
    )


def test_a_firewalld_that_runs_with_another_packet_filter_keeps_running():
    assert planned(packet_filters=["ufw is active"], **RUNS)["managed"] is True


def test_nothing_is_done_if_the_firewall_is_not_managed():
    found = planned(manage=False, packet_filters=["ufw is active"], opened={"web": recorded("1/tcp")})
    assert (found["differs"], found["notes"], found["open"], found["close"]) == (False, [], [], [])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("maybe", "firewalld_close_others is 'maybe'; expected true, false or a list of ports"),
        (
            ["8443"],
            "firewalld_close_others has '8443'; expected ports from 1 to 65535 with their protocol, such as 8443/tcp",
        ),
        ({"a": 1}, "firewalld_close_others is a mapping; expected true, false or a list of ports"),
    ],
)
def test_an_invalid_list_of_ports_to_close_is_refused(given, fault):
    with pytest.raises(ValueError, match=r"^firewalld_close_others") as error:
        planned(close_others=given)
    assert str(error.value).startswith(fault)
