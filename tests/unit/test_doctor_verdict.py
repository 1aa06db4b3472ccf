"""The verdict on a whole site: the chain, consequences, the first fault, and hidden secrets."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import examine, verdict
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Fetched, Probe
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.fault import Fault, Faults
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.look_site import secrets_of
from doctor_evidence import answer, evidence, faults_of, hop_of, put, roots

CHAIN = ["client", "name", "firewalld", "host", "nginx", "location", "socket", "uwsgi", "app", "django", "database"]
CHAIN += ["static", "media", "background"]


def test_healthy_evidence_is_all_ok():
    report = verdict.verdict(*evidence())
    assert [hop["hop"] for hop in report["hops"]] == CHAIN
    assert {hop["status"] for hop in report["hops"]} == {"ok"}
    assert {hop["hop"]: hop["evidence"] for hop in report["hops"]} == {
        "client": ["GET http://shop.example/ at 192.0.2.1 -> 200 OK in 0.10 s"],
        "name": ["shop.example is a reserved name, which public DNS does not resolve"],
        "firewalld": ["zone public allows 80/tcp"],
        "host": ["free space on every file system of the site; the clock is correct"],
        "nginx": ["process 10 with 1 workers as www-data; nginx -t is ok"],
        "location": ["/ -> uwsgi_pass unix:/run/shop.sock; in /etc/nginx/nginx.conf:5"],
        "socket": ["uwsgi to unix:/run/shop.sock: as www-data ok"],
        "uwsgi": ["process 20 as shop alone"],
        "app": ["shop.wsgi:application loads in /srv/code with Python 3.12"],
        "django": ["Django 5.2, shop.settings, DEBUG off"],
        "database": ["postgresql at db:5432: answers, all migrations are applied"],
        "static": ["GET /static/a.css -> 200, /srv/static/a.css"],
        "media": ["the project has no media, or nothing serves them"],
        "background": ["no workers and no timers"],
    }
    assert {key: report[key] for key in ("name", "domains", "managed", "status", "first", "ladder")} == {
        "name": "shop",
        "domains": ["shop.example"],
        "managed": True,
        "status": "ok",
        "first": None,
        "ladder": [],
    }


def resolve(site, host, addresses):
    put(site, domains=["a.de"], resolved={"a.de": addresses})
    put(host.nginx, config=None)


@pytest.mark.parametrize(
    ("hop", "change", "seen"),
    [
        ("client", lambda site, host: put(site, wanted_status=[200, 404]), ["GET http://shop.example/ at 192.0.2.1"]),
        ("name", lambda site, host: resolve(site, host, "x 192.0.2.1"), ["a.de -> x 192.0"]),
        ("name", lambda site, host: resolve(site, host, "::1"), ["a.de -> ::1"]),
        ("firewalld", lambda site, host: put(host.firewall, installed=False), ["firewalld is not installed"]),
        (
            "firewalld",
            lambda site, host: put(host.firewall, running=False, enabled=False),
            ["firewalld is installed but not enabled", "it is not known what the packet filter does"],
        ),
        ("firewalld", lambda site, host: put(host.firewall, opened=["79-81/tcp"]), ["zone public allows 80/tcp"]),
        ("firewalld", lambda site, host: put(host.firewall, opened=["80-81/tcp"]), ["zone public allows 80/tcp"]),
        ("firewalld", lambda site, host: put(host.firewall, opened=["79-80/tcp"]), ["zone public allows 80/tcp"]),
        ("firewalld", lambda site, host: put(host.firewall, opened=[], target="ACCEPT"), ["zone public allows 80/tcp"]),
        (
            "firewalld",
            lambda site, host: put(host.firewall, opened=[], rules=['rule port port="80" protocol="tcp" accept']),
            ["zone public has a rich rule for 80/tcp"],
        ),
        (
            "firewalld",
            lambda site, host: put(host.firewall, opened=[], rules=['rule service name="http" accept']),
            ["zone public has a rich rule for 80/tcp"],
        ),
        (
            "host",
            lambda site, host: put(host, controller_time=0.0),
            ["free space on every file system of the site; the"],
        ),
        ("host", lambda site, host: put(host, controller_time=host.now - 60), ["free space on every file system of"]),
        ("host", lambda site, host: put(host, controller_time=host.now + 60), ["free space on every file system of"]),
        (
            "socket",
            lambda site, host: put(site.probes[0], described="srw-rw---- a:b /run/shop.sock"),
            ["uwsgi to srw-rw---- a:b /run/shop.sock: as www-data ok"],
        ),
        ("socket", lambda site, host: put(site.probes[0], answer=None, speaks="fastcgi"), ["fastcgi to unix:/run"]),
        (
            "uwsgi",
            lambda site, host: put(site.uwsgi, workers=[1, 2], unit={"Id": "a.service"}),
            ["process 20 as shop with 2 workers, a.service"],
        ),
        # HTTP sent to a uwsgi socket is not a large request.
        ("uwsgi", lambda site, host: put(site.uwsgi, log="invalid request block size: 21573 (max 4096)"), ["process"]),
        ("uwsgi", lambda site, host: put(site.uwsgi, log="invalid request block size: 4096 (max 4096)"), ["process"]),
        ("uwsgi", lambda site, host: put(site.probes[0], large_failure="no answer within 2 s"), ["process 20 as"]),
        # Three restarts, but not recently; three recent ones before a long uptime; two recent ones.
        ("uwsgi", lambda site, host: put(site.uwsgi, restarted=[host.now - 20] * 3), ["process 20 as shop"]),
        ("uwsgi", lambda site, host: put(site.uwsgi, restarted=[host.now - 5] * 3), ["process 20 as shop"]),
        (
            "uwsgi",
            lambda site, host: (
                put(site.uwsgi, restarted=[host.now - 1] * 2),
                put(site.uwsgi.master, started=host.now - 1),
            ),
            ["process 20 as shop"],
        ),
        (
            "uwsgi",
            lambda site, host: (
                put(site.uwsgi, restarted=[host.now - 5] * 3),
                put(site.uwsgi.master, started=host.now - 2),
            ),
            ["process 20 as shop"],
        ),
        (
            "uwsgi",
            lambda site, host: (
                put(site.probes[0], owner="gunicorn (pid 7, shop)"),
                put(site.uwsgi, master=None, installed=False),
            ),
            ["not uWSGI: gunicorn (pid 7, shop) answers"],
        ),
        ("static", lambda site, host: put(site.static, file=""), ["GET /static/a.css -> 200"]),
        (
            "static",
            lambda site, host: put(site.inside["files"], static_used=False),
            ["the project has no static files"],
        ),
        (
            "static",
            lambda site, host: put(site.inside["files"], static_url="https://cdn.example/x/"),
            ["https://cdn.example/x/ is on another host"],
        ),
        ("media", lambda site, host: put(site, media=Fetched("/media/a.png", 200)), ["GET /media/a.png -> 200"]),
        (
            "media",
            lambda site, host: (put(site, media=Fetched("/media/x")), put(site.inside["files"], media_root="/m")),
            ["/m: nothing was uploaded yet"],
        ),
        (
            "media",
            lambda site, host: (
                put(site, media=Fetched("/media/x")),
                put(site.inside["files"], media_root="/m"),
                put(site.places, media_root=False),
            ),
            ["/m does not exist yet: nothing was uploaded"],
        ),
    ],
)
def test_healthy_hops_have_evidence(hop, change, seen):
    site, host = evidence()
    change(site, host)
    found = hop_of(verdict.verdict(site, host), hop)
    assert (found["status"], found["faults"]) == ("ok", [])
    assert [line[: len(wanted)] for line, wanted in zip(found["evidence"], seen)] == seen


@pytest.mark.parametrize(
    ("hop", "change"),
    [
        ("client", lambda site, host: put(site, entrances=[])),
        ("location", lambda site, host: put(host.nginx, config=None)),
        ("location", lambda site, host: put(site.entrances[0], wanted=[])),
        ("django", lambda site, host: put(site, inside={})),
        ("database", lambda site, host: put(site, inside={})),
        ("static", lambda site, host: put(site, inside={}, static=None)),
        ("media", lambda site, host: put(site, inside={})),
        # It needed some time before it came to the database.
        (
            "database",
            lambda site, host: put(
                site,
                inside={"database": {"address": "db:5432", "after": 2.0}},
                inside_timed_out=True,
                inside_last="database",
            ),
        ),
    ],
)
def test_hops_without_facts_are_unknown(hop, change):
    site, host = evidence()
    change(site, host)
    found = hop_of(verdict.verdict(site, host), hop)
    assert (found["status"], found["faults"], found["evidence"]) == ("unknown", [], [])


@pytest.mark.parametrize(
    ("status", "wanted", "good"),
    [(200, [], True), (404, [], True), (400, [], False), (499, [], True), (500, [], False), (302, [200], False)],
)
def test_a_good_status_is_one_of_the_health_check_or_no_error(status, wanted, good):
    site, host = evidence()
    put(site.entrances[0], answer=answer(status))
    put(site, wanted_status=wanted)
    assert (hop_of(verdict.verdict(site, host), "client")["status"] == "ok") is good


# --- what follows from what ---


def test_consequences_are_marked_and_come_after_their_cause():
    site, host = evidence()
    site.uwsgi.master = None
    site.uwsgi.unit = {"Id": "uwsgi-shop.service", "ActiveState": "inactive", "SubState": "dead"}
    site.probes[0] = Probe("unix:/run/shop.sock", "uwsgi", exists=False, connect_error="ENOENT")
    site.entrances[0].answer = answer(502, "Bad Gateway")
    report = verdict.verdict(site, host)
    assert set(roots(report)) == {"uwsgi.stopped"}
    follows = {hop["hop"]: hop["follows"] for hop in report["hops"] if hop["status"] == "broken"}
    assert follows == {"client": "uwsgi", "socket": "uwsgi", "uwsgi": ""}
    assert report["first"]["fault"] == "uwsgi.stopped"


def attributed(*faults):
    """Return {name: the hop that it is a consequence of} for faults given as 'name status'."""
    made = [Fault(*fault.split(), "", "") for fault in faults]
    verdict.attribute(made)
    return {fault.name: fault.follows for fault in made}


def test_a_fault_is_a_consequence_of_the_innermost_hop():
    found = attributed("client.status broken", "socket.missing broken", "uwsgi.stopped broken", "app.import broken")
    assert found == {"client.status": "app", "socket.missing": "app", "uwsgi.stopped": "app", "app.import": ""}


def test_a_broken_hop_is_not_a_consequence_of_a_degraded_one():
    assert attributed("django.error broken", "app.import degraded")["django.error"] == ""
    assert attributed("django.timeouts degraded", "uwsgi.harakiri degraded")["django.timeouts"] == "uwsgi"
    assert attributed("django.timeouts degraded", "uwsgi.busy broken")["django.timeouts"] == "uwsgi"


def test_an_unknown_hop_has_no_consequences():
    assert attributed("client.status broken", "app.unseen unknown")["client.status"] == ""


def test_a_fault_is_not_a_consequence_of_its_own_hop_unless_the_register_names_one():
    # nginx.stopped names nginx.config; socket.silent names the hop uwsgi, which is not its own.
    assert attributed("nginx.stopped broken", "nginx.config broken") == {"nginx.stopped": "nginx", "nginx.config": ""}
    assert attributed("client.no-answer broken", "client.status broken") == {
        "client.no-answer": "",
        "client.status": "",
    }


# --- two faults ---


def test_of_two_faults_in_a_hop_the_root_fault_is_shown():
    """nginx.stopped is as broken as nginx.config, comes after it, and is a consequence of it."""
    site, host = evidence()
    put(host.nginx, master=None, workers=[], unit={"ActiveState": "failed"})
    host.nginx.tested.status, host.nginx.tested.err = 1, "nginx: [emerg] unknown directive"
    put(host, listeners=[])
    hop = hop_of(verdict.verdict(site, host), "nginx")
    assert [(fault["fault"], fault["follows"]) for fault in hop["faults"]] == [
        ("nginx.config", ""),
        ("nginx.stopped", "nginx"),
    ]
    assert (hop["status"], hop["cause"], hop["fix"], hop["follows"]) == (
        "broken",
        "the configuration of nginx is broken: unknown directive; nginx does not run",
        "correct the line that nginx names, then nginx -t && systemctl restart nginx",
        "",
    )
    assert hop["evidence"] == ["[emerg] unknown directive"]


def test_of_two_faults_in_a_hop_the_worse_one_is_shown_in_any_order():
    site, host = evidence()
    put(site.inside["settings"], debug=True)
    site.inside["failed settings"] = {"error": "ImproperlyConfigured: no"}
    hop = hop_of(verdict.verdict(site, host), "django")
    assert [(fault["fault"], fault["status"]) for fault in hop["faults"]] == [
        ("django.settings", "broken"),
        ("django.debug", "degraded"),
    ]
    assert (hop["status"], hop["cause"]) == ("broken", "the settings cannot be used: ImproperlyConfigured: no")


def test_a_hop_is_as_broken_as_its_worst_fault_even_if_that_is_a_consequence():
    judged = verdict.Judged(
        "uwsgi",
        ["it runs"],
        [
            Fault("uwsgi.harakiri", "degraded", "", ""),
            Fault("uwsgi.stopped", "broken", "", "", follows="app"),
            Fault("uwsgi.buffer-size", "advice", "", ""),
        ],
    )
    assert judged.status == "broken"
    assert verdict.Judged("uwsgi", ["it runs"], judged.faults[2:]).status == "ok"


def test_of_two_equal_faults_in_a_hop_the_first_one_is_shown():
    site, host = evidence()
    put(site, full=["/a: no room", "/b: no room"])
    hop = hop_of(verdict.verdict(site, host), "host")
    assert [fault["evidence"] for fault in hop["faults"]] == [["/a: no room"], ["/b: no room"]]
    assert hop["evidence"] == ["/a: no room"]


def test_a_degraded_fault_comes_before_an_unknown_one():
    site, host = evidence()
    host.nginx.changed = ["/a"]
    put(host.nginx.tested, status=0)
    put(site, domains=["shop.com"], resolved={"shop.com": "198.51.100.1"})
    host.firewall.running = False
    put(site.entrances[0], answer=None, failure="timed out")
    report = verdict.verdict(site, host)
    assert report["status"] == "broken"  # no server has that name
    assert [fault["fault"] for fault in hop_of(report, "name")["faults"]] == ["name.no-server", "name.elsewhere"]


@pytest.mark.parametrize(("served", "status"), [(200, "degraded"), (502, "broken")])
@pytest.mark.parametrize("unread", ["nginx.config", "nginx.not-reloaded"])
def test_a_file_that_nginx_has_not_read_yet_is_only_degraded(unread, served, status):
    site, host = evidence()
    put(host.nginx.tested, status=int(unread == "nginx.config"), err="nginx: [emerg] no")
    host.nginx.changed = ["/etc/nginx/nginx.conf"]
    put(site, handler=None, probes=[])
    put(site.entrances[0], answer=answer(served))
    report = verdict.verdict(site, host)
    found = faults_of(report)["location.no-pass"]
    assert (found["status"], found["follows"]) == (status, "nginx" if served == 200 else "")
    assert report["status"] == status
    assert report["first"]["fault"] == (unread if served == 200 else "location.no-pass")


def test_a_broken_hop_comes_before_an_outer_one_that_is_only_degraded():
    site, host = evidence()
    host.firewall.running = False
    site.static = Fetched("/static/a.css", 404, file="/srv/other/a.css", wanted="/srv/static/a.css", elsewhere=True)
    report = verdict.verdict(site, host)
    assert set(roots(report)) == {"firewalld.stopped", "static.alias"}
    assert report["first"]["fault"] == "static.alias"
    assert report["status"] == "broken"


def test_a_site_with_degraded_faults_only_is_not_broken():
    site, host = evidence()
    host.firewall.running = False
    report = verdict.verdict(site, host)
    assert (report["status"], report["first"]["fault"]) == ("degraded", "firewalld.stopped")


def test_an_unknown_fault_is_never_the_first_fault():
    site, host = evidence()
    host.nginx.tested.status = None
    report = verdict.verdict(site, host)
    assert (report["status"], report["first"]) == ("unknown", None)
    assert roots(report)["nginx.untested"]["status"] == "unknown"


def test_empty_lines_are_removed_from_the_evidence():
    site, host = evidence()
    put(site, chain=[], handler=None)
    assert faults_of(verdict.verdict(site, host))["location.no-pass"]["evidence"] == []


# --- the register ---


def test_a_fault_needs_a_declared_name():
    faults = Faults("client", {"client.status": ["nginx"]})
    made = faults.fault("client.status", "broken", "cause", "fix", ("seen",))
    assert made == Fault("client.status", "broken", "cause", "fix", ["seen"])
    with pytest.raises(
        ValueError, match=r"the hop client declares no fault client\.other; declared are client\.status"
    ):
        faults.fault("client.other", "broken", "cause", "fix")
    with pytest.raises(ValueError, match=r"begin with 'client\.', found nginx\.x"):
        Faults("client", {"client.status": [], "nginx.x": []})


# --- secrets ---

SECRETS = ["hunter2-env", "pa55-in-url", "key-in-a-setting", "cookie-of-a-client", "pa55-with-word"]


def test_no_secret_is_in_a_report():
    site, host = evidence()
    environment = {"MAIL_PASSWORD": "hunter2-env", "PATH": "/usr/bin", "HOME": "/home/shop", "SHORT": "abc"}
    environment |= {"LONG": "abcd", "SITE": "shop", "DOMAIN": "shop.example", "LC_ALL": "C.UTF-8", "PYTHONHOME": "/usr"}
    site.secrets = secrets_of(environment, site)
    assert site.secrets == ["hunter2-env", "abcd"]
    site.inside["failed database"] = {
        "step": "failed",
        "error": "OperationalError: hunter2-env postgres://shop:pa55-in-url@db/shop password=pa55-with-word",
    }
    site.inside["failed app"] = {"error": "ValueError: SECRET_KEY = 'key-in-a-setting'", "where": "settings.py:1"}
    site.nginx_events = ["client intended to send too large body: 1, Cookie: sessionid=cookie-of-a-client; a=b"]
    report = verdict.verdict(site, host)
    assert {"app.import", "database.unreachable", "location.body-size"} <= set(faults_of(report))
    said = json.dumps(report)
    for secret in SECRETS:
        assert secret not in said, secret
    assert "postgres://********@db/shop" in said


def test_overlapping_secrets_are_hidden_completely():
    for secrets in (["secret", "secret-and-more"], ["secret-and-more", "secret"]):
        assert verdict.hide("is secret-and-more, is secret.", secrets) == "is ********, is ********."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redis://:pw@cache:6379/0", "redis://********@cache:6379/0"),
        ("see https://example.com/a@b", "see https://example.com/a@b"),
        ("DB_PASSWORD='x y' rest", "DB_PASSWORD=******** y' rest"),
        ('{"api_key": "abc", "a": 1}', '{"api_key": ********", "a": 1}'),
        ("csrftoken=abc; sessionid=def", "csrftoken=********; sessionid=********"),
        ("Token : abc", "Token : ********"),
        ("a passing word = x", "a passing word = x"),
    ],
)
def test_texts_that_look_like_credentials_are_hidden(text, said):
    assert verdict.hide({"a": [text, 1, None]}, []) == {"a": [said, 1, None]}


# --- the request ---


@pytest.mark.parametrize(
    ("sites", "names", "said"),
    [
        (
            [{"name": "shop"}],
            [],
            ["sites[0] is ['domains', 'name']; expected a mapping with at least name and domains"],
        ),
        ([{"name": "shop", "domains": []}], [], ["sites[0] is ['domains', 'name']; expected a mapping with at least "]),
        ([{"name": 7, "domains": ["a"]}], [], ["sites[0] is ['domains', 'name']; expected a mapping with at least "]),
        (
            [{"name": "shop", "domains": ["a"]}, {"name": "blog", "domains": ["b"]}],
            ["shpo"],
            ["there is no site 'shpo'; known sites are blog, shop; did you mean 'shop'?"],
        ),
        ([{"name": "shop", "domains": "a"}], ["shop"], []),
        ([], ["shop"], ["there is no site 'shop'; known sites are none"]),
    ],
)
def test_an_invalid_request_lists_the_known_names(sites, names, said):
    found = examine.request_faults(sites, names)
    assert [line[: len(wanted)] for line, wanted in zip(found, said)] == said
    assert len(found) == len(said)


def test_an_invalid_request_gathers_no_facts(monkeypatch):
    monkeypatch.setattr(examine, "look_at_host", lambda when: pytest.fail("facts were gathered"))
    with pytest.raises(
        examine.RequestError, match=r"expected a mapping.*; there is no site 'x'; known sites are shop$"
    ):
        examine.examine({"sites": [{"name": "shop"}], "names": ["x"], "controller_time": 0.0})


@pytest.mark.parametrize(("names", "asked"), [([], ["shop", "blog"]), (["blog"], ["blog"])])
@pytest.mark.parametrize("deep", [False, True])
def test_each_requested_site_is_examined(monkeypatch, names, asked, deep):
    seen, host = [], evidence()[1]

    def look(given, at, patience):
        assert at is host
        assert patience.look == 7.5
        seen.append(given["name"])
        site, _host = evidence()
        put(site, name=given["name"], secrets=["xyzzy"])
        put(site.entrances[0], answer=answer(500 if given["name"] == "shop" else 200))
        return site

    def climb(site, good):
        assert (good(200), good(500)) == (True, False)
        return [examine.ladder.Rung("one", "ok", ["an xyzzy"], "")]

    monkeypatch.setattr(examine, "look_at_host", lambda when: host if when == 5.0 else None)
    monkeypatch.setattr(examine, "look_at_site", look)
    monkeypatch.setattr(examine.ladder, "climb", climb)
    sites = [{"name": "shop", "domains": ["a"]}, {"name": "blog", "domains": ["b"]}]
    wanted = {"sites": sites, "names": names, "controller_time": 5.0, "patience": 7.5, "deep": deep}
    found = examine.examine(wanted)
    assert [report["name"] for report in found["sites"]] == seen == asked
    assert found["broken"] is ("shop" in asked)
    for report in found["sites"]:
        assert 0 <= report["seconds"] < 5
        rung = {"rung": "one", "status": "ok", "evidence": ["an ********"], "cause": ""}
        assert report["ladder"] == ([rung] if deep else [])


def test_a_short_value_of_the_environment_is_only_hidden_as_a_word_and_not_in_codes():
    report = {"fault": "uwsgi.unit", "cause": "uwsgi and wsgi, wsgi-file; asgi", "hops": [{"hop": "wsgi"}]}
    told = verdict.hide(report, ["wsgi"])
    assert told == {
        "fault": "uwsgi.unit",
        "cause": "uwsgi and ********, ********-file; asgi",
        "hops": [{"hop": "wsgi"}],
    }
    assert verdict.hide("Xlong-secretX", ["long-secret"]) == "X********X"
