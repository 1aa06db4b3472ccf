"""Answers of a site that root reads: garbage, gigabytes, silence and wrong shapes are rejected in time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import ask, examine, look_inside
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Patience
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.look_site import site_of
from ansible_collections.pyweb.stack.plugins.module_utils.host import answers, processes
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import identity_of
from ansible_collections.pyweb.stack.plugins.module_utils.release import traffic
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import options, protocol, stats

SHAPE = {"name": str, "numbers": [int], "maybe": (bool, type(None)), "inner": {"x": float}}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "nothing", "[1", b"\xff\xfe"),
        "[" * 200000,
        '{"a":' * 200000,
        "9" * 5000,
        " " * (answers.MOST + 1),
        *('{"name": 1}', '{"numbers": [1, "2"]}', '{"numbers": {"1": 2}}', '{"numbers": [true]}', '{"maybe": 0}'),
        *('{"inner": []}', "[]", "null", '"text"'),
    ],
    ids=lambda text: str(text[:12]) + str(len(text)),
)
def test_an_invalid_answer_is_rejected(text):
    began = time.monotonic()
    with pytest.raises(ValueError):  # noqa: PT011 - any of several errors
        answers.parsed(text, SHAPE)
    assert time.monotonic() - began < 2


def test_an_answer_of_the_expected_shape_may_have_more_keys():
    text = '{"name": "x", "numbers": [1, 2], "maybe": null, "more": [{}]}'
    assert answers.parsed(text, SHAPE)["more"] == [{}]
    assert answers.parsed("{}", SHAPE) == {}


# --- sockets ---


@pytest.fixture
def serve(tmp_path):
    """serve(bytes or function of the connection) -> the address of a unix socket with this answer."""
    sockets = []

    def start(said):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(tmp_path / f"{len(sockets)}.sock"))
        listener.listen(8)
        sockets.append(listener)

        def run():
            with contextlib.suppress(OSError):
                while True:
                    connection, _address = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        said(connection) if callable(said) else connection.sendall(said)

        threading.Thread(target=run, daemon=True).start()
        return f"unix:{tmp_path}/{len(sockets) - 1}.sock"

    yield start
    for listener in sockets:
        listener.close()


def trickle(connection):
    while True:
        connection.sendall(b" ")
        time.sleep(0.0002)


def gigabytes(connection):
    block = b"[[]," * (1 << 18)
    while True:
        connection.sendall(block)


def nothing(connection):
    time.sleep(5)


@pytest.mark.parametrize(
    "said", [trickle, gigabytes, nothing, b"HTTP/1.1 200 OK\r\n\r\n", b"[" * 100000, b"[]", b"null"]
)
def test_an_invalid_answer_of_a_stats_socket_is_an_error(serve, said):
    began = time.monotonic()
    with pytest.raises(protocol.ProtocolError):
        stats.read(serve(said), 0.7)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("said", [trickle, gigabytes, nothing])
def test_reading_an_endless_answer_stops(serve, said):
    began = time.monotonic()
    with contextlib.suppress(protocol.ProtocolError):
        protocol.request(serve(said), "a.example", timeout=0.7)
    assert time.monotonic() - began < 4


def test_a_huge_number_is_not_parsed(serve):
    said = b'{"workers":[{"requests":' + b"9" * 4000000 + b', "delta_requests":0,"respawn_count":1}]}'
    counter = traffic.Counter(None, "unit", serve(said)[len("unix:") :])
    assert counter.counts is False


# --- processes ---


def test_a_program_with_endless_output_is_killed():
    said = ask.run([sys.executable, "-c", "while True: print('x' * 65536)"], timeout=20)
    assert (said.status, len(said.out)) == (None, answers.MOST)
    assert said.err == "it printed more than 8 MiB"


def test_a_silent_program_is_killed():
    began = time.monotonic()
    said = ask.run(["sleep", "60"], timeout=0.5)
    assert (said.status, said.out, said.err) == (None, "", "")
    assert time.monotonic() - began < 3


def test_a_program_whose_child_keeps_the_pipes_is_killed():
    began = time.monotonic()
    said = ask.run(["sh", "-c", "echo first; sleep 60 & exit 3"], timeout=0.5)
    assert said.out == "first\n"
    assert time.monotonic() - began < 3


def test_output_of_a_program_that_does_not_read_its_input_is_read():
    said = ask.run(["sh", "-c", "exec <&-; echo out; echo err >&2; exit 3"], stdin="x" * 300000)
    assert (said.status, said.out, said.err) == (3, "out\n", "err\n")


def test_a_program_gets_all_of_its_input():
    assert ask.run(["wc", "-c"], stdin="x" * 300000).out.strip() == "300000"


def test_a_stopped_child_does_not_block_the_caller(monkeypatch):
    monkeypatch.setattr(processes, "RUN_AS_SECONDS", 0.5)
    me = identity_of("root") if os.getuid() == 0 else None
    if me is None:
        pytest.skip("only root can become another user")
    began = time.monotonic()
    assert processes.run_as(me, lambda: os.kill(os.getpid(), signal.SIGSTOP)) is None
    assert time.monotonic() - began < 3
    assert processes.run_as(me, lambda: ["a", 1]) == ["a", 1]


@pytest.mark.parametrize(
    ("said", "line"),
    [(b"held\nmore", b"held"), (b"hel", b""), (b"x" * 200000, b"x" * 65536), (b"", b"")],
    ids=["a line", "no end", "a line without end", "nothing"],
)
def test_reading_stops_after_the_first_line(said, line):
    reading, writing = os.pipe()
    thread = threading.Thread(
        target=lambda: [os.write(writing, said[at : at + 4096]) for at in range(0, len(said), 4096)]
    )
    thread.daemon = True
    thread.start()
    began = time.monotonic()
    found = answers.first_line(reading, 0.4)
    assert found[: len(line)] == line
    assert bool(found) == bool(line)
    assert time.monotonic() - began < 2


# --- files ---


def test_only_the_end_of_a_large_log_is_read(tmp_path):
    with open(tmp_path / "big", "wb") as stream:
        stream.truncate(answers.MOST * 4)
    assert len(ask.tail(str(tmp_path / "big"))) == ask.LOG_TAIL


def test_an_ini_that_includes_itself_a_thousand_times_is_read_in_time(tmp_path):
    path = tmp_path / "x.ini"
    path.write_text("[uwsgi]\n" + f"ini = {path}\n" * 1000)
    began = time.monotonic()
    assert len(options.read(["uwsgi", "--ini", str(path)]).files) <= options.FILES_MAX
    assert time.monotonic() - began < 5


def test_an_exponentially_growing_value_is_truncated(tmp_path):
    lines = ["a0 = xxxxxxxxxxxxxxxx", *(f"a{number + 1} = %(a{number})%(a{number})" for number in range(40))]
    (tmp_path / "x.ini").write_text("[uwsgi]\n" + "\n".join(lines))
    found = options.read(["uwsgi", "--ini", str(tmp_path / "x.ini")])
    assert max(len(value) for values in found.values.values() for value in values) <= options.VALUE_MAX


# --- the doctor ---


@pytest.mark.parametrize(
    "line",
    [
        *("[]", "null", '"x"', "{", "[" * 100000, "{}", '{"step": 1}', '{"step": "unheard of"}'),
        *('{"step": "settings", "refused": "all"}', '{"step": "settings", "origins": [1]}'),
        *('{"step": "failed"}', '{"step": "failed", "at": {}, "error": "x"}', '{"step": "files"}'),
        *('{"step": "database", "after": "long"}', '{"step": "database", "file": 3}'),
    ],
    ids=lambda line: line[:30],
)
def test_a_step_of_another_shape_is_ignored(line):
    site = site_of({"name": "shop", "domains": ["a.example"]}, Patience(1))
    look_inside.read_steps(site, f"pyweb-look {line}\n")
    assert (site.inside, site.inside_last) == ({}, "")


def test_the_number_of_steps_is_limited():
    site = site_of({"name": "shop", "domains": ["a.example"]}, Patience(1))
    said = "".join(f'pyweb-look {{"step": "failed", "at": "{number}", "error": ""}}\n' for number in range(1000))
    look_inside.read_steps(site, said)
    assert len(site.inside) == 50


def test_an_unexpected_error_in_one_site_does_not_stop_the_doctor_for_others(monkeypatch):
    def look(given, host, patience):
        if given["name"] == "blog":
            raise KeyError("a secret, perhaps")
        return site_of(given, patience)

    report = {"name": "shop", "status": "ok"}
    monkeypatch.setattr(examine, "look_at_host", lambda _time: None)
    monkeypatch.setattr(examine, "look_at_site", look)
    monkeypatch.setattr(examine, "verdict", lambda _site, _host: dict(report))
    sites = [{"name": name, "domains": ["a.example"]} for name in ("blog", "shop")]
    found = examine.examine({"sites": sites, "names": [], "controller_time": 0, "patience": 1, "deep": False})
    blog, shop = found["sites"]
    assert (blog["status"], shop["status"]) == ("unknown", "ok")
    assert blog["first"]["cause"].startswith("the site could not be examined: KeyError (test_answers.py:")
    assert "secret" not in str(found)
    assert len(blog["hops"]) == 14
