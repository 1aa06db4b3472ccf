"""The uwsgi protocol, with real sockets that answer correctly, incorrectly or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol

PONG = b"\x64\x00\x00\x01"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Twice:  a : b \r\n\r\nhello"


def read_packet(connection):
    """Return one uwsgi packet: (modifier1, modifier2, variables)."""
    head = connection.recv(4, socket.MSG_WAITALL)
    modifier1, size, modifier2 = struct.unpack("<BHB", head)
    body = connection.recv(size, socket.MSG_WAITALL) if size else b""
    texts = []
    while body:
        [length] = struct.unpack_from("<H", body)
        texts.append(body[2 : 2 + length].decode())
        body = body[2 + length :]
    return modifier1, modifier2, dict(zip(texts[::2], texts[1::2]))


def uwsgi_server(answer=OK):
    """Answer a ping with a pong, and a request with `answer`."""

    def talk(connection):
        modifier1, _modifier2, _variables = read_packet(connection)
        connection.sendall(PONG if modifier1 == 100 else answer)

    return talk


def http_server(connection):
    """Answer HTTP with HTTP and anything else with 400, as web servers do."""
    asked = connection.recv(65536)
    status = b"200 OK" if asked.startswith(b"HEAD / HTTP/") else b"400 Bad Request"
    connection.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")


def closing_server(_connection):
    """Close the connection without an answer."""


def hanging_server(connection):
    """Send nothing until the other end closes the connection."""
    while connection.recv(65536):
        pass


KINDS = ["unix", "path", "tcp", *(["tcp6"] if os.path.exists("/proc/net/if_inet6") else [])]


@pytest.fixture(params=KINDS)
def serve(request, tmp_path):
    """serve(talk) -> address: a server in a thread; `talk` is called with every connection."""
    with contextlib.ExitStack() as stack:

        def start(talk):
            if request.param in ("unix", "path"):
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(str(tmp_path / "s"))
                address = ("unix:" if request.param == "unix" else "") + str(tmp_path / "s")
            else:
                listener = socket.socket(socket.AF_INET6 if request.param == "tcp6" else socket.AF_INET)
                listener.bind(("::1" if request.param == "tcp6" else "127.0.0.1", 0))
                host = "[::1]" if request.param == "tcp6" else "127.0.0.1"
                address = f"{host}:{listener.getsockname()[1]}"
            listener.listen()

            def accept():
                while True:
                    connection, _peer = listener.accept()
                    if ended.is_set():
                        connection.close()
                        return
                    with connection, contextlib.suppress(ConnectionError):
                        talk(connection)

            ended = threading.Event()
            thread = threading.Thread(target=accept)
            thread.start()

            def stop():
                ended.set()
                with socket.socket(listener.family) as last:
                    last.connect(listener.getsockname())
                thread.join()
                listener.close()

            stack.callback(stop)
            return address

        yield start


def test_packet_is_exact_to_the_byte():
    assert protocol.packet({}) == b"\x00\x00\x00\x00"
    assert protocol.packet({}, 100) == protocol.PING == b"\x64\x00\x00\x00"
    assert (
        protocol.packet({"A": "bc", "D": ""}, 5, 7)
        == b"\x05\x0c\x00\x07" + b"\x01\x00A\x02\x00bc" + b"\x01\x00D\x00\x00"
    )
    assert protocol.packet({"é": "\n"})[4:] == b"\x02\x00\xc3\xa9\x01\x00\n"


def test_packet_of_65535_bytes_is_the_largest():
    assert len(protocol.packet({"A": "x" * 65530})) == 65539
    with pytest.raises(ValueError, match="65536 bytes of variables do not fit into a uwsgi packet of at most 65535"):
        protocol.packet({"A": "x" * 65531})


@pytest.mark.parametrize(
    ("host", "path", "wanted"),
    [
        ("a.example.com", "/", {"SERVER_NAME": "a.example.com", "SERVER_PORT": "80", "QUERY_STRING": ""}),
        ("a.example.com:8080", "/b?c=d?e", {"SERVER_PORT": "8080", "PATH_INFO": "/b", "QUERY_STRING": "c=d?e"}),
        ("[::1]", "/", {"SERVER_NAME": "[::1]", "SERVER_PORT": "80", "HTTP_HOST": "[::1]"}),
        ("[::1]:81", "/", {"SERVER_NAME": "[::1]", "SERVER_PORT": "81", "HTTP_HOST": "[::1]:81"}),
    ],
)
def test_request_has_the_variables_that_nginx_would_send(host, path, wanted):
    found = protocol.request_variables(host, path, {"X-Deep-Check": "1"})
    assert found["HTTP_X_DEEP_CHECK"] == "1"
    assert found["REQUEST_URI"] == path
    assert {key: found[key] for key in wanted} == wanted


# Modifier 0, 350 bytes of variables, modifier 0; each text after its length (uint16, little-endian).
SENT = (
    b"\x00\x5e\x01\x00"
    b"\x0e\x00REQUEST_METHOD\x03\x00GET"
    b"\x0b\x00REQUEST_URI\x06\x00/x?y=z"
    b"\x09\x00PATH_INFO\x02\x00/x"
    b"\x0c\x00QUERY_STRING\x03\x00y=z"
    b"\x0f\x00SERVER_PROTOCOL\x08\x00HTTP/1.1"
    b"\x0b\x00SERVER_NAME\x0d\x00a.example.com"
    b"\x0b\x00SERVER_PORT\x04\x008080"
    b"\x0e\x00REQUEST_SCHEME\x04\x00http"
    b"\x0b\x00REMOTE_ADDR\x09\x00127.0.0.1"
    b"\x0b\x00REMOTE_PORT\x01\x000"
    b"\x0d\x00DOCUMENT_ROOT\x01\x00/"
    b"\x0c\x00CONTENT_TYPE\x00\x00"
    b"\x0e\x00CONTENT_LENGTH\x00\x00"
    b"\x09\x00HTTP_HOST\x12\x00a.example.com:8080"
    b"\x0f\x00HTTP_USER_AGENT\x0b\x00pyweb.stack"
    b"\x0b\x00HTTP_ACCEPT\x0a\x00text/plain"
)


def test_request_sends_these_bytes_and_returns_status_headers_and_body(serve):
    seen = []

    def talk(connection):
        seen.append(connection.recv(len(SENT), socket.MSG_WAITALL))
        connection.sendall(OK[:20])
        connection.sendall(OK[20:])

    answer = protocol.request(serve(talk), "a.example.com:8080", "/x?y=z", headers={"Accept": "text/plain"})
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"hello")
    assert answer.headers == {"content-type": "text/plain", "x-twice": "a : b"}
    assert 0 < answer.seconds < 10
    assert seen == [SENT]


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [(b"HTTP/1.0 204\r\n\r\n", 204, ""), (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 503, "Service Unavailable")],
)
def test_request_reads_any_status(serve, raw, status, reason):
    answer = protocol.request(serve(uwsgi_server(raw)), "a")
    assert (answer.status, answer.reason, answer.body) == (status, reason, b"")


def test_body_is_truncated(serve):
    answer = protocol.request(serve(uwsgi_server(OK + b"x" * 10 * protocol.BODY_MAX)), "a")
    assert len(answer.body) == protocol.BODY_MAX


def test_ping_is_answered(serve):
    assert 0 < protocol.ping(serve(uwsgi_server())) < 5


def test_stats_of_a_master_that_writes_before_the_client_reads(monkeypatch):
    """It writes as soon as a client connects, and closes the connection."""
    own, master = socket.socketpair()
    master.sendall(b"{}")
    master.close()
    monkeypatch.setattr(protocol, "connect", lambda address, timeout: own)
    assert protocol.stats("/run/x.stats") == b"{}"


def test_stats_are_read_to_the_end(serve):
    text = b'{"a": "' + b"x" * 300000 + b'"}'
    assert protocol.stats(serve(lambda connection: connection.sendall(text))) == text


@pytest.mark.parametrize(
    ("talk", "cause"),
    [
        (
            closing_server,
            "the connection was closed without an answer: this is not a uwsgi socket, or its buffer-size is small",
        ),
        (lambda connection: connection.sendall(b"220 mail ESMTP\r\n"), "the answer is not HTTP"),
        (lambda connection: connection.sendall(b"HTTP/1.1 OK\r\n\r\n"), "the answer is not HTTP"),
    ],
)
def test_a_missing_answer_has_a_cause(serve, talk, cause):
    def read_then_talk(connection):
        read_packet(connection)
        talk(connection)

    address = serve(read_then_talk)
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.request(address, "a")
    assert caught.value.cause == cause
    assert caught.value.strerror == f"{address}: {cause}"


@pytest.mark.parametrize(
    "ask", [lambda address: protocol.request(address, "a", timeout=0.1), lambda a: protocol.ping(a, 0.1)]
)
def test_a_hanging_server_is_given_up(serve, ask):
    with pytest.raises(protocol.ProtocolError, match=r"no complete answer within 0\.1 s") as caught:
        ask(serve(hanging_server))
    assert caught.value.errno == errno.ETIMEDOUT


def test_a_slow_server_is_given_up_in_time(serve):
    """The timeout is for the whole answer, not for each part of it."""

    def drip(connection):
        pause = threading.Event()
        for _drop in range(40):
            connection.sendall(b"x")
            pause.wait(0.05)

    with pytest.raises(protocol.ProtocolError, match="no complete answer"):
        protocol.request(serve(drip), "a", timeout=0.2)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_answers_of_guards_to_a_ping_are_recognized(serve, version):
    def talk(connection):
        read_packet(connection)
        connection.sendall(b"HTTP/" + version + b" 400 No Request\r\nConnection: close\r\n\r\n")

    assert 0 < protocol.ping(serve(talk)) < 5


@pytest.mark.parametrize("answer", [b"", b"\x64", b"\x64\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_invalid_pong(serve, answer):
    def talk(connection):
        read_packet(connection)
        connection.sendall(answer)

    with pytest.raises(protocol.ProtocolError, match="the answer to a uwsgi ping was no pong"):
        protocol.ping(serve(talk))


@pytest.mark.parametrize(
    ("talk", "kind"),
    [
        (uwsgi_server(), "uwsgi"),
        (http_server, "http"),
        (closing_server, "unknown"),
        (hanging_server, "unknown"),
        (lambda connection: connection.sendall(b"220 mail ESMTP\r\n"), "unknown"),
    ],
)
def test_kind_recognizes_the_protocol(serve, talk, kind):
    assert protocol.kind(serve(talk), 0.1) == kind


def test_a_missing_socket(tmp_path):
    with pytest.raises(protocol.ProtocolError, match="the socket does not exist: nothing was started there") as caught:
        protocol.ping(f"unix:{tmp_path}/missing")
    assert caught.value.errno == errno.ENOENT
    assert protocol.kind(f"unix:{tmp_path}/missing") == "nothing"


def test_a_stale_socket_refuses(tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    with pytest.raises(protocol.ProtocolError, match="the socket exists, but nothing listens on it") as caught:
        protocol.ping(str(tmp_path / "s"))
    assert caught.value.errno == errno.ECONNREFUSED
    assert protocol.kind(str(tmp_path / "s")) == "nothing"


def test_a_closed_port_refuses():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        assert protocol.kind(address) == "nothing"
        with pytest.raises(protocol.ProtocolError, match="nothing listens on it"):
            protocol.request(address, "a")


def test_a_full_listen_queue_is_reported(tmp_path):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(tmp_path / "s"))
        with pytest.raises(protocol.ProtocolError, match="the listen queue is full"):
            protocol.ping(str(tmp_path / "s"), 0.2)


def test_a_path_too_long_for_sun_path_is_opened_from_its_directory(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.chdir(deep)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        listener.listen()
        assert len(os.fsencode(deep / "s")) > 107
        with pytest.raises(protocol.ProtocolError, match="no complete answer"):
            protocol.ping(str(deep / "s"), 0.1)


@pytest.mark.parametrize("address", ["", "shop", "localhost:", "localhost:http", ":8000", "localhost:99999", "s.sock"])
def test_an_invalid_address_is_refused(address):
    with pytest.raises(protocol.ProtocolError, match="this is not an address; expected unix:/path, /path or host:port"):
        protocol.ping(address)


def test_an_http_request_has_host_and_headers(serve):
    seen = []

    def talk(connection):
        seen.append(connection.recv(65536).decode())
        connection.sendall(OK)

    answer = protocol.http_request(serve(talk), "a.example.com:8080", "/x", headers={"Cookie": "a=b"})
    assert (answer.status, answer.body) == (200, b"hello")
    head, end = seen[0].split("\r\n\r\n")
    assert end == ""
    assert head.split("\r\n")[:2] == ["GET /x HTTP/1.0", "Host: a.example.com:8080"]
    assert "Cookie: a=b" in head


def test_http_to_a_uwsgi_socket_has_a_cause(serve):
    with pytest.raises(protocol.ProtocolError, match=r"closed without an answer|reset by peer"):
        protocol.http_request(serve(lambda connection: connection.recv(4)), "a")
