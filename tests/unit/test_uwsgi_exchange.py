"""What is sent over a connection to a server, byte for byte, and error messages of failed connections."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import threading

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol

OK = b"HTTP/1.0 200 Fine with me\r\nA: 1\r\nA: 2\r\nNo colon\r\n\r\nbody\r\n\r\nmore"


@pytest.fixture
def server():
    """A server for one connection: server.address, and server.asked, the bytes that it got before it answered OK."""

    class Server:
        answer = OK

        def __init__(self):
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
            self.asked = b""
            self.thread = threading.Thread(target=self.serve)
            self.thread.start()

        def serve(self):
            with contextlib.suppress(OSError):
                connection, _peer = self.listener.accept()
                with connection:
                    self.asked = connection.recv(65536)
                    connection.sendall(self.answer)

    started = Server()
    yield started
    started.listener.shutdown(socket.SHUT_RDWR)
    started.listener.close()
    started.thread.join()


def test_an_answer_is_parsed(server):
    answer = protocol.http_request(server.address, "a.example")
    assert (answer.status, answer.reason) == (200, "Fine with me")
    assert answer.headers == {"a": "2", "no colon": ""}
    assert answer.body == b"body\r\n\r\nmore"


def test_an_http_request_byte_for_byte(server):
    protocol.http_request(server.address, "a.example:81", "/x?y", headers={"X-A": "1", "X-B": "2"})
    assert server.asked == (
        b"GET /x?y HTTP/1.0\r\nHost: a.example:81\r\nUser-Agent: pyweb.stack\r\nConnection: close\r\n"
        b"X-A: 1\r\nX-B: 2\r\n\r\n"
    )


def test_the_path_defaults_to_the_root(server):
    protocol.http_request(server.address, "a")
    assert server.asked.startswith(b"GET / HTTP/1.0\r\nHost: a\r\n")


def test_a_uwsgi_request_has_all_variables_that_an_application_needs():
    assert protocol.request_variables("a.example:81", "/b?c=d", {"X-Deep": "1"}) == {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/b?c=d",
        "PATH_INFO": "/b",
        "QUERY_STRING": "c=d",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "a.example",
        "SERVER_PORT": "81",
        "REQUEST_SCHEME": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        "DOCUMENT_ROOT": "/",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "",
        "HTTP_HOST": "a.example:81",
        "HTTP_USER_AGENT": "pyweb.stack",
        "HTTP_X_DEEP": "1",
    }


@pytest.mark.parametrize(("host", "port"), [("a.example", "443"), ("a.example:8443", "8443")])
def test_additional_variables_of_an_https_request(host, port):
    plain, secure = (protocol.request_variables(host, "/", {}, https) for https in (False, True))
    differ = {name: value for name, value in secure.items() if plain.get(name) != value}
    assert differ == {"REQUEST_SCHEME": "https", "HTTPS": "on", **({"SERVER_PORT": "443"} if port == "443" else {})}
    assert secure["SERVER_PORT"] == port


@pytest.mark.parametrize(
    ("server", "line"),
    [("192.0.2.7", b"PROXY TCP4 10.0.0.1 192.0.2.7 80 80\r\n"), ("::1", b"PROXY TCP6 ::1 ::1 80 80\r\n")],
)
def test_the_line_of_the_proxy_protocol(server, line):
    assert protocol.proxy_line("10.0.0.1" if "." in server else "::1", server, 80) == line


def test_the_proxy_line_is_sent_before_the_request(server):
    protocol.http_request(server.address, "a", greeting=b"PROXY TCP4 ...\r\n")
    assert server.asked.startswith(b"PROXY TCP4 ...\r\nGET / HTTP/1.0\r\nHost: a\r\n")


def test_the_proxy_line_is_sent_before_the_handshake(server):
    """It is not encrypted, because TLS begins after the PROXY protocol."""
    with pytest.raises(protocol.ProtocolError):
        protocol.http_request(server.address, "a", greeting=b"PROXY TCP4 ...\r\n", tls=ssl.create_default_context())
    assert server.asked.startswith(b"PROXY TCP4 ...\r\n")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.example", "a.example"),
        ("a.example:8443", "a.example"),
        ("a:b.example", "a:b.example"),
        ("[::1]:8443", "::1"),
    ],
)
def test_the_tls_server_name_has_no_port(server, host, name):
    asked = []

    class Context:
        def wrap_socket(self, connection, server_hostname):
            asked.append(server_hostname)
            return connection

    assert protocol.http_request(server.address, host, tls=Context()).status == 200
    assert asked == [name]


def test_a_server_without_tls_is_reported(server):
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.http_request(server.address, "a.example", tls=ssl.create_default_context())
    assert caught.value.address == server.address
    assert caught.value.cause


def refused(monkeypatch, error):
    """Let all TCP connections fail."""

    def fail(*_arguments):
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.connect("127.0.0.1:1", 2.5)
    return caught.value


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ENOENT, "the socket does not exist: nothing was started there"),
        (errno.ECONNREFUSED, "the socket exists, but nothing listens on it"),
        (errno.EACCES, "permission denied"),
        (errno.EAGAIN, "the listen queue is full"),
        (errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH)),
    ],
)
def test_every_refusal_is_explained(monkeypatch, number, cause):
    error = refused(monkeypatch, OSError(number, os.strerror(number)))
    assert (error.errno, error.cause) == (number, cause)


def test_a_connection_that_takes_too_long(monkeypatch):
    error = refused(monkeypatch, socket.timeout("timed out"))
    assert (error.errno, error.cause) == (errno.ETIMEDOUT, "no connection within 2.5 s")


def test_an_error_without_a_number_is_quoted(monkeypatch):
    error = refused(monkeypatch, OSError("no such luck"))
    assert (error.errno, error.cause) == (0, "no such luck")


def test_a_socket_that_refused_is_closed(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for _attempt in range(3):
        with pytest.raises(protocol.ProtocolError):
            protocol.connect(f"unix:{tmp_path}/none", 1)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, "nothing"),
        (errno.ECONNREFUSED, "nothing"),
        (errno.EACCES, "nothing"),
        (errno.ETIMEDOUT, "unknown"),
        (errno.EAGAIN, "unknown"),
    ],
)
def test_a_refusal_says_which_process_is_there(monkeypatch, number, kind):
    def fail(address, *_arguments, **_keys):
        raise protocol.ProtocolError(address, "refused", number)

    monkeypatch.setattr(protocol, "_exchange", fail)
    assert protocol.kind("127.0.0.1:1") == kind


def test_the_largest_port_is_valid():
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.connect("127.0.0.1:65536", 1)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.connect("127.0.0.1:65535", 1)
    assert caught.value.errno == errno.ECONNREFUSED
