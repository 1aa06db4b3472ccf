"""`pyweb watch`: one passive look at each site, a line in the history, metrics written by rename."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.cli import watch as cli
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import log_count, look_site, memory, metrics, passive
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.memory import Noted
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.metrics import Sample
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer
from doctor_evidence import NOW, evidence

# A line of the text format 0.0.4: a comment, or a name with labels and a number.
LINE = re.compile(r'# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="(\\\\[\\\\"n]|[^"\\\\])*",?)+\})? -?[0-9.e+-]+')


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "WATCHED", str(tmp_path / "doctor"))
    monkeypatch.setattr(cli, "LOCK", str(tmp_path / "lock/timer.lock"))
    monkeypatch.delenv("PYWEB_METRICS", raising=False)
    return tmp_path


@pytest.fixture
def looked(monkeypatch):
    """Set the results of looks: {name: change(site, host)}, or an exception."""
    found = {}

    def look(given, host, patience, passive):
        assert passive
        change = found.get(given["name"])
        if isinstance(change, Exception):
            raise change
        site, _host = evidence()
        site.name, site.managed = given["name"], False
        for entrance in site.entrances:
            entrance.answer = Answer(200, "OK", 0.25)
        if change:
            change(site, host)
        return site

    monkeypatch.setattr(passive, "look_at_site", look)
    monkeypatch.setattr(cli, "look_at_host", lambda: evidence()[1])
    return found


def sites(*names):
    return [{"name": name, "domains": ["shop.example"]} for name in names]


def stop(site, _host):
    site.uwsgi.master, site.uwsgi.unit = None, {"Id": "uwsgi-shop.service", "ActiveState": "inactive"}
    site.uwsgi.installed = True
    for entrance in site.entrances:
        entrance.answer = Answer(502, "Bad Gateway", 0.1)
    for probe in site.probes:
        probe.exists, probe.connect_error = False, "ENOENT"


@pytest.mark.usefixtures("looked")
def test_a_run_leaves_a_line_and_a_snapshot(folder):
    assert cli.watch(sites("shop")) == 0
    [run] = memory.runs("shop")
    assert (run["t"], run["status"], run["hops"], run["code"]) == (int(NOW), "ok", {}, 200)
    noted = memory.read("shop")
    assert noted.healthy is not None
    assert noted.healthy == noted.working
    assert noted.healthy.time == NOW
    assert not list(folder.glob("*.prom"))


def test_a_broken_site_does_not_fail_the_unit_and_is_not_recorded_as_healthy(looked):
    looked["shop"] = stop
    assert cli.watch(sites("shop")) == 0
    [run] = memory.runs("shop")
    assert (run["status"], run["first"], run["code"]) == ("broken", "uwsgi.stopped", 502)
    assert memory.read("shop").healthy is memory.read("shop").working is None


def test_one_failing_look_does_not_stop_the_others_and_shows_no_secret(looked, capsys):
    looked["shop"] = ValueError("password=xyzzy")
    assert cli.watch(sites("shop", "blog")) == 1
    assert len(memory.runs("blog")) == 1
    assert capsys.readouterr().err == "pyweb watch: site 'shop': ValueError\n"


@pytest.mark.usefixtures("looked")
def test_the_state_of_a_removed_site_is_removed_by_the_next_run():
    cli.watch(sites("shop", "blog"))
    cli.watch(sites("blog"))
    assert memory.runs("shop") == []
    assert len(memory.runs("blog")) == 2


def test_a_simultaneous_run_does_nothing(folder, monkeypatch):
    monkeypatch.setattr(cli, "look_at_host", lambda: pytest.fail("a look was made"))
    with cli.hold(cli.LOCK, 0, ValueError):
        assert cli.watch(sites("shop")) == 0


# --- metrics ---


def test_metrics_are_prometheus_text(looked, folder, monkeypatch):
    monkeypatch.setenv("PYWEB_METRICS", str(folder))
    looked["blog"] = stop
    assert cli.watch(sites("shop", "blog")) == 0
    text = (folder / "pyweb.prom").read_text()
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    for line in (
        'pyweb_site_status{site="shop"} 0',
        'pyweb_site_status{site="blog"} 2',
        'pyweb_hop_status{site="blog",hop="uwsgi"} 2',
        'pyweb_fault{site="blog",fault="uwsgi.stopped"} 1',
        'pyweb_probe_status_code{site="shop"} 200',
        'pyweb_probe_duration_seconds{site="shop"} 0.25',
        'pyweb_requests_total{site="shop",code="5xx"} 0',
        f"pyweb_watch_last_run_timestamp_seconds {int(NOW)}",
    ):
        assert line in text.splitlines()
    assert (folder / "pyweb.prom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir() if "prom" in path.name] == ["pyweb.prom"]


@pytest.mark.usefixtures("looked")
def test_a_missing_directory_of_metrics_is_reported(folder, monkeypatch, capsys):
    monkeypatch.setenv("PYWEB_METRICS", str(folder / "none"))
    assert cli.watch(sites("shop")) == 1
    assert "metrics: " in capsys.readouterr().err
    assert len(memory.runs("shop")) == 1


def test_numbers_of_requests_and_workers():
    site, host = evidence()
    site.uwsgi.stats = {"workers": [{"status": word} for word in ("idle", "busy", "busy", "sig15")]}
    seen = passive.Seen(
        site,
        verdict(site, host),
        log_count.Counted({"2": 3}, [0.1, 0.2, 0.9], [0.1]),
        Noted(counted={"2": 10, "5": 1}, skipped=7),
    )
    samples = metrics.Samples()
    passive.measure(seen, samples, NOW)
    told = {(sample.name, *sample.labels.values()): sample.value for sample in samples.found}
    assert told["pyweb_requests_total", site.name, "2xx"] == 10
    assert told["pyweb_request_errors_total", site.name] == 1
    assert told["pyweb_request_duration_seconds", site.name, "0.5"] == 0.2
    assert told["pyweb_request_duration_seconds", site.name, "0.99"] == 0.9
    assert told["pyweb_upstream_duration_seconds", site.name, "0.5"] == 0.1
    assert told["pyweb_log_skipped_bytes_total", site.name] == 7
    assert [told["pyweb_workers", site.name, state] for state in ("idle", "busy", "other")] == [1, 2, 1]


def test_a_sample_of_an_undeclared_metric_is_refused():
    with pytest.raises(ValueError, match="no metric pyweb_other"):
        metrics.Samples().add("pyweb_other", 1)


def test_samples_of_a_metric_are_grouped_and_labels_are_escaped():
    one = Sample("pyweb_fault", {"site": 'a"\\\n'}, 1)
    other = Sample("pyweb_site_status", {"site": "a"}, 0.5)
    text = metrics.text([one, other, one._replace(labels={"site": "b"})])
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        'pyweb_site_status{site="a"} 0.5',
        'pyweb_fault{site="a\\"\\\\\\n"} 1',
        'pyweb_fault{site="b"} 1',
    ]


# --- the passive look ---


def test_a_passive_look_makes_one_request_and_runs_no_code_of_the_project(monkeypatch):
    site, host = evidence()
    asked = []

    def get(entrance, path, _timeout, headers=None):
        asked.append((path, headers))
        return Answer(200, "OK", 0.1)

    monkeypatch.setattr(look_site, "get", get)
    for name in ("look_inside", "_ask_probe", "_debug_page", "_look_at_redirects", "look_at_files"):
        monkeypatch.setattr(look_site, name, lambda *_given, name=name: pytest.fail(name))
    monkeypatch.setattr(look_site, "look_at_background", lambda *_given: site.background)
    monkeypatch.setattr(look_site, "find_uwsgi", lambda *_given: site.uwsgi)
    monkeypatch.setattr(look_site, "_approach", lambda *_given: site.probes[0])
    monkeypatch.setattr(look_site, "_ping", lambda *_given: None)
    found = look_site.look_at_site({"name": "shop", "domains": ["shop.example"]}, host, passive.PATIENCE, passive=True)
    assert asked == [("/", {"User-Agent": "pyweb.stack-watch"})]
    assert not found.inside


def test_a_passive_look_at_a_healthy_site_finds_no_fault():
    """It does not query uWSGI, so a missing answer of uWSGI is no fault."""
    site, host = evidence()
    site.passive = True
    for probe in site.probes:
        probe.answer = None
    site.inside, site.static, site.media = {}, None, None
    report = verdict(site, host)
    assert report["first"] is None
    seen = passive.Seen(site, report, log_count.Counted(), Noted())
    assert seen.status == "ok"


def test_a_request_has_one_user_agent(monkeypatch):
    sent = []
    monkeypatch.setattr(protocol, "_exchange", lambda _address, message, *_given, **_named: sent.append(message) or b"")
    monkeypatch.setattr(protocol, "_parse", lambda *_given: SimpleNamespace())
    protocol.http_request("127.0.0.1:80", "shop.example", "/", 1.0, {"User-Agent": "a"})
    protocol.http_request("127.0.0.1:80", "shop.example")
    assert [message.count(b"User-Agent: ") for message in sent] == [1, 1]
    assert b"User-Agent: a\r\n" in sent[0]
    assert b"User-Agent: pyweb.stack\r\n" in sent[1]
