"""`pyweb logs`: the time of a line, whether it is an error, and reading logs during a rotation."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.cli import log_lines, logs
from ansible_collections.pyweb.stack.plugins.module_utils.cli.log_lines import Errors, Line
from ansible_collections.pyweb.stack.plugins.module_utils.cli.sites import SiteHere
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from releases import make_layout

ACCESS = '203.0.113.9 - - [27/Nov/2026:05:50:16 +0200] "GET /cart HTTP/1.1" {} 12 "-" "curl/8"'
AT = datetime(2026, 11, 27, 3, 50, 16, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(("status", "wrong"), [(200, False), (404, False), (499, True), (500, True), (502, True)])
def test_a_line_of_the_access_log(status, wrong):
    text = ACCESS.format(status)
    assert log_lines.of_access(text, 7.0) == Line(AT, "nginx", text, wrong)
    assert log_lines.of_access(text + " rt=0.1 urt=0.1", 7.0).wrong is wrong


@pytest.mark.parametrize(
    "text",
    ["", "no time", "[99/Nov/2026:05:50:16 +0200]", "[27/Foo/2026:05:50:16 +0200]", "[27/Nov/2026:05:50:16 +9999]"],
)
def test_a_line_without_a_time_is_kept(text):
    assert log_lines.of_access(text, 7.0).when in (7.0, 0.0)


def test_status_cannot_be_forged_by_a_client():
    text = ACCESS.format(200).replace("/cart", '/x" 500 1 "').replace('"curl/8"', '"a" 500 9 "')
    quoted = ACCESS.format(200).replace('"curl/8"', r'"a\x22 500 9 "')
    assert log_lines.of_access(quoted, 7.0).wrong is False
    # nginx writes a quote as \\x22, so nginx did not write this line. Its time is read nevertheless.
    assert log_lines.of_access(text, 7.0).when == AT


@pytest.mark.parametrize(
    ("level", "wrong"), [("notice", False), ("warn", False), ("error", True), ("crit", True), ("emerg", True)]
)
def test_a_line_of_the_error_log(level, wrong):
    text = f"2026/11/27 03:50:16 [{level}] 21#21: *1 connect() failed"
    line = log_lines.of_error(text, 7.0)
    assert line.when == time.mktime((2026, 11, 27, 3, 50, 16, 0, 0, -1))
    assert line.wrong is wrong
    assert log_lines.of_error("  a second line", 7.0) == Line(7.0, "nginx", "  a second line")


def entry(message, unit="uwsgi-shop@0123456789ab.service", **more):
    fields = {"__REALTIME_TIMESTAMP": "1000000", "MESSAGE": message, "_SYSTEMD_UNIT": unit, "PRIORITY": "6", **more}
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("unit", "source"),
    [
        ("uwsgi-shop@0123456789ab.service", "uwsgi"),
        ("uwsgi-shop.service", "uwsgi"),
        ("pyweb-worker-shop@0123456789ab:celery:1.service", "celery"),
        ("pyweb-worker-shop@0123456789ab:beat:only.service", "beat"),
        ("pyweb-timer-shop@clear-sessions.service", "clear-sessions"),
        ("pyweb-worker-other@0123456789ab:celery:1.service", "uwsgi"),
    ],
)
def test_an_entry_of_the_journal(unit, source):
    assert log_lines.of_journal(entry("hello", unit), "shop") == [Line(1.0, source, "hello")]


def test_journal_entries_with_several_lines_with_bytes_and_of_systemd():
    assert [line.text for line in log_lines.of_journal(entry("a\n  b"), "shop")] == ["a", "  b"]
    assert log_lines.of_journal(entry([104, 105, 255, 999, "x"]), "shop")[0].text == "hi�"
    of_systemd = entry("Failed with result 'exit-code'.", "init.scope", UNIT="pyweb-timer-shop@daily.service")
    assert log_lines.of_journal(of_systemd, "shop") == [Line(1.0, "daily", "Failed with result 'exit-code'.", True)]
    assert log_lines.of_journal(entry("bad", PRIORITY="3"), "shop")[0].wrong
    assert log_lines.of_journal(entry(None), "shop") == []


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b'{"__REALTIME_TIMESTAMP": "x"}', b"[" * 100_000])
def test_invalid_entries_are_skipped(raw):
    assert log_lines.of_journal(raw, "shop") == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("DAMN ! worker 1 (pid: 5) died, killed by signal 9 :( trying respawn ...", True),
        ("!!! uWSGI process 5 got Segmentation Fault !!!", True),
        ("django.db.utils.OperationalError: no such table: shop_cart", True),
        ("Internal Server Error: /cart", True),
        ("ERROR 2026-11-27 cart: nothing in it", True),
        ("uwsgi_response_writev_headers_and_body_do(): Broken pipe [core/writer.c line 306]", True),
        ("[pid: 5|app: 0|req: 1/2] 127.0.0.1 () {32 vars} GET /x => generated 9 bytes in 1 msecs (HTTP/1.1 500)", True),
        (
            "[pid: 5|app: 0|req: 1/2] 127.0.0.1 () {32 vars} GET /x => generated 9 bytes in 1 msecs (HTTP/1.1 404)",
            False,
        ),
        ("spawned uWSGI worker 1 (pid: 295, cores: 1)", False),
        ("Started uwsgi-shop@0123456789ab.service.", False),
        ("Not Found: /errors", False),
    ],
)
def test_error_messages_of_programs_are_recognized(text, wrong):
    assert log_lines.is_trouble(text) is wrong


def test_a_malicious_line_is_matched_quickly():
    started = time.monotonic()
    for text in ("a" * 100_000, "uwsgi_" * 20_000, "HTTP/" * 20_000, "." * 100_000):
        assert not log_lines.is_trouble(text)
        log_lines.of_access(text, 0)
    assert time.monotonic() - started < 2


def test_only_errors_shows_whole_tracebacks_of_each_source():
    rows = [
        ("uwsgi", "spawned", False),
        ("uwsgi", "Traceback (most recent call last):", False),
        ("nginx", '"GET / HTTP/1.1" 200', False),
        ("uwsgi", '  File "a.py", line 1, in f', False),
        ("celery", "received a task", False),
        ("uwsgi", "KeyError: 'x'", True),
        ("uwsgi", "", False),
        ("uwsgi", "During handling of the above exception, another exception occurred:", False),
        ("uwsgi", "Traceback (most recent call last):", False),
        ("uwsgi", "    raise Http404", False),
        ("uwsgi", "shop.Gone: 7", False),
        ("uwsgi", "served", False),
        ("nginx", "500", True),
    ]
    errors = Errors()
    kept = [number for number, row in enumerate(rows) if errors.wants(Line(0, *row))]
    assert kept == [1, 3, 5, 7, 8, 9, 10, 12]


def test_a_line_without_an_end_is_truncated():
    shown = log_lines.shown(Line(AT, "uwsgi", "x" * 100_000))
    assert len(shown) < log_lines.LINE_MAX + 40
    assert " uwsgi    xxx" in shown


# --- files ---


def texts(lines):
    return [line.text for line in lines]


def test_a_log_is_followed_across_a_rotation(tmp_path):
    path = tmp_path / "shop.error.log"
    log = logs.LogFile(str(path), log_lines.of_error)
    assert log.tail() == []
    path.write_text("one\ntwo\npar")
    assert texts(log.more()) == ["one", "two"]
    with path.open("a") as stream:
        stream.write("t\n")
    assert texts(log.more()) == ["part"]
    os.rename(path, tmp_path / "shop.error.log.1")
    with (tmp_path / "shop.error.log.1").open("a") as stream:
        stream.write("late\n")
    path.write_text("new\n")
    assert texts(log.more()) == ["late", "new"]
    path.write_text("")
    log.more()
    path.write_text("after copytruncate\n")
    assert texts(log.more()) == ["after copytruncate"]


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "shop.access.log"
    if kind == "link":
        (tmp_path / "secret").write_text("root:x\n")
        path.symlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    log = logs.LogFile(str(path), log_lines.of_access)
    assert log.tail() == []
    assert log.fault
    assert log.more() == []


def test_only_the_end_of_a_large_log_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "TAIL", 100)
    path = tmp_path / "shop.access.log"
    path.write_text("".join(f"line {number:03}\n" for number in range(50)))
    found = texts(logs.LogFile(str(path), log_lines.of_access).tail())
    assert found[-1] == "line 049"
    assert len(found) < 12
    assert all(len(text) == 8 for text in found)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A site with one line in its journal and in each of nginx's logs."""
    monkeypatch.setattr("ansible_collections.pyweb.stack.plugins.module_utils.model.layout.NGINX_LOGS", str(tmp_path))
    layout = make_layout(tmp_path)
    second = Line(AT + 1, "uwsgi", "Internal Server Error: \x1b]0;you are root\x07/cart", True)
    monkeypatch.setattr(logs, "journal", lambda units, name, count, errors: [second])
    (tmp_path / "shop.access.log").write_text(ACCESS.format(200) + "\n")
    moment = datetime.fromtimestamp(AT + 2).strftime("%Y/%m/%d %H:%M:%S")
    (tmp_path / "shop.error.log").write_text(f"{moment} [error] 1#1: upstream\n")
    return SiteHere(layout, "0123456789ab", {})


