"""What the doctor reads in logs: access logs, nginx's errors, the last start of a unit; and pages with their files."""

from __future__ import annotations

import calendar
import json
import os
import time

import doctor_logs
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import (
    access_log,
    django_again,
    judge_pages,
    look_again,
    look_logs,
    look_pages,
    look_uwsgi,
    visited,
)
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_logs import NginxLine, Visit
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.hops import django
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.last_start import of_last_start
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import Obstacle
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol
from doctor_evidence import NOW, answer, evidence, faults_of, process, put, roots
from doctor_logs import START, TRACEBACK, nginx_said

LINE = '192.0.2.7 - - [15/Jan/2027:08:00:01 +0100] "GET {} HTTP/1.1" {} 12 "-" "{}"'
WHEN = calendar.timegm((2027, 1, 15, 7, 0, 1, 0, 0, 0))


@pytest.mark.parametrize(
    ("line", "log_format", "found"),
    [
        (LINE.format("/a?password=x", 500, "curl"), access_log.COMBINED, Visit(WHEN, "GET", "/a", 500)),
        (LINE.format("/", 200, "pyweb.stack"), access_log.COMBINED, Visit(WHEN, "GET", "/", 200, own=True)),
        # A format that begins with combined and has more fields.
        (LINE.format("/", 200, "x") + " 0.1 -", access_log.COMBINED, Visit(WHEN, "GET", "/", 200)),
        (LINE.format("http://shop.example/a/b", 200, "x"), access_log.COMBINED, Visit(WHEN, "GET", "/a/b", 200)),
        (
            "2027-01-15T08:00:01+01:00|POST|/form?x=1|502",
            "$time_iso8601|$request_method|$request_uri|$status",
            Visit(WHEN, "POST", "/form", 502),
        ),
        (
            f'{{"t":{WHEN}.25,"r":"GET / HTTP/1.1","s":404}}',
            '{"t":$msec,"r":"${request}","s":$status}',
            Visit(WHEN + 0.25, "GET", "/", 404),
        ),
        (LINE.format("/", 200, "x"), "$remote_addr $status", None),
        (LINE.format("/", 200, "x"), "$remote_addr$status $time_local $request", None),
        ("no line of a log", access_log.COMBINED, None),
        (LINE.format("/", "20x", "x"), access_log.COMBINED, None),
        ('1 - - [99/Foo/2027:08:00:01 +0100] "GET / HTTP/1.1" 200 1 "-" "x"', access_log.COMBINED, None),
        ('1 - - [15/Jan/2027:08:00:01 +0100] "\\x16\\x03" 400 1 "-" "x"', access_log.COMBINED, None),
    ],
)
def test_line_of_an_access_log_is_read(line, log_format, found):
    assert access_log.visits(line, log_format) == ([found] if found else [])


def test_format_with_a_host_shows_the_site_of_a_line():
    log_format = "$host " + access_log.COMBINED
    lines = "\n".join([f"shop.example {LINE.format('/a', 200, 'x')}", f"other.example {LINE.format('/b', 200, 'x')}"])
    assert access_log.names_hosts(log_format)
    assert not access_log.names_hosts(access_log.COMBINED)
    assert [visit.path for visit in access_log.visits(lines, log_format, ["shop.example"])] == ["/a"]


def test_a_very_long_line_is_read_quickly():
    began = time.monotonic()
    assert access_log.visits('1 - - [x] "' + "GET " * 500_000, access_log.COMBINED) == []
    assert access_log.uwsgi_visits("[pid: 1|app: " * 100_000) == []
    assert time.monotonic() - began < 2


def test_requests_in_the_log_of_uwsgi_are_read():
    log = (
        "[pid: 7|app: 0|req: 1/2] 192.0.2.7 () {40 vars in 600 bytes} [Fri Jan 15 08:00:01 2027] GET /db/?a=b => "
        "generated 145 bytes in 12 msecs (HTTP/1.1 500) 8 headers in 200 bytes (1 switches on core 0)"
    )
    [visit] = access_log.uwsgi_visits(f"x\n{log}\ny")
    assert (visit.method, visit.path, visit.status) == ("GET", "/db/", 500)
    assert visit.when == time.mktime((2027, 1, 15, 8, 0, 1, 0, 0, -1))


def test_requests_in_the_log_of_another_server_are_read():
    log = 'INFO:     127.0.0.1:4242 - "GET /boom/?a=b HTTP/1.1" 500 Internal Server Error\nnothing'
    assert access_log.own_visits(log, 7.0) == [Visit(7.0, "GET", "/boom/", 500)]


