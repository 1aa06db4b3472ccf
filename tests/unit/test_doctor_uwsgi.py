"""Whether uWSGI runs, and whether a worker is free: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand_uwsgi
import doctor_logs
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_servers import (
    DEBIAN,
    SUPERVISOR,
    SYSTEMD,
    VASSAL,
    Serving,
    Start,
)
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from doctor_evidence import NOW, UNIT, Case, check, evidence, faults_of, process, put, roots

RUNS = {"Id": UNIT, "ActiveState": "active", "SubState": "running", "NRestarts": "0"}
LOOP = {"Id": UNIT, "ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "4"}
LOG = "a\nb\nc\nd\nsystemd says\ne\nf\n[strict-mode] unknown config directive: nosuch"

CUT_OFF = "[error] 1#1: *2 upstream prematurely closed connection while reading response header, server: shop.example"


def silent(site, **more):
    put(
        site.probes[0],
        answer=None,
        failure="no answer within 2 s",
        pong=None,
        ping_failure="no pong within 1 s",
        **more,
    )


def workers(*paths):
    core = [{"cores": [{"vars": [f"PATH_INFO={path}", "HTTP_COOKIE=x"]}], "status": "busy"} for path in paths]
    return {"workers": core}


def down(site, start=None, log="", unit=None, **server):
    """Return a change: nothing runs of a site set up by hand; `server` is what would start it."""
    kind = start.kind if start else "uwsgi"
    put(site, managed=False, server=Serving(kind, {"uwsgi": "uWSGI"}.get(kind, kind), start, **server))
    put(site.uwsgi, master=None, log=log, unit=unit or (start.unit if start else {}))
    put(site.probes[0], answer=None, connect_error="ENOENT", exists=False)
    put(site.entrances[0].answer, status=502, reason="Bad Gateway")
    put(site.uwsgi.options, values={})
    site.inside.clear()


GAMMA = {"Id": "gamma.service", "ActiveState": "inactive", "SubState": "dead", "NRestarts": "0"}
GAMMA_SOCKET = {"Id": "gamma.socket", "ActiveState": "inactive", "SubState": "dead", "Result": "success"}
APPS = {"Id": "uwsgi.service", "ActiveState": "active", "SubState": "exited"}


CASES = [
    Case(
        "supervisor gave up",
        lambda site, host: down(
            site,
            Start("uwsgi", SUPERVISOR, "eta", log="/var/log/eta.log"),
            "bind(): Address already in use [core/socket.c line 769]",
            state="eta  FATAL  Exited too quickly",
        ),
        "uwsgi.supervisor",
        "broken",
        "supervisor has given up on eta (FATAL): bind(): Address already in use [core/socket.c line 769]",
        "fix what /var/log/eta.log reports, then: supervisorctl restart eta",
        ("eta  FATAL  Exited too quickly", "bind(): Address already in use [core/socket.c line 769]"),
    ),
    Case(
        "stopped in supervisor",
        lambda site, host: (
            down(site, Start("gunicorn", SUPERVISOR, "eta"), state="eta  STOPPED  Not started"),
            put(host.starts, supervisor={"eta": "eta  STOPPED  Not started"}),
        ),
        "uwsgi.stopped",
        "broken",
        "gunicorn is stopped: the program eta of supervisor is STOPPED",
        "supervisorctl start eta",
        ("eta  STOPPED  Not started",),
    ),
    Case(
        "supervisor itself is stopped",
        lambda site, host: down(
            site, Start("uwsgi", SUPERVISOR, "eta", "/etc/supervisor/conf.d/eta.conf"), manager_stopped="supervisor"
        ),
        "uwsgi.stopped",
        "broken",
        "supervisor does not run, and so neither does the program eta",
        "systemctl restart supervisor",
        ("/etc/supervisor/conf.d/eta.conf",),
    ),
    Case(
        "a removed vassal",
        lambda site, host: down(site, vassals="/etc/vassals", vassals_log=["removed uwsgi instance shop.ini"]),
        "uwsgi.vassal",
        "broken",
        "there is no vassal shop: none of those in /etc/vassals listens on unix:/run/shop.sock",
        "restore the site's configuration as /etc/vassals/shop.ini; the emperor starts it automatically",
        ("removed uwsgi instance shop.ini",),
    ),
    Case(
        "a vassal that does not run",
        lambda site, host: down(site, Start("uwsgi", VASSAL, "shop.ini", "/etc/vassals/shop.ini"), LOG),
        "uwsgi.stopped",
        "broken",
        "the vassal shop.ini does not run: [strict-mode] unknown config directive: nosuch",
        "fix what its log reports, then: touch /etc/vassals/shop.ini",
        ("[strict-mode] unknown config directive: nosuch",),
    ),
    Case(
        "a stopped emperor",
        lambda site, host: down(
            site, Start("uwsgi", VASSAL, "shop.ini", "/etc/vassals/shop.ini"), manager_stopped="emperor.service"
        ),
        "uwsgi.stopped",
        "broken",
        "the emperor does not run, and so neither does the vassal shop.ini",
        "systemctl restart emperor.service",
        ("/etc/vassals/shop.ini",),
    ),
    Case(
        "a masked unit",
        lambda site, host: put(
            site.uwsgi,
            master=None,
            unit={"Id": UNIT, "ActiveState": "failed", "UnitFileState": "masked-runtime", "LoadState": "masked"},
        ),
        "uwsgi.stopped",
        "broken",
        f"uWSGI is stopped, and {UNIT} is masked, so systemd cannot start it",
        f"systemctl unmask '{UNIT}' && systemctl start '{UNIT}'",
    ),
    Case(
        "a unit without its file",
        lambda site, host: put(
            site.uwsgi, master=None, unit={"Id": UNIT, "ActiveState": "inactive", "LoadState": "not-found"}
        ),
        "uwsgi.stopped",
        "broken",
        f"uWSGI is stopped, and the file of its unit {UNIT} is missing",
        "pyweb.stack.site writes it again and starts it",
    ),
    Case(
        "a running unit without its file",
        lambda site, host: put(site.uwsgi, unit={**RUNS, "LoadState": "not-found"}, starts_at_boot=False),
        "uwsgi.not-enabled",
        "degraded",
        f"uWSGI runs, but the file of its unit {UNIT} is missing: nothing starts it again after it exits",
        f"pyweb.stack.site writes it again; by hand: restore the file of {UNIT}, then systemctl daemon-reload",
    ),
    Case(
        "a site that does not start at boot",
        lambda site, host: put(site.uwsgi, unit=RUNS, starts_at_boot=False),
        "uwsgi.not-enabled",
        "degraded",
        "uWSGI runs, but uwsgi-shop.service is disabled: nothing starts it at the next boot",
        "systemctl enable uwsgi-shop.service",
    ),
    Case(
        "Debian's app without its link",
        lambda site, host: down(
            site,
            Start("uwsgi", DEBIAN, "shop.ini", "/etc/uwsgi/apps-available/shop.ini", unit=APPS),
            disabled="/etc/uwsgi/apps-available/shop.ini",
        ),
        "uwsgi.not-enabled",
        "broken",
        "shop.ini is not in apps-enabled, only in apps-available: Debian's uWSGI does not start it",
        "ln -sf ../apps-available/shop.ini /etc/uwsgi/apps-enabled/shop.ini, then: systemctl restart uwsgi.service",
        ("/etc/uwsgi/apps-enabled/shop.ini: No such file or directory",),
    ),
    Case(
        "Debian's app with a broken link",
        lambda site, host: down(
            site,
            Start("uwsgi", DEBIAN, "shop.ini", "/etc/uwsgi/apps-enabled/shop.ini", unit=APPS),
            disabled="/etc/uwsgi/apps-enabled/shop.ini",
        ),
        "uwsgi.not-enabled",
        "broken",
        "/etc/uwsgi/apps-enabled/shop.ini is a dangling link: Debian's uWSGI does not start it",
        "ln -sf ../apps-available/shop.ini /etc/uwsgi/apps-enabled/shop.ini, then: systemctl restart uwsgi.service",
        ("/etc/uwsgi/apps-enabled/shop.ini: its target is not there",),
    ),
    Case(
        "Debian's app was killed",
        lambda site, host: down(site, Start("uwsgi", DEBIAN, "shop.ini", unit=APPS)),
        "uwsgi.stopped",
        "broken",
        "uWSGI is stopped, though uwsgi.service is active (exited)",
        "systemctl restart uwsgi.service",
        ("uwsgi.service: active/exited, 0 restarts",),
    ),
    Case(
        "gunicorn behind a socket unit",
        lambda site, host: down(site, Start("gunicorn", SYSTEMD, "gamma.service", unit=GAMMA, socket=GAMMA_SOCKET)),
        "uwsgi.stopped",
        "broken",
        "gunicorn (gamma.service) is stopped",
        "systemctl start gamma.socket",
        ("gamma.service: inactive/dead, 0 restarts", "gamma.socket: inactive/dead"),
    ),
    Case(
        "gunicorn failed, and its socket unit with it",
        lambda site, host: down(
            site,
            Start(
                "gunicorn",
                SYSTEMD,
                "gamma.service",
                unit={**GAMMA, "ActiveState": "failed"},
                socket={**GAMMA_SOCKET, "ActiveState": "failed", "Result": "service-start-limit-hit"},
            ),
            "ModuleNotFoundError: No module named 'nosuch'",
        ),
        "uwsgi.stopped",
        "broken",
        "gunicorn (gamma.service) failed: ModuleNotFoundError: No module named 'nosuch'",
        "systemctl reset-failed gamma.socket gamma.service; systemctl start gamma.socket",
        ("gamma.socket: failed/dead (service-start-limit-hit)",),
    ),
    Case(
        "nothing would start a server",
        lambda site, host: down(site),
        "uwsgi.missing",
        "broken",
        "nothing on this host starts a server for unix:/run/shop.sock: no unit, socket unit, program of supervisor, "
        "vassal or ini names it or belongs to this site",
        "start the site's server there, or correct uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5",
    ),
    Case(
        "a server on another host",
        lambda site, host: down(site, elsewhere="10.0.0.5:8000"),
        "uwsgi.missing",
        "unknown",
        "10.0.0.5:8000 is an address of another host: the server there was not examined",
        "run the doctor on that host",
        also=("socket.missing",),
    ),
    Case(
        "a leftover process",
        lambda site, host: put(
            site.server,
            start=Start("uwsgi", SYSTEMD, "shop.service", addresses=["127.0.0.1:9000"]),
            left_over="pid 71, huatai, started by hand",
            left_over_pid=71,
            left_over_log=["bind(): Address already in use"],
            state="shop.service: failed/failed",
        ),
        "uwsgi.left-over",
        "degraded",
        "shop.service failed: its address 127.0.0.1:9000 is in use by pid 71, huatai, started by hand, which serves "
        "the code that it was started with, perhaps old code",
        "kill -INT 71, then: systemctl restart shop.service",
        ("shop.service: failed/failed", "bind(): Address already in use"),
    ),
    Case(
        "two masters",
        lambda site, host: put(site.server, twins=["pid 72, huatai, started by hand"]),
        "uwsgi.twice",
        "degraded",
        "two masters run the same configuration, /srv/uwsgi.ini: clients reach either of them, and a restart affects "
        "only one",
        "stop the one that nothing manages: kill -INT 72",
        ("process 20 serves the site", "pid 72, huatai, started by hand"),
    ),
    Case(
        "gunicorn's timeout",
        lambda site, host: (
            put(site.server, kind="gunicorn", label="gunicorn"),
            put(site.uwsgi, log="[CRITICAL] WORKER TIMEOUT (pid:9)", unit=GAMMA),
            put(site.uwsgi.options, files=[]),
        ),
        "uwsgi.harakiri",
        "degraded",
        "gunicorn: 1 request took longer than 30 s, its timeout, and the worker was killed",
        "make it faster, or set --timeout in ExecStart of gamma.service",
        ("WORKER TIMEOUT (pid:9)",),
    ),
    Case(
        "no uWSGI",
        lambda site, host: put(site.uwsgi, installed=False, master=None),
        "uwsgi.missing",
        "broken",
        "uWSGI is not installed on this host",
        (
            "run pyweb.stack.site; by hand: apt-get install uwsgi uwsgi-plugin-python3, or pip install uwsgi into the "
            "virtualenv"
        ),
        (),
    ),
    Case(
        "auto-restart",
        lambda site, host: put(site.uwsgi, unit=LOOP, log=LOG),
        "uwsgi.crashing",
        "broken",
        "uWSGI keeps exiting and restarting: [strict-mode] unknown config directive: nosuch",
        (
            "journalctl -u uwsgi-shop@0123456789ab.service -n 50; pyweb.stack.rollback makes the previous release live "
            "again; by hand: journalctl -u uwsgi-shop@0123456789ab.service -n 50 says why; then systemctl restart "
            "uwsgi-shop@0123456789ab.service"
        ),
        (
            "uwsgi-shop@0123456789ab.service: activating/auto-restart, 4 restarts",
            "c",
            "d",
            "e",
            "f",
            "[strict-mode] unknown config directive: nosuch",
        ),
    ),
    Case(
        "restarting",
        lambda site, host: put(site.uwsgi, unit={**LOOP, "SubState": "start"}, restarted=[NOW - 500], log=""),
        "uwsgi.crashing",
        "broken",
        "uWSGI keeps exiting and restarting: it printed nothing",
        (
            "journalctl -u uwsgi-shop@0123456789ab.service -n 50; pyweb.stack.rollback makes the previous release live "
            "again; by hand: journalctl -u uwsgi-shop@0123456789ab.service -n 50 says why; then systemctl restart "
            "uwsgi-shop@0123456789ab.service"
        ),
        ("uwsgi-shop@0123456789ab.service: activating/start, 4 restarts",),
    ),
    Case(
        "three recent restarts",
        lambda site, host: (
            put(site.uwsgi, unit=RUNS, restarted=[NOW - 19, NOW - 9, NOW - 1], master=process(20, "uwsgi", NOW - 1)),
            put(site.probes[0], answer=None),
        ),
        "uwsgi.crashing",
        "broken",
        "uWSGI keeps exiting and restarting: it printed nothing",
        (
            "journalctl -u uwsgi-shop@0123456789ab.service -n 50; pyweb.stack.rollback makes the previous release live "
            "again; by hand: journalctl -u uwsgi-shop@0123456789ab.service -n 50 says why; then systemctl restart "
            "uwsgi-shop@0123456789ab.service"
        ),
        ("uwsgi-shop@0123456789ab.service: active/running, 0 restarts",),
    ),
    Case(
        "stopped",
        lambda site, host: (
            put(site.uwsgi, master=None, unit={"Id": UNIT, "ActiveState": "inactive", "SubState": "dead"}),
            put(site.probes[0], answer=None, connect_error="ENOENT"),
        ),
        "uwsgi.stopped",
        "broken",
        "uWSGI is stopped",
        "systemctl start uwsgi-shop@0123456789ab.service",
        ("uwsgi-shop@0123456789ab.service: inactive/dead, 0 restarts",),
    ),
    Case(
        "failed",
        lambda site, host: put(
            site.uwsgi,
            master=None,
            log=LOG,
            unit={"Id": UNIT, "ActiveState": "failed", "SubState": "failed", "NRestarts": "2"},
        ),
        "uwsgi.stopped",
        "broken",
        "uWSGI failed: [strict-mode] unknown config directive: nosuch",
        "systemctl start uwsgi-shop@0123456789ab.service",
        (
            "uwsgi-shop@0123456789ab.service: failed/failed, 2 restarts",
            "e",
            "f",
            "[strict-mode] unknown config directive: nosuch",
        ),
    ),
    Case(
        "stopped, found by its ini",
        lambda site, host: put(site.uwsgi, master=None, command=["uwsgi", "--ini", "/srv/x.ini"]),
        "uwsgi.stopped",
        "broken",
        "uWSGI is stopped",
        "uwsgi --ini /srv/x.ini",
        ("no uWSGI of this site in the process table",),
    ),
    Case(
        "stopped, no facts",
        lambda site, host: put(site.uwsgi, master=None),
        "uwsgi.stopped",
        "broken",
        "uWSGI is stopped",
        "start uWSGI",
        ("no uWSGI of this site in the process table",),
    ),
    Case(
        "all busy according to uWSGI",
        lambda site, host: (silent(site), put(site.uwsgi, stats=workers("/b", "/a", "/c", "/d"))),
        "uwsgi.busy",
        "broken",
        "all workers are busy: requests wait until one is free",
        (
            "find out what takes so long; increase web_sites[].uwsgi.processes or threads to handle more requests at "
            "once; by hand: find out what takes so long, or set more processes in /srv/uwsgi.ini, then restart uWSGI"
        ),
        ("4 of 4 workers are busy: /a, /b, /c",),
    ),
    Case(
        "all busy, without a path",
        lambda site, host: (silent(site), put(site.uwsgi, stats={"workers": [{"status": "busy"}]})),
        "uwsgi.busy",
        "broken",
        "all workers are busy: requests wait until one is free",
        (
            "find out what takes so long; increase web_sites[].uwsgi.processes or threads to handle more requests at "
            "once; by hand: find out what takes so long, or set more processes in /srv/uwsgi.ini, then restart uWSGI"
        ),
        ("1 of 1 workers are busy",),
    ),
    Case(
        "all busy, no answer to a ping",
        lambda site, host: silent(site),
        "uwsgi.busy",
        "broken",
        "all workers are busy: requests wait until one is free",
        (
            "find out what takes so long; increase web_sites[].uwsgi.processes or threads to handle more requests at "
            "once; by hand: find out what takes so long, or set more processes in /srv/uwsgi.ini, then restart uWSGI"
        ),
        ("no pong within 1.5 s: no pong within 1 s",),
    ),
    Case(
        "a request was killed",
        lambda site, host: (
            put(
                site.uwsgi, log="HARAKIRI ON WORKER 1 (pid: 7, try: 1)\nHARAKIRI [core 0] 192.0.2.9 - GET /slow since 1"
            ),
            put(site.uwsgi.options.values, harakiri=["2"]),
        ),
        "uwsgi.harakiri",
        "degraded",
        "harakiri: 1 request took longer than 2 s, and the worker was killed",
        (
            "make it faster, or increase web_sites[].nginx.read_timeout (harakiri follows it); by hand: make it "
            "faster, or raise harakiri in /srv/uwsgi.ini, then restart uWSGI"
        ),
        ("HARAKIRI ON WORKER 1 (pid: 7, try: 1) at GET /slow",),
    ),
    Case(
        "two requests were killed, by hand",
        lambda site, host: (
            put(site.uwsgi, log="HARAKIRI ON WORKER 1 (pid: 7, try: 1)\nHARAKIRI ON WORKER 2 (pid: 8, try: 1)"),
            put(site, managed=False),
        ),
        "uwsgi.harakiri",
        "degraded",
        "harakiri: 2 requests took longer than ? s, and the worker was killed",
        (
            "make it faster, or increase web_sites[].nginx.read_timeout (harakiri follows it); by hand: make it "
            "faster, or raise harakiri in /srv/uwsgi.ini, then restart uWSGI"
        ),
        ("HARAKIRI ON WORKER 2 (pid: 8, try: 1)",),
    ),
    Case(
        "a large cookie is refused",
        lambda site, host: put(site.probes[0], large_failure="the end came before an answer"),
        "uwsgi.buffer-size",
        "advice",
        "buffer-size is too small (4096): a request with a large cookie would get 502",
        (
            "web_sites[].uwsgi.options.buffer-size (65535 by default); by hand: set buffer-size = 32768 in "
            "/srv/uwsgi.ini, then restart uWSGI"
        ),
        ("a cookie of 4096 bytes: the end came before an answer",),
    ),
    Case(
        "a large request was refused",
        lambda site, host: (
            put(site.uwsgi, log="invalid request block size: 9000 (max 8192)...skip"),
            put(site.uwsgi.options.values, **{"buffer-size": ["8192"]}),
            put(site, nginx_events=[CUT_OFF]),
        ),
        "uwsgi.buffer-size",
        "degraded",
        "buffer-size is too small (8192): a request with a large cookie got 502",
        (
            "web_sites[].uwsgi.options.buffer-size (65535 by default); by hand: set buffer-size = 32768 in "
            "/srv/uwsgi.ini, then restart uWSGI"
        ),
        ("invalid request block size: 9000 (max 8192)", CUT_OFF),
    ),
]
CASES += doctor_logs.UWSGI


def test_a_site_that_was_fixed_a_moment_ago_and_answers_is_healthy():
    site, host = evidence()
    put(site.uwsgi, unit=RUNS, restarted=[NOW - 19, NOW - 9, NOW - 1], master=process(20, "uwsgi", NOW - 1))
    assert verdict(site, host)["status"] == "ok"


def test_a_large_request_of_the_doctor_itself_is_not_reported():
    site, host = evidence()
    put(site.uwsgi, log="invalid request block size: 9000 (max 8192)...skip")
    assert "uwsgi.buffer-size" not in faults_of(verdict(site, host))


CASES += doctor_by_hand_uwsgi.UWSGI


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_uwsgi_is_named(case):
    check(case)


@pytest.mark.parametrize("kind", ["http", ""])
def test_a_server_with_another_protocol_is_not_reported_as_busy(kind):
    site, host = evidence()
    silent(site, kind=kind)
    found = faults_of(verdict(site, host))
    assert ("uwsgi.busy" in found) is (not kind)
    assert ("socket.protocol" in found) is bool(kind)


def test_workers_are_not_busy_if_one_is_idle():
    site, host = evidence()
    silent(site)
    put(site.uwsgi, stats={"workers": [{"status": "busy"}, {"status": "idle"}]})
    assert set(roots(verdict(site, host))) == {"django.slow"}


@pytest.mark.parametrize(
    ("listens", "owner", "busy"),
    [
        ([], "python3 x", True),
        (["unix:/run/shop.sock"], "python3 x", True),
        (["unix:/run/x/shop/a.sock"], "uwsgi", True),
        (["unix:/run/other.sock"], "python3 x", False),
        (["127.0.0.1:8001"], "python3 x", False),
        (["127.0.0.1:8001"], "", True),
    ],
)
def test_workers_are_only_busy_if_they_listen_on_the_socket(listens, owner, busy):
    site, host = evidence()
    silent(site, owner=owner)
    put(site.uwsgi, listens=listens)
    found = faults_of(verdict(site, host))
    assert ("uwsgi.busy" in found) is busy
    assert "django.slow" not in found


@pytest.mark.parametrize(("where", "busy"), [("0.0.0.0:8001", True), ("0.0.0.0:8002", False)])
def test_workers_are_only_busy_if_they_listen_on_the_port(where, busy):
    site, host = evidence()
    silent(site, address="127.0.0.1:8001", real="", owner="uwsgi")
    put(site.uwsgi, listens=[where])
    assert ("uwsgi.busy" in faults_of(verdict(site, host))) is busy


def test_an_unknown_program_is_not_reported_as_a_slow_application():
    site, host = evidence()
    silent(site, owner="python3 x")
    put(site.uwsgi, master=None)
    put(site.server, stranger="python3 x")
    found = faults_of(verdict(site, host))
    assert "django.slow" not in found
    assert found["socket.silent"]["fix"].startswith("stop that program, and start the site's server there; or correct")


def test_a_unit_with_protect_home_cannot_start_a_program_in_home():
    site, host = evidence()
    unit = {
        "Id": "shop.service",
        "ActiveState": "failed",
        "ProtectHome": "yes",
        "ExecStart": "{ path=/home/a/bin/x ; }",
    }
    put(site, managed=False)
    put(site.uwsgi, master=None, unit=unit, log="shop.service: Main process exited, code=exited, status=203/EXEC")
    put(site.probes[0], answer=None, connect_error="ENOENT")
    fault = faults_of(verdict(site, host))["uwsgi.unit"]
    assert "ProtectHome=yes hides /home/a/bin/x from it (203/EXEC" in fault["cause"]
