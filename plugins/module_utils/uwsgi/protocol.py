# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Speak the uwsgi protocol to a unix or TCP socket, and find out what kind of server answers there.

The packet: uint8 modifier1, uint16 little-endian size, uint8 modifier2, then variables, each a uint16 length and the
text, name before value (uwsgi-docs, "The uwsgi Protocol"). The answer to a request is HTTP, then the end of the stream;
the answer to a ping (modifier1 100) is the header 64 00 00 01. Our guards allow only requests, and answer a ping with
400 No Request.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from ..host import answers
from ..model.uwsgi_options import NO_REQUEST

PING = b"\x64\x00\x00\x00"
PONG_MODIFIER = 0x64
# HTTP/1.0 or 1.1, then a text that no other server sends.
GUARDED_PONG = f" {NO_REQUEST}\r\n".encode()
# A longer body is cut: a health answer is short, and the doctor needs only its first lines.
BODY_MAX = 65536


class ProtocolError(OSError):
    """A socket gave no usable answer: `cause` is the reason in one sentence."""

    def __init__(self, address: str, cause: str, number: int = 0) -> None:
        super().__init__(number, f"{address}: {cause}")
        self.address, self.cause = address, cause


@dataclass
class Answer:
    """A server's answer: `seconds` from connecting to the end of the body; `cookies` has every Set-Cookie."""

    status: int
    reason: str
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cookies: list[str] = field(default_factory=list)


def request(
    address: str,
    host: str,
    path: str = "/",
    timeout: float = 10.0,
    headers: Mapping[str, str] | None = None,
    https: bool = False,
) -> Answer:
    """GET `path` of `host` over the uwsgi protocol. `timeout` is in seconds, for the whole exchange.

    `address` is 'unix:/path', '/path' or 'host:port'; `https` means that the client used https. Raises `ProtocolError`
    if no HTTP answer arrives.
    """
    started = time.monotonic()
    raw = _exchange(address, packet(request_variables(host, path, headers or {}, https)), timeout)
    return _parse(address, raw, time.monotonic() - started)


def http_request(
    address: str,
    host: str,
    path: str = "/",
    timeout: float = 10.0,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    greeting: bytes = b"",
) -> Answer:
    """GET `path` of `host` over HTTP/1.0, so that the end of the stream is the end of the answer. As `request`.

    With `tls`, the connection is encrypted, and its server name is `host` without the port. `greeting` is sent before
    anything else, unencrypted: see `proxy_line`.
    """
    started = time.monotonic()
    all_headers = {"Host": host, "User-Agent": "pyweb.stack", "Connection": "close", **(headers or {})}
    lines = [f"GET {path} HTTP/1.0", *(f"{name}: {value}" for name, value in all_headers.items())]
    message = "\r\n".join([*lines, "", ""]).encode()
    name = re.sub(r":[0-9]+$", "", host).strip("[]")
    raw = _exchange(address, message, timeout, tls=tls, name=name, greeting=greeting)
    return _parse(address, raw, time.monotonic() - started)


