"""Which ports the role opens and closes, and which of them it manages."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.firewall import plan, records
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete


def site(*listen, **more):
    return {"name": "shop", "domains": ["a"], "source": {"path": "/srv"}, "nginx": {"listen": list(listen)}, **more}


def planned(
    sites=(), services=(), ports=(), zone="", purpose="web", opened=None, ssh=(22,), default_zone="public", let_in=None
):
    return plan(
        complete(list(sites)), list(services), list(ports), zone, purpose, opened or {}, list(ssh), default_zone, let_in
    )


def item(service="", port="", zone="public"):
    return {"zone": zone, "service": service, "port": port}


def opened(*services, ports=(), zone="public", closing=()):
    return {"zone": zone, "services": list(services), "ports": list(ports), "closing": list(closing)}


@pytest.mark.parametrize(
    ("sites", "more", "wanted"),
    [
        ([], {}, []),
        ([site(80)], {}, [item("http")]),
        ([site(443, 8080, "192.0.2.1:8081")], {}, [item("https"), item(port="8080/tcp"), item(port="8081/tcp")]),
        ([site("127.0.0.1:8080", "localhost:81", "[::1]:82")], {}, []),
        ([site(80, tls="selfsigned")], {}, [item("http"), item("https")]),
        (
            [{**site(tls="selfsigned"), "nginx": {"listen": [8080], "listen_tls": [8443, "127.0.0.1:8444"]}}],
            {},
            [item(port="8080/tcp"), item(port="8443/tcp")],
        ),
        ([site(80), {"name": "old", "state": "absent"}], {"services": ["http"]}, [item("http")]),
        (
            [],
            {"services": ["imaps"], "ports": ["53/udp", "100-100/tcp"]},
            [item("imaps"), item(port="53/udp"), item(port="100/tcp")],
        ),
        ([site(80)], {"zone": "dmz"}, [item("http", zone="dmz")]),
    ],
)
def test_what_is_opened(sites, more, wanted):
    assert planned(sites, **more)["open"] == wanted


def test_open_ports_are_not_opened_again():
    let_in = {"public": {"services": ["ssh", "http"], "ports": ["8080/tcp"]}, "dmz": {"services": [], "ports": []}}
    found = planned([site(80, 8080, 8081)], ssh=[22, 2222], let_in=let_in)
    assert found["wanted"] == [item("http"), item(port="8080/tcp"), item(port="8081/tcp")]
    assert found["open"] == [item(port="8081/tcp")]
    # firewalld's service ssh is port 22.
    assert found["ssh"] == [item(port="2222/tcp")]
    elsewhere = planned([site(80)], zone="dmz", let_in=let_in)
    assert elsewhere["open"] == [item("http", zone="dmz")]
    assert elsewhere["ssh"] == [item(port="22/tcp", zone="dmz")]


def test_ssh_is_opened_in_the_default_zone_and_in_the_given_one():
    assert planned(ssh=[2222, 22, 22])["ssh"] == [item(port="22/tcp"), item(port="2222/tcp")]
    assert planned(zone="dmz")["ssh"] == [item(port="22/tcp"), item(port="22/tcp", zone="dmz")]


@pytest.mark.parametrize(
    ("before", "more", "closed"),
    [
        ({}, {}, []),
        ({"web": opened("http")}, {"services": ["http"]}, []),
        ({"web": opened("http", ports=["8080/tcp"])}, {"services": ["http"]}, [item(port="8080/tcp")]),
        ({"web": opened("http")}, {}, [item("http")]),
        # Another zone, given by name or because the default zone has changed.
        ({"web": opened("http")}, {"services": ["http"], "zone": "dmz"}, [item("http")]),
        ({"web": opened("http")}, {"services": ["http"], "default_zone": "work"}, [item("http")]),
        ({"web": opened("http")}, {"services": ["http"], "zone": "public", "default_zone": "public"}, []),
        # Not opened by the role.
        ({"mail": opened("imaps")}, {}, []),
        ({"web": opened("http"), "mail": opened("http")}, {}, []),
        # Never SSH.
        ({"web": opened("ssh", ports=["2222/tcp", "2223/tcp"])}, {"ssh": [2222]}, [item(port="2223/tcp")]),
        # A port that an interrupted run did not close.
        ({"web": opened(closing=[item("http", zone="dmz")])}, {}, [item("http", zone="dmz")]),
    ],
)
def test_what_is_closed(before, more, closed):
    assert planned(opened=before, **more)["close"] == closed


def web(planned, **more):
    return records(planned, **more)["web"]


@pytest.mark.parametrize(
    ("before", "let_in", "services"),
    [
        ({}, [], ["http", "https"]),
        ({}, ["http"], ["https"]),  # An administrator had opened http.
        ({"web": opened("http")}, ["http", "https"], ["http"]),
        ({"mail": opened("https")}, ["http", "https"], ["https"]),  # Opened by the role for another purpose.
    ],
)
def test_which_ports_are_managed(before, let_in, services):
    let_in = {"public": {"services": let_in, "ports": []}}
    assert web(planned([site(80, 443)], opened=before, let_in=let_in)) == opened(*services)


def test_no_record_is_written_without_managed_ports():
    assert web(planned([site(80)], let_in={"public": {"services": ["http"], "ports": []}})) == {}


def test_ports_stay_on_record_until_they_are_closed():
    found = planned(opened={"web": opened("http")})
    assert web(found) == opened(zone="", closing=[item("http")])
    assert web(found, closed=True) == {}


def test_ports_that_could_not_be_opened_are_not_on_record():
    found = planned([site(80, 443)])
    assert web(found, failed=[item("https")]) == opened("http")


LET_IN = {"public": {"services": ["ssh", "http"], "ports": ["8080/tcp"]}}


@pytest.mark.parametrize(
    ("sites", "more", "differs"),
    [
        ([site(80)], {"opened": {"web": opened("http")}}, False),
        ([site(80)], {}, False),  # An administrator had opened it.
        ([site(81)], {}, True),
        ([], {"opened": {"web": opened("http")}}, True),
        # The port now belongs to the other purpose, so only the record differs.
        ([], {"opened": {"web": opened("http"), "mail": opened("http")}}, True),
        ([site(80)], {"ssh": [2222]}, True),
    ],
)
def test_whether_there_is_anything_to_do(sites, more, differs):
    assert planned(sites, let_in=LET_IN, **more)["differs"] is differs


def test_all_faults_are_listed_together():
    with pytest.raises(InventoryError) as error:
        planned(services=["a b"], ports=["80", "0/tcp", "9-8/tcp", "70000/tcp", "80/icmp"], zone="x y", purpose="../x")
    text = str(error.value)
    assert text.endswith("\nfirewalld has 8 faults")
    assert "firewalld_ports has '80'; expected ports from 1 to 65535 with their protocol" in text
    assert "firewalld_purpose is '../x'" in text


def test_a_text_is_not_a_list():
    with pytest.raises(InventoryError, match="firewalld_services is 'http'; expected a list"):
        plan([], "http", [], "", "web", {}, [])