# --- lines that count ---


def failing(*lines):
    site, _host = evidence()
    doctor_logs.visited(site, *lines)
    return [(page.path, page.count) for page in visited.failing(site, (500,), START)]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["500 /a", "500 /b", "500 /b"], [("/b", 2), ("/a", 1)]),
        (["500 /a", "200 /a"], []),
        (["500 /a", "own 200 /a"], []),
        (["200 /a", "500 /a", "499 /a"], [("/a", 1)]),
        (["old 500 /a"], []),
        (["own 500 /a"], []),
        (["404 /a", "400 /"], []),
    ],
)
def test_page_fails_until_something_shows_that_it_works_again(lines, found):
    assert failing(*lines) == found


def test_failures_older_than_a_day_are_ignored():
    site, _host = evidence()
    site.logs.visits = [Visit(START + 1, "GET", "/a", 500), Visit(START + 90000, "GET", "/", 200)]
    assert visited.failing(site, (500,), START) == []


def test_failed_pages_are_not_reported_while_the_site_does_not_answer():
    site, host = evidence()
    doctor_logs.visited(site, "500 /a", "502 /b")
    put(site.probes[0], answer=None, failure="no")
    assert not {"django.pages", "client.pages"} & set(faults_of(verdict(site, host)))


def test_two_exceptions_are_two_faults():
    site, _host = evidence()
    doctor_logs.visited(site, "500 /db/", "500 /x/")
    other = TRACEBACK.replace("/db/", "/x/").replace("no such table: shop_item", "database is locked")
    put(site.uwsgi, log=TRACEBACK + other)
    causes = [fault.cause for fault in judge_pages.judge(django.FAULTS, site)]
    assert ["shop_item" in cause for cause in causes].count(True) == 1
    assert any("/x/ (1 x 500): django.db.utils.OperationalError: database is locked" in cause for cause in causes)


def test_500_is_a_consequence_of_a_database_fault():
    site, host = evidence()
    doctor_logs.visited(site, "500 /db/")
    site.inside["migrations"] = {"unapplied": ["shop.0002"]}
    report = verdict(site, host)
    assert faults_of(report)["django.pages"]["follows"] == "database"
    assert set(roots(report)) == {"database.migrations"}


def test_reload_of_nginx_ends_faults_that_only_nginx_reports():
    site, host = evidence()
    doctor_logs.visited(site, "500 /a")
    site.logs.nginx_since = START + 500
    assert "django.pages" not in faults_of(verdict(site, host))
    put(site.uwsgi, log=TRACEBACK)
    assert "django.pages" in faults_of(verdict(site, host))


@pytest.mark.parametrize(
    "text",
    [
        'open() "/srv/static/favicon.ico" failed (2: No such file or directory), client: 192.0.2.7',
        "SSL_do_handshake() failed (SSL: error:0A00006C:SSL routines::bad key share) while SSL handshaking",
        'access forbidden by rule, client: 192.0.2.7, server: shop.example, request: "GET /.git"',
        'directory index of "/srv/static/" is forbidden, client: 192.0.2.7',
        "connect() to unix:/run/shop.sock failed (111: Connection refused) while connecting to upstream",
        'limiting requests, excess: 5.2 by zone "login", client: 192.0.2.7',
        "an error of a kind that nobody knows",
    ],
)
def test_errors_caused_by_visitors_are_not_reported(text):
    site, host = evidence()
    nginx_said(site, f"2027/01/15 08:00:00 [error] 9#9: *1 {text}")
    assert roots(verdict(site, host)) == {}


def test_error_of_nginx_is_over_after_a_good_answer_or_a_restart_of_the_application():
    site, host = evidence()
    nginx_said(site, doctor_logs.CYCLE, request="GET /a")
    site.logs.visits = [Visit(NOW + 5, "GET", "/a", 200)]
    assert "nginx.errors" not in faults_of(verdict(site, host))
    site, host = evidence()
    nginx_said(site, doctor_logs.BIG, request="GET /big/")
    site.logs.app_since = NOW + 60
    assert "nginx.errors" not in faults_of(verdict(site, host))


