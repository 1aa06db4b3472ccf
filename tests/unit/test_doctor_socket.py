"""The socket between nginx and the application: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand_uwsgi
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from doctor_evidence import UNIT, Case, answer, check, denied, evidence, faults_of, put

AUDIT = {
    "comm": "nginx",
    "permission": "write",
    "name": "a.sock",
    "tclass": "sock_file",
    "tcontext": "system_u:object_r:var_run_t:s0",
    "line": "the line",
}


def refuse(site, error, **more):
    put(site.probes[0], connect_error=error, answer=None, pong=None, **more)


def listen(site, *where):
    put(site.uwsgi, listens=list(where))


def tcp(site, error, **more):
    put(site.probes[0], address="127.0.0.1:8001", real="")
    refuse(site, error, **more)


def mismatch(site, kind, speaks="uwsgi", binds=None, **more):
    put(site.probes[0], answer=None, failure="no answer", kind=kind, speaks=speaks, **more)
    put(site.uwsgi.options.values, **(binds or {}))


CASES = [
    Case(
        "no socket, uWSGI listens elsewhere",
        lambda site, host: (
            refuse(site, "ENOENT"),
            listen(site, "unix:/b.sock", "unix:/s.stats"),
            put(site.uwsgi.options.values, stats=["/s.stats"]),
        ),
        "socket.missing",
        "broken",
        "there is no socket unix:/run/shop.sock: uWSGI listens on unix:/b.sock",
        (
            "use the same address in both: web_sites[].uwsgi.socket with pyweb.stack.site writes it for uWSGI and for "
            "uwsgi_pass; by hand: set uwsgi_pass unix:/b.sock; at /etc/nginx/nginx.conf:5 or in its upstream, then "
            "nginx -t && systemctl reload nginx; or socket = /run/shop.sock in /srv/uwsgi.ini, then restart uWSGI"
        ),
        ("connect(unix:/run/shop.sock): ENOENT",),
    ),
    Case(
        "the socket of a running uWSGI was removed",
        lambda site, host: (refuse(site, "ENOENT"), listen(site, "unix:/run/shop.sock")),
        "socket.missing",
        "broken",
        "there is no socket unix:/run/shop.sock: uWSGI runs, but the file that it listened on was removed",
        "start uWSGI there",
    ),
    Case(
        "no socket, uWSGI listens nowhere",
        lambda site, host: (put(site.probes[0], exists=False), put(site.uwsgi, unit={"Id": UNIT})),
        "socket.missing",
        "broken",
        "there is no socket unix:/run/shop.sock: uWSGI listens on something else",
        "systemctl restart uwsgi-shop@0123456789ab.service",
        ("connect(unix:/run/shop.sock): ENOENT",),
    ),
    Case(
        "no socket, no facts",
        lambda site, host: refuse(site, "ENOENT"),
        "socket.missing",
        "broken",
        "there is no socket unix:/run/shop.sock: uWSGI listens on something else",
        "start uWSGI there",
        ("connect(unix:/run/shop.sock): ENOENT",),
    ),
    Case(
        "a private /tmp",
        lambda site, host: put(site.probes[0], hidden=True, described="srw- /tmp/a.sock"),
        "socket.hidden",
        "broken",
        (
            "nginx cannot see unix:/run/shop.sock: it has a private /tmp (PrivateTmp=), which does not contain the "
            "socket"
        ),
        "put the socket in /run/NAME/ instead of /tmp, in uWSGI's ini and in nginx",
        ("srw- /tmp/a.sock",),
    ),
    Case(
        "a private /tmp, and an obstacle",
        lambda site, host: refuse(site, "ECONNREFUSED", hidden=True),
        "socket.hidden",
        "broken",
        (
            "nginx cannot see unix:/run/shop.sock: it has a private /tmp (PrivateTmp=), which does not contain the "
            "socket"
        ),
        "put the socket in /run/NAME/ instead of /tmp, in uWSGI's ini and in nginx",
        (),
    ),
    Case(
        "a stale socket",
        lambda site, host: (refuse(site, "ECONNREFUSED", described="srw- x"), put(site.uwsgi, unit={"Id": UNIT})),
        "socket.stale",
        "broken",
        (
            "unix:/run/shop.sock is a stale socket: the file exists, but nothing listens on it; uWSGI runs, but the "
            "file that it listened on was replaced"
        ),
        "systemctl restart uwsgi-shop@0123456789ab.service",
        (
            "connect(unix:/run/shop.sock): ECONNREFUSED",
            "srw- x",
        ),
    ),
    Case(
        "another kind of file",
        lambda site, host: refuse(site, "ECONNREFUSED", is_socket=False),
        "socket.stale",
        "broken",
        "unix:/run/shop.sock is not a socket but another kind of file",
        "restart uWSGI",
        ("connect(unix:/run/shop.sock): ECONNREFUSED",),
    ),
    Case(
        "nothing listens on a port",
        lambda site, host: tcp(site, "ECONNREFUSED"),
        "socket.refused",
        "broken",
        "nothing listens on 127.0.0.1:8001, which nginx connects to",
        "start uWSGI there",
        (
            "connect(127.0.0.1:8001): ECONNREFUSED",
            "uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5",
        ),
    ),
    Case(
        "nothing listens on a port, uWSGI on another one",
        lambda site, host: (tcp(site, "ECONNREFUSED"), listen(site, "127.0.0.1:8009")),
        "socket.refused",
        "broken",
        "nothing listens on 127.0.0.1:8001, which nginx connects to; uWSGI listens on 127.0.0.1:8009",
        (
            "use the same address in both: web_sites[].uwsgi.socket with pyweb.stack.site writes it for uWSGI and for "
            "uwsgi_pass; by hand: set uwsgi_pass 127.0.0.1:8009; at /etc/nginx/nginx.conf:5 or in its upstream, then "
            "nginx -t && systemctl reload nginx; or socket = 127.0.0.1:8001 in /srv/uwsgi.ini, then restart uWSGI"
        ),
        (
            "connect(127.0.0.1:8001): ECONNREFUSED",
            "uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5",
        ),
    ),
    Case(
        "the mode of the socket, managed",
        lambda site, host: refuse(site, "EACCES", obstacle=denied("/run/a.sock")),
        "socket.denied",
        "broken",
        "www-data cannot write to the socket /run/a.sock: its mode is 0600",
        (
            "web_sites[].uwsgi.chmod_socket; for now: chmod 660 /run/a.sock && chgrp www-data /run/a.sock; by hand: "
            "set chmod-socket = 660 and a group of www-data in /srv/uwsgi.ini; for now: chmod 660 /run/a.sock && chgrp "
            "www-data /run/a.sock"
        ),
        (
            "connect(unix:/run/shop.sock): EACCES",
            "evidence of /run/a.sock",
        ),
    ),
    Case(
        "the mode of the socket, by hand",
        lambda site, host: (refuse(site, "EPERM", obstacle=denied("/run/a.sock")), put(site, managed=False)),
        "socket.denied",
        "broken",
        "www-data cannot write to the socket /run/a.sock: its mode is 0600",
        (
            "web_sites[].uwsgi.chmod_socket; for now: chmod 660 /run/a.sock && chgrp www-data /run/a.sock; by hand: "
            "set chmod-socket = 660 and a group of www-data in /srv/uwsgi.ini; for now: chmod 660 /run/a.sock && chgrp "
            "www-data /run/a.sock"
        ),
        (
            "connect(unix:/run/shop.sock): EACCES",
            "evidence of /run/a.sock",
        ),
    ),
    Case(
        "a home directory",
        lambda site, host: refuse(site, "EACCES", obstacle=denied("/home/huatai", 0o700, True)),
        "socket.denied",
        "broken",
        "the home directory /home/huatai is not accessible (0700): www-data cannot reach the socket in it",
        "chmod o+x /home/huatai, or a socket in /run",
        (
            "connect(unix:/run/shop.sock): EACCES",
            "evidence of /home/huatai",
        ),
    ),
    Case(
        "another directory",
        lambda site, host: refuse(site, "EACCES", obstacle=denied("/home/huatai/works", 0o710, True)),
        "socket.denied",
        "broken",
        "the directory /home/huatai/works is not accessible (0710): www-data cannot reach the socket in it",
        "fix of /home/huatai/works",
        (
            "connect(unix:/run/shop.sock): EACCES",
            "evidence of /home/huatai/works",
        ),
    ),
    Case(
        "no visible obstacle",
        lambda site, host: refuse(site, "EACCES", described="srw- x"),
        "socket.denied",
        "broken",
        ("www-data cannot connect to unix:/run/shop.sock, though its mode allows it: SELinux or another policy"),
        "ausearch -m avc -ts recent",
        (
            "EACCES",
            "srw- x",
        ),
    ),
    Case(
        "SELinux, and the site is served",
        lambda site, host: put(host, denials=[AUDIT]),
        "socket.selinux",
        "degraded",
        "SELinux denies nginx write on a.sock (sock_file, system_u:object_r:var_run_t:s0)",
        "semanage fcontext -a -t httpd_var_run_t '/run/x/shop(/.*)?' && restorecon -R /run/x/shop",
        ("the line",),
    ),
    Case(
        "SELinux, and nginx cannot connect",
        lambda site, host: (
            refuse(site, "EACCES"),
            put(host, denials=[AUDIT]),
            put(site.entrances[0], answer=answer(502)),
        ),
        "socket.selinux",
        "broken",
        "SELinux denies nginx write on a.sock (sock_file, system_u:object_r:var_run_t:s0)",
        "semanage fcontext -a -t httpd_var_run_t '/run/x/shop(/.*)?' && restorecon -R /run/x/shop",
        ("the line",),
    ),
    Case(
        "SELinux, a socket with another name",
        lambda site, host: put(host, denials=[{**AUDIT, "name": "b.sock"}]),
        "socket.selinux",
        "degraded",
        "SELinux denies nginx write on b.sock (sock_file, system_u:object_r:var_run_t:s0)",
        "semanage fcontext -a -t httpd_var_run_t '/run/x/shop(/.*)?' && restorecon -R /run/x/shop",
        ("the line",),
    ),
    Case(
        "SELinux, an unknown socket",
        lambda site, host: (put(site.probes[0], real=""), put(host, denials=[AUDIT])),
        "socket.selinux",
        "degraded",
        "SELinux denies nginx write on a.sock (sock_file, system_u:object_r:var_run_t:s0)",
        "semanage fcontext -a -t httpd_var_run_t '/run/x/shop(/.*)?' && restorecon -R /run/x/shop",
        ("the line",),
    ),
    Case(
        "SELinux, with the whole path",
        lambda site, host: put(host, denials=[{**AUDIT, "path": "/srv/b/c.sock"}]),
        "socket.selinux",
        "degraded",
        "SELinux denies nginx write on /srv/b/c.sock (sock_file, system_u:object_r:var_run_t:s0)",
        "semanage fcontext -a -t httpd_var_run_t '/srv/b(/.*)?' && restorecon -R /srv/b",
        ("the line",),
    ),
    Case(
        "SELinux, connectto",
        lambda site, host: put(host, denials=[{**AUDIT, "permission": "connectto", "tclass": "unix_stream_socket"}]),
        "socket.selinux",
        "degraded",
        "SELinux denies nginx connectto on a.sock (unix_stream_socket, system_u:object_r:var_run_t:s0)",
        "a CIL module: (allow httpd_t unconfined_service_t (unix_stream_socket (connectto)))",
        ("the line",),
    ),
    Case(
        "SELinux, a port",
        lambda site, host: put(host, denials=[{**AUDIT, "permission": "name_connect", "tclass": "tcp_socket"}]),
        "socket.selinux",
        "degraded",
        "SELinux denies nginx name_connect on a.sock (tcp_socket, system_u:object_r:var_run_t:s0)",
        "setsebool -P httpd_can_network_connect on",
        ("the line",),
    ),
    Case(
        "a full queue",
        lambda site, host: (refuse(site, "EAGAIN"), put(site.uwsgi, log='uWSGI listen queue of socket "a" full')),
        "socket.queue-full",
        "broken",
        "the listen queue of unix:/run/shop.sock is full: connections arrive faster than they are accepted",
        (
            "find out what is slow; increase web_sites[].uwsgi.processes, or uwsgi.options.listen with "
            "net.core.somaxconn; by hand: find out what is slow; increase processes, or set listen = 1024 in "
            "/srv/uwsgi.ini with sysctl net.core.somaxconn=1024"
        ),
        (
            "connect(unix:/run/shop.sock): EAGAIN",
            'uWSGI listen queue of socket "a" full',
        ),
    ),
    Case(
        "a full queue of a port",
        lambda site, host: (
            tcp(site, "ETIMEDOUT"),
            put(host, listeners=[*host.listeners, Listener("127.0.0.1:8001", 2, 7)]),
        ),
        "socket.queue-full",
        "broken",
        "the listen queue of 127.0.0.1:8001 is full: connections arrive faster than they are accepted",
        (
            "find out what is slow; increase web_sites[].uwsgi.processes, or uwsgi.options.listen with "
            "net.core.somaxconn; by hand: find out what is slow; increase processes, or set listen = 1024 in "
            "/srv/uwsgi.ini with sysctl net.core.somaxconn=1024"
        ),
        (
            "connect(127.0.0.1:8001): ETIMEDOUT",
            "7 connections wait",
        ),
    ),
    Case(
        "a queue that was full before",
        lambda site, host: put(site.uwsgi, log="*** listen queue of socket a (fd: 3) full !!! (101/100) ***"),
        "socket.queue-full",
        "degraded",
        "the listen queue has been full since uWSGI started: connections were refused",
        (
            "find out what is slow; increase web_sites[].uwsgi.processes, or uwsgi.options.listen with "
            "net.core.somaxconn; by hand: find out what is slow; increase processes, or set listen = 1024 in "
            "/srv/uwsgi.ini with sysctl net.core.somaxconn=1024"
        ),
        ("listen queue of socket a (fd: 3) full !!! (101/100)",),
    ),
    Case(
        "a managed rule for another user than nginx's",
        lambda site, host: (tcp(site, "EHOSTUNREACH"), put(site, managed=True, name="shop")),
        "socket.denied",
        "broken",
        "pyweb-ports-shop.service does not let www-data connect to 127.0.0.1:8001: nginx now runs as another user",
        "run pyweb.stack.site; for now: systemctl stop pyweb-ports-shop.service",
        ("connect(127.0.0.1:8001): EHOSTUNREACH",),
    ),
    Case(
        "another error",
        lambda site, host: tcp(site, "ETIMEDOUT"),
        "socket.unreachable",
        "broken",
        "nginx's worker cannot connect to 127.0.0.1:8001: ETIMEDOUT",
        (
            "correct the address in `uwsgi_pass unix:/run/shop.sock;` at /etc/nginx/nginx.conf:5, "
            "then nginx -t && systemctl reload nginx"
        ),
        ("nginx's worker cannot connect to 127.0.0.1:8001: ETIMEDOUT",),
    ),
    Case(
        "http behind uwsgi_pass, a router",
        lambda site, host: mismatch(site, "http", address="127.0.0.1:8001", binds={"http": ["127.0.0.1:8001"]}),
        "socket.protocol",
        "broken",
        (
            "protocol mismatch: nginx speaks uwsgi (uwsgi_pass) to 127.0.0.1:8001, where uWSGI's HTTP "
            "router (--http) listens: it waits for HTTP, and nginx gives up with 504"
        ),
        (
            "either start uWSGI with `socket = 127.0.0.1:8001` instead of `http = 127.0.0.1:8001`, or use `proxy_pass "
            "http://127.0.0.1:8001;` instead of `uwsgi_pass unix:/run/shop.sock;`"
        ),
        (
            "a uwsgi request to 127.0.0.1:8001: no answer; one in http was answered",
            "uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5",
        ),
    ),
    Case(
        "http behind uwsgi_pass, http-socket",
        lambda site, host: mismatch(site, "", address="127.0.0.1:8001", binds={"http-socket": [":8001"]}),
        "socket.protocol",
        "broken",
        (
            "protocol mismatch: nginx speaks uwsgi (uwsgi_pass) to 127.0.0.1:8001, where uWSGI speaks "
            "HTTP (--http-socket): it refuses the request, and nginx answers 502"
        ),
        (
            "either start uWSGI with `socket = 127.0.0.1:8001` instead of `http-socket = 127.0.0.1:8001`, or use "
            "`proxy_pass http://127.0.0.1:8001;` instead of `uwsgi_pass unix:/run/shop.sock;`"
        ),
        (
            "a uwsgi request to 127.0.0.1:8001: no answer; started with http-socket",
            "uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5",
        ),
    ),
    Case(
        "http behind uwsgi_pass, another program",
        lambda site, host: (mismatch(site, "http", owner="gunicorn (pid 7, shop)"), put(site.uwsgi, master=None)),
        "socket.protocol",
        "broken",
        (
            "protocol mismatch: nginx speaks uwsgi (uwsgi_pass) to unix:/run/shop.sock, where a program"
            " that speaks HTTP listens (gunicorn (pid 7, shop))"
        ),
        (
            "either start uWSGI with `socket = /run/shop.sock` instead of `http = /run/shop.sock`, or use `proxy_pass "
            "http://unix:/run/shop.sock:/;` instead of `uwsgi_pass unix:/run/shop.sock;`"
        ),
        (
            "a uwsgi request to unix:/run/shop.sock: no answer; one in http was answered",
            "uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5",
        ),
        ("uwsgi.stopped",),
    ),
    Case(
        "http behind uwsgi_pass, an unknown program",
        lambda site, host: (mismatch(site, "http"), put(site.uwsgi, master=None)),
        "socket.protocol",
        "broken",
        (
            "protocol mismatch: nginx speaks uwsgi (uwsgi_pass) to unix:/run/shop.sock, where a program"
            " that speaks HTTP listens (unknown)"
        ),
        (
            "either start uWSGI with `socket = /run/shop.sock` instead of `http = /run/shop.sock`, or use `proxy_pass "
            "http://unix:/run/shop.sock:/;` instead of `uwsgi_pass unix:/run/shop.sock;`"
        ),
        (
            "a uwsgi request to unix:/run/shop.sock: no answer; one in http was answered",
            "uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5",
        ),
        ("uwsgi.stopped",),
    ),
    Case(
        "uwsgi behind proxy_pass",
        lambda site, host: mismatch(site, "uwsgi", "http"),
        "socket.protocol",
        "broken",
        (
            "protocol mismatch: nginx speaks HTTP (proxy_pass) to unix:/run/shop.sock, where uWSGI has "
            "a uwsgi socket: it closes the connection, and nginx answers 502"
        ),
        (
            "either use `uwsgi_pass unix:/run/shop.sock;` with `include uwsgi_params;` instead of `uwsgi_pass "
            "unix:/run/shop.sock;`, or start uWSGI with `http-socket = /run/shop.sock` instead of `socket = "
            "/run/shop.sock`"
        ),
        (
            "a http request to unix:/run/shop.sock: no answer; one in uwsgi was answered",
            "uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5",
        ),
    ),
    Case(
        "no answer",
        lambda site, host: put(site.probes[0], answer=None, failure="the end came before an answer"),
        "socket.silent",
        "broken",
        "unix:/run/shop.sock accepts connections but does not answer a uwsgi request: the end came before an answer",
        "find out what it does: the log of the program that listens there; then restart uWSGI",
        (
            "uwsgi request to unix:/run/shop.sock: the end came before an answer",
            "held by ?",
        ),
    ),
    Case(
        "no answer of a known program",
        lambda site, host: put(site.probes[0], answer=None, failure="the end came", owner="x (pid 7, y)"),
        "socket.silent",
        "broken",
        "unix:/run/shop.sock accepts connections but does not answer a uwsgi request: the end came",
        "find out what it does: the log of the program that listens there; then restart uWSGI",
        (
            "uwsgi request to unix:/run/shop.sock: the end came",
            "held by x (pid 7, y)",
        ),
    ),
    Case(
        "a group that nginx lacks",
        lambda site, host: (
            put(site.probes[0], connect_error="EACCES", answer=None, obstacle=denied("/run/shop.sock", 0o660)),
            put(site.directives, regrouped=["unix:/run/shop.sock"]),
        ),
        "socket.denied",
        "broken",
        (
            "www-data cannot use /run/shop.sock (0660): www-data is in a group that may, but nginx runs without this "
            "group: www-data was added to it after nginx started"
        ),
        "systemctl restart nginx",
        ("connect(unix:/run/shop.sock): EACCES", "evidence of /run/shop.sock"),
    ),
]
CASES += doctor_by_hand_uwsgi.SOCKET


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_socket_is_named(case):
    check(case)


def test_the_fix_of_a_missing_link_to_the_live_release_is_a_run():
    site, host = evidence()
    current = site.layout.current
    put(site.probes[0], address=f"unix:{current}/uwsgi.sock", exists=False, answer=None, connect_error="ENOENT")
    put(site.uwsgi, listens=["unix:/run/x/shop/a.sock"])
    found = faults_of(verdict(site, host))["socket.missing"]
    assert found["cause"].startswith(f"there is no link {current}, which points to the live release")
    assert found["fix"].startswith("pyweb.stack.site sets it again")
    site.background.release = "0123456789ab"
    assert "there is no socket" in faults_of(verdict(site, host))["socket.missing"]["cause"]


def test_a_stale_socket_is_reported_with_the_socket_in_use():
    site, host = evidence()
    put(site.probes[0], answer=None, connect_error="ECONNREFUSED")
    put(site.uwsgi, listens=["unix:/run/x/shop/other.sock"])
    found = faults_of(verdict(site, host))["socket.stale"]
    assert found["cause"].endswith("is a stale socket: uWSGI listens on unix:/run/x/shop/other.sock instead")
    assert "restart" not in found["fix"]