def test_all_sources_are_merged_by_time(shop, capsys):
    assert logs.run(shop, 10, False, False) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line[20:25].strip() for line in shown] == ["nginx", "uwsgi", "nginx"]
    assert "\x1b" not in "".join(shown)
    assert r"\x1b]0;you are root\x07" in shown[1]


def test_number_of_lines_and_errors_only(shop, capsys):
    logs.run(shop, 1, False, False)
    assert "upstream" in capsys.readouterr().out
    logs.run(shop, 10, False, True)
    shown = capsys.readouterr().out
    assert ("upstream" in shown, "/cart HTTP" in shown) == (True, False)
    logs.run(shop, 0, False, False)
    assert capsys.readouterr().out == ""


def test_only_units_of_the_site_are_read():
    assert logs.units_of(SiteHere(Layout.under("shop"), "", {})) == [
        "uwsgi-shop@*.service",
        "uwsgi-shop.service",
        "uwsgi-shop-probe@*.service",
        "pyweb-worker-shop@*.service",
        "pyweb-timer-shop@*.service",
    ]


def test_the_journal_is_read_backwards_with_a_limit(tmp_path, monkeypatch, capsys):
    program = tmp_path / "journalctl"
    program.write_text(
        "#!/bin/sh\ncat <<'EOF'\n" + "\n".join(entry(text).decode() for text in ("two", "one")) + "\nEOF\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert texts(logs.journal(["u"], "shop", 10, False)) == ["one", "two"]
    program.write_text("#!/bin/sh\nyes '" + entry("x" * 500).decode() + "'\n")
    monkeypatch.setattr(logs, "JOURNAL_MOST", 100_000)
    assert 100 < len(logs.journal(["u"], "shop", 10, True)) < 1000
    assert "use journalctl for the rest" in capsys.readouterr().err