def test_a_worker_that_uwsgi_kills_is_not_reported_as_killed_by_others():
    site, host = evidence()
    log = "HARAKIRI ON WORKER 1 (pid: 7, try: 1)\n" + "\n".join([doctor_logs.DAMN.format(1, 7)] * 2)
    put(site.uwsgi, log=log)
    assert "uwsgi.killed" not in faults_of(verdict(site, host))
    put(site.uwsgi, log=log.replace("HARAKIRI ON WORKER 1 (pid: 7", "worker 1 (pid: 7) is taking too much time to die"))
    assert "uwsgi.killed" not in faults_of(verdict(site, host))


def test_killed_workers_of_gunicorn_are_reported_except_those_that_it_ends_itself():
    site, host = evidence()
    lines = [f"[7] [ERROR] Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?" for pid in (8, 9)]
    put(site.uwsgi, log="\n".join(lines))
    fault = faults_of(verdict(site, host))["uwsgi.killed"]
    assert fault["cause"].startswith("2 x `Worker was sent SIGKILL`: workers of gunicorn")
    put(site.uwsgi, log="\n".join([f"[7] [CRITICAL] WORKER TIMEOUT (pid:{pid})" for pid in (8, 9)] + lines))
    assert "uwsgi.killed" not in faults_of(verdict(site, host))


@pytest.mark.parametrize("state", ["active", "inactive"])
def test_unit_that_runs_or_was_stopped_did_not_fail(state):
    site, host = evidence()
    put(site.uwsgi, unit={"Id": "shop.service", "ActiveState": state}, log="exited, status=217/USER")
    put(site.probes[0], answer=answer() if state == "active" else None)
    assert "uwsgi.unit" not in faults_of(verdict(site, host))


def test_unit_that_fails_again_and_again_is_found_while_systemd_calls_it_active():
    site, host = evidence()
    doctor_logs.down(site, "x: Failed at step EXEC spawning /srv/uwsgi: No such file", {"ActiveState": "active"})
    assert "(203/EXEC, ExecStart=)" in faults_of(verdict(site, host))["uwsgi.unit"]["cause"]


# --- nginx's configuration and its errors ---


def site_with(text):
    site, _host = evidence()
    config = dump.parse(f"# configuration file /etc/nginx/nginx.conf:\n{text}")
    server = next(server for server in match.servers(config) if server.matches("shop.example"))
    site.chain = match.locate(server, "/")
    return site, config


SERVER = "server {{ listen 80; server_name {}; {} location / {{ uwsgi_pass unix:/run/{}.sock; }} }}"


@pytest.mark.parametrize(
    ("http", "server", "found"),
    [
        ("", "", [("/var/log/nginx/access.log", access_log.COMBINED)]),
        ("access_log off;", "", []),
        ("", "access_log /x.log;", [("/x.log", access_log.COMBINED)]),
        ("log_format f '$status ' \"$uri\";", "access_log /x.log f buffer=32k;", [("/x.log", "$status $uri")]),
        ("log_format f escape=json '$uri';", "access_log /x.log f;", [("/x.log", "$uri")]),
        ("", "access_log syslog:server=unix:/dev/log; access_log /x/$host.log; access_log /x gzip;", []),
    ],
)
def test_access_log_in_effect_is_found(http, server, found):
    site, config = site_with(f"http {{ {http} {SERVER.format('shop.example', server, 'shop')} }}")
    assert look_logs._access_logs(site, config) == found


def test_log_that_two_applications_share_is_ignored(tmp_path, monkeypatch):
    log = tmp_path / "access.log"
    log.write_text(LINE.format("/a", 500, "x") + "\n")
    shared = f"access_log {log};"
    two = SERVER.format("shop.example", "", "shop") + SERVER.format("other.example", "", "other")
    site, config = site_with(f"http {{ {shared} {two} }}")
    look_logs._read_visits(site, config)
    assert site.logs.visits == []
    site, config = site_with(f"http {{ {shared} {SERVER.format('shop.example', '', 'shop')} }}")
    look_logs._read_visits(site, config)
    assert [visit.path for visit in site.logs.visits] == ["/a"]
    assert site.logs.source == str(log)


