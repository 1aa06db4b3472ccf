"""Verdicts over recorded evidence: what cannot be made in a container, and what has to stay out of every output."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import ask as doctor_tools
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import examine as doctor
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_host as doctor_host
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_site as doctor_look
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_uwsgi as doctor_uwsgi
from ansible_collections.pyweb.stack.plugins.module_utils.host import path_walk, processes
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump as nginx_dump
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import options as uwsgi_options
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol as uwsgi_protocol

NOW = 1_800_000_000.0
WORKER = path_walk.Identity(33, 33, (33,))
DUMP = """\
# configuration file /etc/nginx/nginx.conf:
http {
    server {
        listen 80;
        server_name shop.example;
        location / { uwsgi_pass unix:/run/shop.sock; }
        location /static/ { alias /srv/static/; }
    }
}
"""


def answer(status=200, reason="OK"):
    return uwsgi_protocol.Answer(status, reason, 0.1)


def process(pid, command, started=NOW - 1000):
    return processes.Process(pid, 1, command.split()[0], command.split(), WORKER, started)


@pytest.fixture
def host():
    table = {10: process(10, "nginx: master process /usr/sbin/nginx"), 11: process(11, "nginx: worker process")}
    nginx = doctor_host.Nginx(True, doctor_tools.Ran(0), nginx_dump.parse(DUMP), table[10], [table[11]])
    return doctor_host.Host(
        now=NOW,
        controller_time=NOW - 1,
        table=table,
        listeners=[processes.Listener("0.0.0.0:80", 1, 0, [10])],
        units=[],
        nginx=nginx,
        firewall=doctor_host.Firewall(
            True, True, True, zone="public", target="default", services=["ssh"], ports=["80/tcp"]
        ),
        addresses=["192.0.2.1"],
        ipv6=False,
        synchronized="yes",
        denials=[],
    )


@pytest.fixture
def site(host, tmp_path):
    [server] = host.nginx.config.servers
    chain = nginx_dump.locate(server, "/")
    options = uwsgi_options.Options(values={"chdir": [str(tmp_path)], "module": ["shop.wsgi"]})
    return doctor_look.Site(
        name="shop",
        domains=["shop.example"],
        path="/",
        wanted_status=[],
        managed=True,
        media_wanted=True,
        entrances=[doctor_look.Entrance("shop.example", "192.0.2.1", 80, False, server, [server], answer())],
        chain=chain,
        handler=nginx_dump.handler(chain),
        speaks="uwsgi",
        probes=[doctor_look.Probe("unix:/run/shop.sock", "uwsgi", answer=answer(), pong=0.1)],
        uwsgi=doctor_uwsgi.Uwsgi(True, process(20, "uwsgi --ini x.ini"), options=options, user="www-data"),
        inside={
            "python": {"version": "3.12"},
            "django": {"version": "5.2"},
            "app": {"callable": True},
            "settings": {"module": "shop.settings", "debug": False, "allowed_hosts": [], "refused": [], "origins": []},
            "files": {"static_used": True, "static_url": "/static/", "static_root": "/srv/static", "sample": "a.css"},
            "database": {"vendor": "postgresql", "address": "db:5432", "file": ""},
            "migrations": {"unapplied": []},
        },
        static=doctor_look.Fetched("/static/a.css", 200, file="/srv/static/a.css"),
    )


def roots(report):
    return {one["fault"]: one for hop in report["hops"] for one in hop["faults"] if not one["follows"]}


def test_healthy_evidence_is_all_ok(site, host):
    report = doctor.examine(site, host)
    assert {hop["hop"]: hop["status"] for hop in report["hops"]} == dict.fromkeys(doctor.HOPS, "ok")
    assert report["first"] is None
    assert report["status"] == "ok"


AUDIT = """\
type=AVC msg=audit({now}.123:420): avc:  denied  {{ {permission} }} for  pid=1234 comm="nginx" {what} \
scontext=system_u:system_r:httpd_t:s0 tcontext={target} tclass={tclass} permissive={permissive}
"""


@pytest.mark.parametrize(
    ("permission", "what", "target", "tclass", "mend"),
    [
        ("write", 'name="shop.sock"', "system_u:object_r:var_run_t:s0", "sock_file", "httpd_var_run_t"),
        (
            "connectto",
            'path="/run/shop.sock"',
            "system_u:system_r:unconfined_service_t:s0",
            "unix_stream_socket",
            "allow httpd_t unconfined_service_t",
        ),
        ("name_connect", "dest=8001", "system_u:object_r:soundd_port_t:s0", "tcp_socket", "httpd_can_network_connect"),
    ],
)
def test_selinux_denial_of_the_socket_is_read_from_the_audit_log(site, host, permission, what, target, tclass, mend):
    line = AUDIT.format(now=int(NOW), permission=permission, what=what, target=target, tclass=tclass, permissive=0)
    host.denials = doctor_host.denials("type=USER_AUTH msg=audit(1.1:1): x\n" + line, NOW - 600)
    site.entrances[0].answer = answer(502, "Bad Gateway")
    site.probes[0].connect_error = "EACCES"
    report = doctor.examine(site, host)
    assert set(roots(report)) == {"socket.selinux"}
    found = roots(report)["socket.selinux"]
    assert found["status"] == "broken"
    assert f"SELinux denies nginx {permission} on" in found["cause"]
    assert mend in found["mend"]
    assert found["evidence"] == [line.strip()]
    assert report["hops"][0]["follows"] == "socket"


def test_selinux_denial_of_a_static_file_is_a_fault_of_that_hop(site, host):
    line = AUDIT.format(
        now=int(NOW),
        permission="read",
        what='name="a.css"',
        target="unconfined_u:object_r:user_home_t:s0",
        tclass="file",
        permissive=0,
    )
    host.denials = doctor_host.denials(line, NOW - 600)
    site.static = doctor_look.Fetched("/static/a.css", 403, file="/srv/static/a.css")
    report = doctor.examine(site, host)
    assert set(roots(report)) == {"static.selinux"}
    assert "httpd_sys_content_t" in report["first"]["mend"]


@pytest.mark.parametrize(
    "line",
    [
        AUDIT.format(now=int(NOW), permission="write", what="", target="x", tclass="sock_file", permissive=1),
        AUDIT.format(now=int(NOW) - 9999, permission="write", what="", target="x", tclass="sock_file", permissive=0),
        AUDIT.format(now=int(NOW), permission="write", what="", target="x", tclass="sock_file", permissive=0).replace(
            "nginx", "sshd"
        ),
    ],
    ids=["permissive", "old", "another program"],
)
def test_denials_that_do_not_matter_are_left_out(line):
    assert doctor_host.denials(line, NOW - 600) == []


@pytest.mark.parametrize(
    ("reason", "fault", "word"),
    [
        ("certificate has expired", "nginx.certificate-expired", "has expired"),
        ("certificate is not yet valid", "nginx.certificate-expired", "check the clock"),
        ("Hostname mismatch, certificate is not valid for 'x'.", "nginx.certificate-name", "for another name"),
        ("unsuitable certificate purpose", "nginx.certificate", "unsuitable certificate purpose"),
    ],
)
def test_openssls_verdict_on_a_certificate_is_said_in_words(site, host, reason, fault, word):
    site.entrances[0].certificate, site.entrances[0].certificate_place = reason, "/etc/ssl/shop.crt"
    report = doctor.examine(site, host)
    assert set(roots(report)) == {fault}
    assert word in report["first"]["cause"] + report["first"]["mend"]
    assert "/etc/ssl/shop.crt" in report["first"]["cause"]


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("nginx: [emerg] socket() [::]:80 failed (97: Address family not supported by protocol)", "nginx.ipv6"),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", "nginx.config"),
        ('nginx: [emerg] cannot load certificate key "/k": PEM_read_bio_PrivateKey() failed', "nginx.config"),
        (
            'nginx: [emerg] SSL_CTX_use_PrivateKey("/etc/ssl/shop.key") failed (SSL: error:05800074:x509 certificate '
            "routines::key values mismatch)",
            "nginx.key",
        ),
    ],
)
@pytest.mark.parametrize("runs", [True, False])
def test_nginx_own_words_are_understood(site, host, message, fault, runs):
    host.nginx.tested = doctor_tools.Ran(1, err=message + "\nnginx: configuration file test failed\n")
    if not runs:
        host.nginx.master, host.nginx.workers, host.listeners = None, [], []
        site.entrances[0].answer, site.entrances[0].failure, site.entrances[0].errno = None, "refused", 111
    report = doctor.examine(site, host)
    assert fault in roots(report)
    assert roots(report)[fault]["status"] == ("degraded" if runs else "broken")
    assert set(roots(report)) <= {fault, "nginx.port-taken"}


@pytest.mark.parametrize(
    ("off", "status", "word"),
    [(59, "ok", ""), (-59, "ok", ""), (90, "broken", "90 s ahead of"), (-7200, "broken", "7200 s behind")],
)
def test_a_clock_may_be_off_by_a_minute(site, host, off, status, word):
    host.controller_time = NOW - off
    report = doctor.examine(site, host)
    hop = next(one for one in report["hops"] if one["hop"] == "host")
    assert hop["status"] == status
    assert word in hop["cause"]


def test_a_reserved_name_is_not_looked_up_and_an_unknown_one_is_an_open_question(site, host):
    for name in ("a.example", "b.test", "example.com", "www.example.org", "localhost", "192.0.2.1", "[2001:db8::1]"):
        assert doctor_look.reserved(name), name
    for name in ("example.de", "shop.com", "notexample.com"):
        assert not doctor_look.reserved(name), name
    site.domains, site.resolved = ["shop.com"], {"shop.com": "198.51.100.1"}
    host.nginx.config.servers[0].chain[-1].all("server_name")[0].args[:] = ["shop.com"]
    hop = next(one for one in doctor.examine(site, host)["hops"] if one["hop"] == "name")
    assert hop["status"] == "unknown"
    assert "198.51.100.1, which is no address of this host" in hop["cause"]
    site.resolved = {"shop.com": "192.0.2.1"}
    hop = next(one for one in doctor.examine(site, host)["hops"] if one["hop"] == "name")
    assert hop["status"] == "ok"


def test_what_follows_is_marked_and_comes_after_what_it_follows_from(site, host):
    site.uwsgi.master = None
    site.uwsgi.unit = {"Id": "uwsgi-shop.service", "ActiveState": "inactive", "SubState": "dead"}
    site.probes[0] = doctor_look.Probe("unix:/run/shop.sock", "uwsgi", exists=False, connect_error="ENOENT")
    site.entrances[0].answer = answer(502, "Bad Gateway")
    report = doctor.examine(site, host)
    assert set(roots(report)) == {"uwsgi.stopped"}
    follows = {hop["hop"]: hop["follows"] for hop in report["hops"] if hop["status"] == "broken"}
    assert follows == {"client": "uwsgi", "socket": "uwsgi", "uwsgi": ""}
    assert report["first"]["fault"] == "uwsgi.stopped"


def test_a_broken_hop_comes_before_an_outer_one_that_is_only_degraded(site, host):
    host.firewall.running = False
    site.static = doctor_look.Fetched("/static/a.css", 404, file="/srv/other/a.css")
    report = doctor.examine(site, host)
    assert set(roots(report)) == {"firewalld.stopped", "static.alias"}
    assert report["first"]["fault"] == "static.alias"


SECRETS = ["hunter2-env", "pa55-in-url", "key-in-a-setting", "cookie-of-a-client", "pa55-with-word"]


def test_no_secret_is_in_a_report(site, host):
    environment = {"MAIL_PASSWORD": "hunter2-env", "PATH": "/usr/bin", "HOME": "/home/shop", "SHORT": "abc"}
    site.secrets = doctor_look.secrets_of(environment, site)
    assert site.secrets == ["hunter2-env"]
    site.inside["failed database"] = {
        "step": "failed",
        "error": "OperationalError: hunter2-env postgres://shop:pa55-in-url@db/shop password=pa55-with-word",
    }
    site.inside["failed app"] = {"error": "ValueError: SECRET_KEY = 'key-in-a-setting'", "where": "settings.py:1"}
    site.nginx_events = ["client intended to send too large body: 1, Cookie: sessionid=cookie-of-a-client; a=b"]
    said = json.dumps(doctor.examine(site, host))
    assert "app.import" in said
    assert "database.unreachable" in said
    assert "location.body-size" in said
    for secret in SECRETS:
        assert secret not in said, secret
    assert "postgres://********@db/shop" in said


@pytest.mark.parametrize(
    ("sites", "names", "said"),
    [
        ([{"name": "shop"}], [], ["sites[0] is ['domains', 'name']; wanted a mapping with at least name and domains"]),
        (
            [{"name": "shop", "domains": ["a"]}, {"name": "blog", "domains": ["b"]}],
            ["shpo"],
            ["there is no site 'shpo'; known are blog, shop; did you mean 'shop'?"],
        ),
        ([{"name": "shop", "domains": "a"}], ["shop"], []),
        ([], ["shop"], ["there is no site 'shop'; known are none"]),
    ],
)
def test_a_wrong_request_is_answered_with_what_is_known(sites, names, said):
    assert doctor.request_faults(sites, names) == said


def test_firewalld_services_and_port_ranges_are_understood(site, host, monkeypatch):
    monkeypatch.setattr(doctor_host, "service_ports", lambda name: {"http": ["80/tcp"]}.get(name, []))
    for services, ports, status in ((["http"], [], "ok"), ([], ["79-81/tcp"], "ok"), (["ssh"], ["80/udp"], "broken")):
        host.firewall.services, host.firewall.ports = services, ports
        hop = next(one for one in doctor.examine(site, host)["hops"] if one["hop"] == "firewalld")
        assert hop["status"] == status, (services, ports)


def test_a_command_that_hangs_is_ended_with_its_children_in_time():
    started = time.monotonic()
    ran = doctor_tools.run(["sh", "-c", "echo before; sleep 60 & sleep 60"], timeout=0.3)
    assert time.monotonic() - started < 3
    assert (ran.status, ran.out) == (None, "before\n")


def test_a_command_that_is_not_there_is_no_error():
    assert doctor_tools.run(["/no/such/program"]).status is None


FAILED, STARTED = "x.service: Failed with result 'exit-code'.", "Started x.service - uWSGI."
AGAIN = "x.service: Scheduled restart job, restart counter is at 7."


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        ([], [12.5, 13.5]),
        ([FAILED], [12.5, 13.5]),
        ([FAILED, STARTED], []),
        (["x.service: Deactivated successfully.", STARTED], []),
        ([FAILED, STARTED, FAILED, AGAIN, STARTED], [14.0]),
    ],
    ids=["in a loop", "in a loop, just failed", "mended by hand", "stopped and started by hand", "mended, then killed"],
)
def test_restarts_count_since_somebody_started_the_unit(end, wanted):
    loop = "".join(
        f"{start}.1 box systemd[1]: {FAILED}\n{start}.5 box systemd[1]: {AGAIN}\n{start}.6 box systemd[1]: {STARTED}\n"
        for start in (12, 13)
    )
    assert doctor_uwsgi.restarts(loop + "".join(f"14.0 box systemd[1]: {one}\n" for one in end)) == wanted
