"""Whether uWSGI runs, and whether a worker is free. What the doctor says of each fault, word by word."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from doctor_evidence import NOW, UNIT, Case, check, evidence, faults_of, process, put, roots

RUNS = {"Id": UNIT, "ActiveState": "active", "SubState": "running", "NRestarts": "0"}
LOOP = {"Id": UNIT, "ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "4"}
LOG = "a\nb\nc\nd\nsystemd says\ne\nf\n[strict-mode] unknown config directive: nosuch"


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


CASES = [
    Case(
        "none",
        lambda site, host: put(site.uwsgi, installed=False, master=None),
        "uwsgi.missing",
        "broken",
        "there is no uWSGI on this host",
        "playbooks/site.yml",
        (),
    ),
    Case(
        "auto-restart",
        lambda site, host: put(site.uwsgi, unit=LOOP, log=LOG),
        "uwsgi.crashing",
        "broken",
        "uWSGI ends and is started again, over and over: [strict-mode] unknown config directive: nosuch",
        "journalctl -u uwsgi-shop@0123456789ab.service -n 50; a rollback brings the release before",
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
        "starting again",
        lambda site, host: put(site.uwsgi, unit={**LOOP, "SubState": "start"}, restarted=[NOW - 500], log=""),
        "uwsgi.crashing",
        "broken",
        "uWSGI ends and is started again, over and over: it says nothing",
        "journalctl -u uwsgi-shop@0123456789ab.service -n 50; a rollback brings the release before",
        ("uwsgi-shop@0123456789ab.service: activating/start, 4 restarts",),
    ),
    Case(
        "three restarts just now, and young",
        lambda site, host: put(
            site.uwsgi, unit=RUNS, restarted=[NOW - 19, NOW - 9, NOW - 1], master=process(20, "uwsgi", NOW - 1)
        ),
        "uwsgi.crashing",
        "broken",
        "uWSGI ends and is started again, over and over: it says nothing",
        "journalctl -u uwsgi-shop@0123456789ab.service -n 50; a rollback brings the release before",
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
        "stopped, known by its ini",
        lambda site, host: put(site.uwsgi, master=None, command=["uwsgi", "--ini", "/srv/x.ini"]),
        "uwsgi.stopped",
        "broken",
        "uWSGI is stopped",
        "uwsgi --ini /srv/x.ini",
        ("no uWSGI of this site in the process table",),
    ),
    Case(
        "stopped, nothing known",
        lambda site, host: put(site.uwsgi, master=None),
        "uwsgi.stopped",
        "broken",
        "uWSGI is stopped",
        "start uWSGI",
        ("no uWSGI of this site in the process table",),
    ),
    Case(
        "all busy, says uWSGI",
        lambda site, host: (silent(site), put(site.uwsgi, stats=workers("/b", "/a", "/c", "/d"))),
        "uwsgi.busy",
        "broken",
        "all workers are busy: requests wait until one is free",
        "find what takes so long; web_sites[].uwsgi.processes or threads for more at once",
        ("4 of 4 workers are busy: /a, /b, /c",),
    ),
    Case(
        "all busy, without a path",
        lambda site, host: (silent(site), put(site.uwsgi, stats={"workers": [{"status": "busy"}]})),
        "uwsgi.busy",
        "broken",
        "all workers are busy: requests wait until one is free",
        "find what takes so long; web_sites[].uwsgi.processes or threads for more at once",
        ("1 of 1 workers are busy",),
    ),
    Case(
        "all busy, nobody answers a ping",
        lambda site, host: silent(site),
        "uwsgi.busy",
        "broken",
        "all workers are busy: requests wait until one is free",
        "find what takes so long; web_sites[].uwsgi.processes or threads for more at once",
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
        "make it faster, or web_sites[].nginx.read_timeout (harakiri follows it)",
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
        "make it faster, or raise harakiri in the ini",
        ("HARAKIRI ON WORKER 2 (pid: 8, try: 1)",),
    ),
    Case(
        "a large cookie is refused",
        lambda site, host: put(site.probes[0], large_failure="the end came before an answer"),
        "uwsgi.buffer-size",
        "degraded",
        "buffer-size is too small (4096): a request with a large cookie gets 502",
        ("web_sites[].uwsgi.options.buffer-size (65535 is the default here); by hand: buffer-size = 32768"),
        ("a cookie of 4096 bytes: the end came before an answer",),
    ),
    Case(
        "a large request was refused",
        lambda site, host: (
            put(site.uwsgi, log="invalid request block size: 9000 (max 8192)...skip"),
            put(site.uwsgi.options.values, **{"buffer-size": ["8192"]}),
        ),
        "uwsgi.buffer-size",
        "degraded",
        "buffer-size is too small (8192): a request with a large cookie gets 502",
        ("web_sites[].uwsgi.options.buffer-size (65535 is the default here); by hand: buffer-size = 32768"),
        ("invalid request block size: 9000 (max 8192)",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_uwsgi_is_named(case):
    check(case)


@pytest.mark.parametrize("kind", ["http", ""])
def test_who_answers_in_another_protocol_is_not_busy(kind):
    site, host = evidence()
    silent(site, kind=kind)
    found = faults_of(verdict(site, host))
    assert ("uwsgi.busy" in found) is (not kind)
    assert ("socket.protocol" in found) is bool(kind)


def test_one_worker_that_is_free_is_enough():
    site, host = evidence()
    silent(site)
    put(site.uwsgi, stats={"workers": [{"status": "busy"}, {"status": "idle"}]})
    assert set(roots(verdict(site, host))) == {"django.slow"}