def test_errors_of_other_sites_and_of_earlier_starts_are_ignored():
    def line(second, rest):
        return time.strftime(f"%Y/%m/%d %H:%M:{second:02d} ", time.localtime(NOW)) + rest

    base = time.mktime((*time.localtime(NOW)[:5], 0, 0, 0, -1))
    text = "\n".join(
        [
            line(1, "[crit] 9#9: too early"),
            line(20, '[error] 9#9: *1 mine, server: shop.example, request: "GET /a?key=1 HTTP/1.1", host: "x"'),
            line(21, '[error] 9#9: *1 other, server: other.example, request: "GET /b HTTP/1.1"'),
            line(22, "[crit] 9#9: nobody's"),
            line(23, "[notice] 9#9: no error"),
            line(24, "[error] 9#9: pyweb-doctor, server: shop.example,"),
        ]
    )
    found = look_logs.nginx_lines(text, {"shop.example"}, base + 10)
    assert [(one.level, one.request) for one in found] == [("error", "GET /a"), ("crit", "")]
    assert "key=1" not in found[0].text
    assert isinstance(found[0], NginxLine)


# --- files of logs ---


@pytest.mark.skipif(os.geteuid() != 0, reason="it changes the owner of a file")
def test_link_of_the_site_is_not_followed(tmp_path):
    target, link = tmp_path / "shadow", tmp_path / "app.log"
    target.write_text("secret\n")
    link.symlink_to(target)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    assert look_logs.tail(str(link), 100) == ""
    os.chown(link, 0, 0, follow_symlinks=False)
    assert look_logs.tail(str(link), 100) == "secret\n"


