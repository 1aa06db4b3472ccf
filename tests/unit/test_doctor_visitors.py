"""Intended restrictions of visitors, which are no faults; and how the results of the controller's requests are used."""

from __future__ import annotations

import dataclasses
import socket
import threading

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_visitors
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_visitors import Visit
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer
from ansible_collections.pyweb.stack.plugins.plugin_utils import outside
from doctor_evidence import answer, evidence, faults_of, hop_of, process, put
from doctor_visitors import BY_DJANGO, configured, silent, to_https, visited

NEW = {"location.denied", "location.refused", "location.auth-file", "nginx.redirect-dead", "nginx.loopback-only"}
NEW |= {"client.refused", "client.outside-silent", "client.outside-differs"}


def reported(change):
    site, host = evidence()
    change(site, host)
    return verdict(site, host)


def named(change):
    return {name: fault["status"] for name, fault in faults_of(reported(change)).items() if name in NEW}


# --- private sites ---


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ("allow 198.51.100.0/24; deny all;", 403),
        ("deny 192.0.2.1; allow all;", 403),
        ("deny 203.0.113.7;", 200),
        ('auth_basic "x"; auth_basic_user_file /n/users;', 401),
        ('satisfy any; allow 127.0.0.1; deny all; auth_basic "x"; auth_basic_user_file /n/users;', 401),
        ('satisfy any; allow 192.0.2.1; deny all; auth_basic "x"; auth_basic_user_file /n/users;', 200),
    ],
)
def test_an_intentionally_private_site_is_healthy(rules, status):
    report = reported(lambda site, host: configured(site, host, rules, status=status))
    assert report["status"] == "ok", faults_of(report)
    assert not set(faults_of(report)) & NEW


def test_a_location_with_rules_inherits_none():
    def change(site, host):
        configured(site, host, "allow all;", status=200)
        text = dump.parse(
            "# configuration file /n:\nhttp { deny all; server { location / { allow all; uwsgi_pass u; } } }"
        )
        [server] = match.servers(text)
        put(site.entrances[0], server=server, wanted=[server])

    assert named(change) == {}


def test_only_this_host_may_be_allowed_if_visitors_come_through_a_proxy():
    def change(site, host):
        configured(site, host, "allow 127.0.0.1; deny all;", status=403)
        host.listeners.append(Listener("0.0.0.0:443", 9))
        host.holders[443] = "haproxy (pid 9, haproxy)"

    assert named(change) == {"location.denied": "unknown"}


def test_a_site_that_answered_the_controller_is_not_denied():
    def change(site, host):
        configured(site, host, "allow 192.0.2.1; deny all;", status=200)
        visited(200)(site, host)

    assert named(change) == {}


def test_a_server_that_only_refuses_the_doctor_is_healthy():
    def change(site, host):
        silent(site, host, "if ($http_user_agent !~ Mozilla) { return 444; }")
        site.visitors.browser = 200

    report = reported(change)
    assert report["status"] == "ok", faults_of(report)
    assert any("a browser gets 200" in line for line in hop_of(report, "location")["evidence"])


# --- redirects and listeners ---


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda site, host: put(site.resolved, **{"shop.example": "203.0.113.9"}), "unknown"),
        (lambda site, host: put(site.resolved, **{"shop.example": "192.0.2.1"}), "broken"),
        (lambda site, host: put(site.https, trusted_proxies=["10.0.0.0/8"]), "unknown"),
        (lambda site, host: put(site.in_front, addresses=["10.0.0.7"]), "unknown"),
        (lambda site, host: put(host, table={**host.table, 70: process(70, "cloudflared tunnel")}), "unknown"),
        (lambda site, host: None, "broken"),
    ],
)
def test_a_proxy_in_front_may_use_the_port(change, status):
    def both(site, host):
        to_https(site, unserved=True, heeded=True, settings=BY_DJANGO)
        change(site, host)

    assert named(both) == {"nginx.redirect-dead": status}


def test_a_loop_behind_a_proxy_is_reported_as_one():
    report = reported(lambda site, host: to_https(site, unserved=True, maker="return 301 in /n:2"))
    loop = faults_of(report)["nginx.redirect-loop"]
    assert "(nothing listens on port 443)" in loop["cause"]
    assert "nginx.redirect-dead" not in faults_of(report)


@pytest.mark.parametrize(
    "change",
    [
        lambda site, host: host.listeners.append(Listener("0.0.0.0:443", 9)) or put(host, holders={443: "haproxy"}),
        lambda site, host: put(host, table={**host.table, 70: process(70, "/usr/bin/cloudflared tunnel")}),
        lambda site, host: put(host, table={**host.table, 70: process(70, "ssh -N -R 80:127.0.0.1:80 a.example")}),
    ],
)
def test_a_loopback_listener_is_right_behind_another_program(change):
    def both(site, host):
        configured(site, host, listen="127.0.0.1:80")
        put(host, listeners=[Listener("127.0.0.1:80", 1)])
        change(site, host)

    assert named(both) == {}


def test_a_public_listener_in_addition_to_a_loopback_one_is_right():
    def change(site, host):
        configured(site, host, listen="127.0.0.1:80; listen 8080")

    assert named(change) == {}


@pytest.mark.parametrize(
    ("handler", "named_"), [("proxy_pass http://127.0.0.1:80", set()), ("root /x", {"nginx.loopback-only"})]
)
def test_another_server_of_nginx_may_pass_requests_to_the_loopback_one(handler, named_):
    def change(site, host):
        more = f"http {{ server {{ listen 192.0.2.1:80; server_name _; location / {{ {handler}; }} }} }}\n"
        configured(site, host, listen="127.0.0.1:80", more=more)

    assert set(named(change)) == named_