def any_certificate() -> ssl.SSLContext:
    """Return a TLS context that accepts any certificate, for requests to this host itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def proxy_line(client: str, server: str, port: int) -> bytes:
    """Return the first line of the PROXY protocol, version 1, for a `client` of `server`, both IP addresses."""
    family = "TCP6" if ":" in server else "TCP4"
    return f"PROXY {family} {client} {server} {port} {port}\r\n".encode()


def ping(address: str, timeout: float = 5.0) -> float:
    """Send a ping; return the seconds until the pong. Raises `ProtocolError` if none arrives."""
    started = time.monotonic()
    answer = _exchange(address, PING, timeout, enough=len("HTTP/1.0") + len(GUARDED_PONG))
    if (len(answer) < 4 or answer[0] != PONG_MODIFIER) and GUARDED_PONG not in answer:
        raise ProtocolError(address, "the answer to a uwsgi ping was no pong")
    return time.monotonic() - started


def kind(address: str, timeout: float = 5.0) -> str:
    """Return what answers at `address`: 'uwsgi', 'http' (it speaks HTTP, not uwsgi), 'unknown' or 'nothing'."""
    try:
        ping(address, timeout)
        return "uwsgi"
    except ProtocolError as error:
        if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.EACCES):
            return "nothing"
    try:
        if _exchange(address, b"HEAD / HTTP/1.0\r\n\r\n", timeout, enough=5).startswith(b"HTTP/"):
            return "http"
    except ProtocolError:
        pass
    return "unknown"


def packet(variables: Mapping[str, str], modifier1: int = 0, modifier2: int = 0) -> bytes:
    """Return a uwsgi packet of `variables`. Raises ValueError if they exceed the 65535 bytes of its size field."""
    body = b"".join(
        struct.pack("<H", len(text)) + text
        for pair in variables.items()
        for text in (word.encode("utf-8", "surrogateescape") for word in pair)
    )
    if len(body) > 65535:
        raise ValueError(f"{len(body)} bytes of variables do not fit into a uwsgi packet of at most 65535")
    return struct.pack("<BHB", modifier1, len(body), modifier2) + body


def request_variables(host: str, path: str, headers: Mapping[str, str], https: bool = False) -> dict[str, str]:
    """Return the CGI variables that nginx would send for a GET of `path`."""
    route, _mark, query = path.partition("?")
    usual = "443" if https else "80"
    name, _colon, port = host.rpartition(":") if re.search(r":[0-9]+$", host) else (host, "", usual)
    return {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": path,
        "PATH_INFO": unquote(route, errors="surrogateescape"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "REQUEST_SCHEME": "https" if https else "http",
        **({"HTTPS": "on"} if https else {}),
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        "DOCUMENT_ROOT": "/",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "",
        "HTTP_HOST": host,
        "HTTP_USER_AGENT": "pyweb.stack",
        **{"HTTP_" + key.upper().replace("-", "_"): value for key, value in headers.items()},
    }


def stats(address: str, timeout: float = 5.0) -> bytes:
    """Return the output of a uWSGI stats socket, which must be one JSON document; see `stats.read`."""
    said = _exchange(address, b"", timeout, enough=answers.MOST)
    if len(said) >= answers.MOST:
        raise ProtocolError(address, f"it sends more than {answers.MOST >> 20} MiB")
    return said


def connect(address: str, timeout: float) -> socket.socket:
    """Return a connection to a unix or TCP socket. Raises `ProtocolError` with the errno and its meaning."""
    path = address[5:] if address.startswith("unix:") else address
    try:
        if path.startswith("/"):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(timeout)
            try:
                # sun_path holds 107 bytes; a release's own socket is reached through a short relative name.
                connection.connect(path if len(path.encode()) < 108 else os.path.relpath(path))
            except BaseException:
                connection.close()
                raise
            return connection
        host, _colon, port = path.rpartition(":")
        if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
            raise ProtocolError(
                address, ("this is not an address; expected unix:/path, /path or host:port"), errno.EINVAL
            )
        return socket.create_connection((host.strip("[]"), int(port)), timeout)
    except ProtocolError:
        raise
    except socket.timeout:
        raise ProtocolError(address, f"no connection within {timeout:g} s", errno.ETIMEDOUT) from None
    except OSError as error:
        meaning = {
            errno.ENOENT: "the socket does not exist: nothing was started there",
            errno.ECONNREFUSED: "the socket exists, but nothing listens on it",
            errno.EACCES: "permission denied",
            errno.EAGAIN: "the listen queue is full",
        }.get(error.errno or 0, error.strerror or str(error))
        raise ProtocolError(address, meaning, error.errno or 0) from None


def _exchange(
    address: str,
    message: bytes,
    timeout: float,
    enough: int = BODY_MAX + 16384,
    tls: ssl.SSLContext | None = None,
    name: str = "",
    greeting: bytes = b"",
) -> bytes:
    """Send `message`, then read until the end of the stream or `enough` bytes; `timeout` limits both together.

    `greeting` is sent before it, outside of `tls`.
    """
    deadline = time.monotonic() + timeout
    received = bytearray()
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(connect(address, timeout))
        try:
            if tls:
                connection.sendall(greeting)
                connection = stack.enter_context(tls.wrap_socket(connection, server_hostname=name))
            else:
                message = greeting + message
            if message:  # the peer may have sent everything and closed its reading side
                connection.sendall(message)
            while len(received) < enough:
                # A peer that sends slowly gets no more time.
                left = deadline - time.monotonic()
                if left <= 0:
                    raise socket.timeout
                connection.settimeout(left)
                block = connection.recv(65536)
                if not block:
                    break
                received += block
        except socket.timeout:
            raise ProtocolError(address, f"no complete answer within {timeout:g} s", errno.ETIMEDOUT) from None
        except OSError as error:
            raise ProtocolError(address, error.strerror or str(error), error.errno or 0) from None
    return bytes(received)


def _parse(address: str, raw: bytes, seconds: float) -> Answer:
    if not raw:
        raise ProtocolError(
            address,
            "the connection was closed without an answer: this is not a uwsgi socket, or its buffer-size is small",
        )
    head, _gap, body = raw.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    match = re.match(r"HTTP/[0-9.]+ ([0-9]{3}) ?(.*)", status_line)
    if not match:
        raise ProtocolError(address, "the answer is not HTTP")
    fields = [(name.strip().lower(), value.strip()) for name, _colon, value in (line.partition(":") for line in lines)]
    cookies = [value for name, value in fields if name == "set-cookie"]
    return Answer(int(match[1]), match[2], seconds, dict(fields), body[:BODY_MAX], cookies)
