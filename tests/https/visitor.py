"""Visits sites over HTTPS from outside, as browsers do: by name, with trusted roots, and with cookies."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

from client import Answer, Prober

TIMEOUT = 15


@dataclass(frozen=True)
class Shown:
    """The certificate that a server sent, verified by the visitor, and the version of TLS."""

    serial: str
    names: set[str]
    ends: float
    tls: str


@dataclass
class Visitor:
    """A client of the host at `address` that trusts the `roots` (PEM). It keeps cookies and sends them back."""

    address: str
    roots: str
    cookies: dict[str, str] = field(default_factory=dict)
    # The attributes of each cookie: Secure, HttpOnly, ...
    attributes: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        host: str,
        path: str = "/",
        port: int = 443,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """GET a path, or POST the body to it, with a new connection. Status 0 means that HTTPS itself failed."""
        start = time.monotonic()
        try:
            with self.connect(host, port) as stream:
                connection = HTTPConnection(self.address, timeout=TIMEOUT)
                connection.sock = stream
                cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
                own = {"Host": authority(host, port), **({"Cookie": cookies} if cookies else {})}
                connection.request("GET" if body is None else "POST", path, body, {**own, **(headers or {})})
                response = connection.getresponse()
                text = response.read().decode("utf-8", "replace")
                for line in response.headers.get_all("Set-Cookie") or []:
                    first, _semicolon, rest = line.partition(";")
                    name, _equals, value = first.partition("=")
                    self.cookies[name], self.attributes[name] = value, rest
                told = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, text, told, "", time.monotonic() - start, start)
        except (OSError, HTTPException) as error:
            return Answer(0, failure=str(error) or type(error).__name__, seconds=time.monotonic() - start, asked=start)

    def submit(self, host: str, path: str, port: int, fields: dict[str, str]) -> Answer:
        """Send a form without Origin, as some browsers do; Django then checks the Referer."""
        referer = f"https://{authority(host, port)}{path}"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Referer": referer}
        return self.ask(host, path, port, headers, urlencode(fields).encode())

    def look(self, host: str, port: int = 443) -> Shown:
        """Return the certificate that the server sends for this name. Raise ssl.SSLError if it is not valid."""
        with self.connect(host, port) as stream:
            found = stream.getpeercert() or {}
            names = {str(value) for kind, value in found["subjectAltName"] if kind == "DNS"}
            ends = ssl.cert_time_to_seconds(str(found["notAfter"]))
            return Shown(str(found["serialNumber"]), names, ends, stream.version() or "")

    def connect(self, host: str, port: int = 443, protocols: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLSocket:
        context = ssl.create_default_context(cadata=self.roots)
        context.set_alpn_protocols(list(protocols))
        plain = socket.create_connection((self.address, port), TIMEOUT)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def application(self, host: str, port: int = 443) -> str:
        """Return the protocol that the server chooses if HTTP/2 is offered first."""
        with self.connect(host, port, ("h2", "http/1.1")) as stream:
            return stream.selected_alpn_protocol() or ""


class TlsProber(Prober):
    """Requests a path over HTTPS repeatedly, each time with a new handshake."""

    def __init__(self, visitor: Visitor, host: str, path: str = "/healthz", pause: float = 0.1) -> None:
        super().__init__(visitor.address, host, path, pause)
        self.visitor = visitor

    def _ask(self) -> None:
        self.answers.append(self.visitor.ask(self.host, self.path))


def authority(host: str, port: int) -> str:
    return host if port == 443 else f"{host}:{port}"


def shown_to_anybody(address: str, host: str, port: int) -> str:
    """Return the certificate as PEM without verifying it, so that a visitor can trust a self-signed one."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=host) as stream,
    ):
        return ssl.DER_cert_to_PEM_cert(stream.getpeercert(binary_form=True) or b"")