# --- the controller ---


@pytest.mark.parametrize("status", [200, 302])
def test_the_same_answer_to_the_controller_is_in_the_evidence(status):
    report = reported(visited(status))
    assert report["status"] == "ok"
    assert f"at 192.0.2.1:80: {status}" in " ".join(hop_of(report, "client")["evidence"])


def test_an_unreachable_port_is_no_fault_if_visitors_come_through_another_host():
    assert named(visited(failure="no connection within 1.5 s", proxied=True)) == {}


def test_a_fault_that_the_host_sees_itself_is_not_reported_again_for_the_controller():
    def change(site, host):
        visited(502)(site, host)
        put(site.entrances[0], answer=answer(502))

    assert named(change) == {}


def given(**more):
    return {"site": "shop", "domain": "shop.example", "address": "192.0.2.1", "port": 80, "tls": False, **more}


@pytest.mark.parametrize(
    ("outside_", "number"),
    [
        ([given(status=200)], 1),
        ([given(site="other")], 0),
        ([given(address="198.51.100.9")], 0),  # another machine with that name
        ([given(address="198.51.100.9", sure=True)], 1),
        ([{}, {**given(), "port": "x"}], 0),
    ],
)
def test_requests_of_the_controller_to_other_addresses_are_ignored(outside_, number):
    site, host = evidence()
    assert len(look_visitors.visits_of(site, host, outside_)) == number


def test_a_password_file_is_read_as_nginx_does(tmp_path):
    site, host = evidence()
    path = tmp_path / "users"
    rules = f'auth_basic "x"; auth_basic_user_file {path};'
    configured(site, host, rules)
    found = look_visitors.password_file(site.chain, host)
    assert (found.path, found.place, found.exists) == (str(path), "/n:6", False)
    path.write_text("# nobody:x\n\nanna:$apr1$x\nbert:\n")
    found = look_visitors.password_file(site.chain, host)
    assert (found.exists, found.users) == (True, 1)
    configured(site, host, rules.replace('"x"', "off"))
    assert look_visitors.password_file(site.chain, host) is None


def test_after_a_refusal_the_doctor_repeats_the_request_as_a_browser(monkeypatch):
    site, host = evidence()
    agents = []

    def get(entrance, path, timeout, headers):
        agents.append(headers["User-Agent"])
        return Answer(200, "", 0.1)

    monkeypatch.setattr(look_visitors, "get", get)
    look_visitors.look_at_visitors(site, host, [])
    assert agents == []
    put(site.entrances[0], answer=answer(403))
    look_visitors.look_at_visitors(site, host, [])
    assert site.visitors.browser == 200
    assert agents[0].startswith("Mozilla/5.0")
    assert agents[0].endswith("pyweb.stack")


@pytest.fixture
def web():
    """Serve one request; return the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard = []

        def serve():
            while True:
                try:
                    connection, _where = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    request = connection.recv(4096)
                    if request:
                        heard.append(request.decode())
                        connection.sendall(b"HTTP/1.0 204 No\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], heard


def test_the_controller_requests_the_sites_name_from_the_hosts_address(web, monkeypatch):
    port, heard = web
    monkeypatch.setattr(outside, "_USUAL", ())
    site = {"name": "shop", "domains": ["*.shop.example"], "prefix": "/x", "health": {"path": "/up"}}
    found = outside.ask([{**site, "nginx": {"listen": [{"port": port}]}}], ("127.0.0.1", True, False))
    [visit] = found["shop"]
    assert (visit["status"], visit["domain"], visit["sure"]) == (204, "www.shop.example", True)
    assert heard[-1].startswith("GET /x/up HTTP/1.0\r\n")
    assert f"Host: www.shop.example:{port}\r\n" in heard[-1]


def test_a_closed_port_is_reported_as_refused(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(outside, "_USUAL", ((port, False),))
    [visit] = outside.ask([{"name": "shop", "domains": "shop.example"}], ("127.0.0.1", False, True))["shop"]
    assert (visit["failure"], visit["refused"], visit["proxied"]) == ("connection refused", True, True)


@pytest.mark.parametrize(
    ("connection", "names", "arguments", "way"),
    [
        ("ssh", ["192.0.2.7", "x"], "", ("192.0.2.7", True, False)),
        ("ansible.builtin.ssh", ["192.0.2.7"], "-o ProxyJump=bastion", ("192.0.2.7", True, True)),
        ("community.docker.docker", ["no.invalid", "192.0.2.8"], "", ("192.0.2.8", False, False)),
        ("ssh", ["no.invalid", "192.0.2.8"], "", ("", True, False)),
        ("local", ["192.0.2.7"], "", ("", False, False)),
        ("ssh", ["127.0.0.1"], "", ("", True, False)),
        ("ssh", [], "", ("", True, False)),
    ],
)
def test_the_address_of_a_host_is_that_of_the_inventory(connection, names, arguments, way, monkeypatch):
    def resolve(name, *_more, **_options):
        if name.endswith(".invalid"):
            raise socket.gaierror
        return [(0, 0, 0, "", (name, 0))]

    monkeypatch.setattr(outside.socket, "getaddrinfo", resolve)
    assert outside.way_to(connection, names, arguments) == way


def test_no_request_is_made_without_an_address():
    assert outside.ask([{"name": "shop", "domains": ["shop.example"]}], ("", True, False)) == {}


def test_text_and_url_of_a_visit():
    visit = Visit("shop.example", "2001:db8::1", 8443, True, failure="x")
    assert visit.said == "the controller, GET https://shop.example:8443/ at [2001:db8::1]:8443: x"
    assert dataclasses.replace(visit, port=443, status=200).url == "https://shop.example"