def test_fifos_and_devices_are_not_read_as_logs(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert look_logs.tail(str(tmp_path / "fifo"), 100) == ""
    assert look_logs.tail("/dev/zero", 100) == ""
    assert look_logs.tail(str(tmp_path / "nothing"), 100) == ""


def test_end_of_a_log_begins_with_a_whole_line(tmp_path):
    path = tmp_path / "log"
    path.write_text("first\nsecond\nthird\n")
    assert look_logs.tail(str(path), 10) == "third\n"
    assert look_logs.tail(str(path), 100) == "first\nsecond\nthird\n"


def test_logs_of_uwsgi_and_supervisor_are_found(tmp_path, monkeypatch):
    for name in ("a.log", "b.log", "c.log", "d.log"):
        (tmp_path / name).write_text(f"old\n*** Starting uWSGI 2\n{name}\n")
    part = tmp_path / "shop.conf"
    part.write_text(
        f"[program:shop]\ncommand = uwsgi --ini /srv/uwsgi.ini\nstdout_logfile = {tmp_path}/c.log\n"
        f"[program:other]\ncommand = uwsgi --ini /srv/x.ini\nstdout_logfile={tmp_path}/d.log\n"
    )
    monkeypatch.setattr(look_logs, "_SUPERVISOR", ())
    monkeypatch.setattr(look_logs, "_SUPERVISOR_PARTS", (str(part),))
    site, _host = evidence()
    put(site.uwsgi, master=None)
    put(site.uwsgi.options.values, logto=[f"{tmp_path}/a.log"], logger=["err file:b.log"], chdir=[str(tmp_path)])
    text, source = look_logs.app_log(site)
    assert [line for line in text.splitlines() if line.endswith(".log")] == ["a.log", "b.log", "c.log"]
    assert "old" not in text
    assert source == f"{tmp_path}/a.log"


def test_age_of_the_application_is_that_of_its_workers_unless_uwsgi_replaced_them():
    site, _host = evidence()
    site.uwsgi.workers = [process(21, "uwsgi", NOW - 50), process(22, "uwsgi", NOW - 40)]
    assert look_logs._loaded(site) == NOW - 50
    put(site.uwsgi, log="DAMN ! worker 1 (pid: 7) died, killed by signal 9")
    assert look_logs._loaded(site) == NOW - 1000
    put(site.uwsgi, master=None)
    assert look_logs._loaded(site) == 0.0


def test_start_that_fails_over_its_configuration_is_a_start():
    text = "[uWSGI] getting INI configuration from a.ini\n*** Starting uWSGI 1\nold error\n"
    last = (
        "[uWSGI] getting INI configuration from a.ini\n[uWSGI] getting INI configuration from b.ini\n[strict-mode] x\n"
    )
    assert look_uwsgi.since_start(text + last) == last
    assert look_uwsgi.since_start(text) == "*** Starting uWSGI 1\nold error\n"


# --- the last start of a unit ---


def journal(*entries):
    """journalctl's JSON output, the newest entry first."""
    lines = [
        json.dumps({"MESSAGE": text, which: number, "__REALTIME_TIMESTAMP": str(1_000_000 * second)})
        for second, (text, which, number) in enumerate(entries, 1)
    ]
    return "\n".join(["no json", *reversed(lines)])


def test_error_of_the_last_start_that_ended_is_shown():
    own, of_systemd = "_SYSTEMD_INVOCATION_ID", "INVOCATION_ID"
    said = journal(
        ("Started shop", of_systemd, "a"),
        ("ModuleNotFoundError: first", own, "a"),
        ("shop.service: Main process exited, code=exited, status=22/n/a", of_systemd, "a"),
        ("Started shop", of_systemd, "b"),
        ("KeyError: 'SECOND'", own, "b"),
        ("shop.service: Main process exited, code=exited, status=22/n/a", of_systemd, "b"),
        ("Started shop", of_systemd, "c"),
    )
    text, began = of_last_start(said)
    assert text.splitlines()[0] == "Started shop"
    assert "SECOND" in text
    assert "first" not in text
    assert began == 4.0


def ended(start, *own, restarted=True):
    """What the journal has of a start that fails."""
    lines = [("Started shop", "INVOCATION_ID", start), *own]
    lines.append(("shop.service: Main process exited, code=exited, status=1/FAILURE", "INVOCATION_ID", start))
    again = ("shop.service: Scheduled restart job, restart counter is at 3.", "INVOCATION_ID", start)
    return [*lines, *[again] * restarted]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_line_without_an_id_belongs_to_the_start_at_that_time(before):
    line = ("the ini does not exist", "_PID", "74")
    last = ended("b", restarted=False)
    said = journal(*ended("a", ("old", "_SYSTEMD_INVOCATION_ID", "a")), *([line, *last] if before else [*last, line]))
    text, began = of_last_start(said)
    assert "the ini does not exist" in text.splitlines()
    assert "old" not in text
    assert began == (6.0 if before else 5.0)


def test_start_that_printed_nothing_is_explained_by_the_one_that_systemd_restarted():
    own = ("the ini does not exist", "_SYSTEMD_INVOCATION_ID", "a")
    text, began = of_last_start(journal(*ended("a", own), *ended("b"), *ended("c", restarted=False)))
    assert text.splitlines()[0] == "the ini does not exist"
    assert began == 8.0
    # The user has started it again since, perhaps after a change.
    text, _began = of_last_start(journal(*ended("a", own, restarted=False), *ended("b", restarted=False)))
    assert "ini" not in text
    # It is known why: systemd could not start the program.
    step = ("shop.service: Failed at step EXEC spawning /usr/bin/uwsgi", "INVOCATION_ID", "b")
    assert "ini" not in of_last_start(journal(*ended("a", own), *ended("b", step, restarted=False)))[0]


@pytest.mark.parametrize(
    "line",
    [
        ("Failed to attach 60 to compat systemd cgroup", "_SYSTEMD_INVOCATION_ID", "b"),
        ("a unit file has an unknown key", "_PID", "1"),
    ],
    ids=["before the service", "of the manager"],
)
def test_lines_of_systemd_are_not_the_output_of_the_service(line):
    own = ("the ini does not exist", "_SYSTEMD_INVOCATION_ID", "a")
    said = journal(*ended("a", own), *ended("b", line, restarted=False))
    assert "the ini does not exist" in of_last_start(said)[0]


def test_journal_without_an_ended_start_shows_its_last_lines():
    assert of_last_start(journal(("a", "INVOCATION_ID", "x"), ("b", "INVOCATION_ID", "x"))) == ("a\nb", 1.0)
    assert of_last_start("") == ("", 0.0)
    assert of_last_start(json.dumps({"MESSAGE": [1, 2], "INVOCATION_ID": "x"})) == ("", 0.0)


# --- pages ---


def test_style_sheets_and_scripts_of_the_site_are_found():
    text = """<link rel="stylesheet" href="/static/a.css?v=1&amp;b"><LINK href='b.css' rel='stylesheet'>
    <link rel="icon" href="/favicon.ico"><script src="//shop.example/c.js"></script><script>inline</script>
    <script src="https://cdn.example/d.js"></script><script src="http://[bad"></script><link rel=stylesheet href=/e.css>
    <script src="/with space.js"></script><script src="data:text/javascript,1"></script>"""
    found = look_pages.files_of(text, "http://shop.example/x/", ["shop.example"])
    assert found == ["/static/a.css?v=1&b", "/x/b.css", "/c.js", "/e.css", "/with"]


def test_redirects_of_pages_are_followed_to_the_end(monkeypatch):
    site, host = evidence()
    html = {"content-type": "text/html"}
    pages = {
        "/": protocol.Answer(302, "Found", 0.1, {"location": "/login/?next=/"}),
        "/login/?next=/": protocol.Answer(200, "OK", 0.1, html, b'<link rel="stylesheet" href="/a.css">'),
        "/admin/login/": protocol.Answer(302, "Found", 0.1, {"location": "https://elsewhere.example/"}),
    }
    monkeypatch.setattr(
        look_pages, "get", lambda way, path, timeout, headers: pages.get(path, answer(404, "Not Found"))
    )
    look_pages.look_at_pages(site, host)
    assert [(page.path, page.end, page.status, page.named_by) for page in site.logs.pages] == [
        ("/", "/login/", 200, ""),
        ("/a.css", "", 404, "/"),
        ("/admin/login/", "/admin/login/", 302, ""),
    ]


def test_endless_redirects_of_a_page_stop(monkeypatch):
    site, host = evidence()
    asked = []

    def get(way, path, timeout, headers):
        asked.append(path)
        return protocol.Answer(302, "Found", 0.1, {"location": f"{path}x"})

    monkeypatch.setattr(look_pages, "get", get)
    look_pages.look_at_pages(site, host)
    assert len(asked) == 2 * (look_pages.REDIRECTS_MAX + 1)


# --- requests that are repeated ---


def test_only_the_exception_of_the_project_is_read():
    good = {"path": "/a", "status": 500, "error": "KeyError: 'x'", "where": "/srv/a.py:3"}
    lines = [json.dumps(given) for given in (good, {**good, "status": "500"}, {"path": "/a"}, [1])]
    said = "\n".join(["noise", *(django_again.PREFIX + line for line in lines), django_again.PREFIX + "no json"])
    [found] = look_again.read_raised(said)
    assert (found.path, found.error, found.where, found.status) == ("/a", "KeyError: 'x'", "/srv/a.py:3", 500)


def test_first_page_is_requested_again_only_if_the_log_has_no_traceback(monkeypatch):
    asked = []
    monkeypatch.setattr(look_again, "look_again", lambda site, paths, timeout: asked.append(paths))
    site, _host = evidence()
    look_again.look_again_at_first(site)
    put(site.probes[0], answer=answer(500))
    put(site.uwsgi, log=TRACEBACK)
    look_again.look_again_at_first(site)
    assert asked == []
    put(site.uwsgi, log="")
    look_again.look_again_at_first(site)
    assert asked == [["/"]]


def test_only_pages_whose_get_failed_are_requested_again(monkeypatch):
    asked = []
    monkeypatch.setattr(look_again, "look_again", lambda site, paths, timeout: asked.append(paths))
    site, _host = evidence()
    doctor_logs.visited(site, "500 /a", "500 /b", "200 /b")
    site.logs.visits.append(Visit(NOW, "POST", "/pay", 500))
    look_again.look_again_at_others(site)
    assert asked == [["/a"]]


def test_the_application_is_called_as_by_a_server():
    seen = {}

    def application(environ, start_response):
        seen.update(environ)
        start_response("503 Busy", [])
        return [b"x"]

    assert django_again.ask(application, "/a b", "shop.example:8080", True) == 503
    assert seen["REQUEST_METHOD"] == "GET"
    assert (seen["PATH_INFO"], seen["QUERY_STRING"], seen["SERVER_PORT"]) == ("/a b", "", "8080")
    assert (seen["HTTP_HOST"], seen["wsgi.url_scheme"]) == ("shop.example:8080", "https")
    assert "HTTP_COOKIE" not in seen


def test_an_exception_has_its_place_in_the_project():
    with pytest.raises(KeyError) as raised:
        {}["x\ny"]
    assert django_again.words(raised.value) == "KeyError: 'x\\ny'"
    assert django_again.where(raised.value).startswith(__file__)


def test_a_denied_file_that_nginx_can_use_now_is_no_fault(monkeypatch):
    closed = Obstacle("/srv/closed", "denied", "it is closed", "chmod o+r /srv/closed")
    monkeypatch.setattr(look_logs.path_walk, "obstacle", lambda path, who: closed if path == "/srv/closed" else None)
    lines = [
        NginxLine(NOW, "error", f'open() "{path}" failed (13: Permission denied)')
        for path in ("/srv/closed", "/srv/open")
    ]
    other = NginxLine(NOW, "crit", "connect() to unix:/a failed (13: Permission denied)")
    assert look_logs.still_true([*lines, other], Identity(33, 33)) == [lines[0], other]
