"""Which certificate https serves, tested with a real server; and what a host finds out about a domain."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import layout as layouts
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_look, acme_served
from tls_pairs import make


@contextlib.contextmanager
def server(folder, made, proxied=False):
    """Yield the port of a server with this certificate; if `proxied`, it expects a line of the PROXY protocol."""
    for name, text in (("c.pem", made.certificate), ("k.pem", made.key)):
        (folder / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                if proxied:
                    assert connection.recv(15) == b"PROXY UNKNOWN\r\n"
                context.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def site(port, **nginx):
    listen = [{"address": "127.0.0.1", "port": port}]
    return {"name": "shop", "domains": ["shop.example.com"], "nginx": {"listen_tls": listen, **nginx}}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(acme_served, "PATIENCE", 0.3)
    monkeypatch.setattr(acme_served, "PAUSE", 0.05)


@pytest.mark.parametrize("proxied", [False, True])
def test_https_serves_the_certificate_of_certbot(tmp_path, proxied):
    made = make()
    with server(tmp_path, made, proxied) as port:
        assert acme_served.wrong(site(port, proxy_protocol=proxied), made.certificate) == ""
        fault = acme_served.wrong(site(port, proxy_protocol=proxied), make().certificate)
        assert fault == f"https at 127.0.0.1:{port} has another certificate; possibly another server answers"


def test_closed_port_and_port_without_a_certificate():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fault = acme_served.wrong(site(port), make().certificate)
    assert fault == f"https at 127.0.0.1:{port} does not answer: Connection refused"
    assert acme_served.wrong(site(port), "") == "certbot has no certificate"


@pytest.mark.parametrize("address", ["", "*", "0.0.0.0", "[::]"])  # noqa: S104 - a value of an inventory
def test_a_wildcard_listener_is_asked_at_an_address_of_the_host(monkeypatch, address):
    monkeypatch.setattr(acme_served, "own_addresses", lambda: ["203.0.113.5"])
    listen = [{"address": address, "port": 8443}]
    assert acme_served.place({"nginx": {"listen_tls": listen}}) == ("203.0.113.5", 8443)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"domains": ["a.example.com", "b.example.com"]}, "a.example.com"),
        ({"domains": ["a.example.com", "b.example.com"], "canonical": "b.example.com"}, "b.example.com"),
        ({"domains": ["*.example.com"]}, "pyweb-check.example.com"),
    ],
)
def test_requested_server_name(keys, name):
    assert acme_served.name(keys) == name


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 4\r\n\r\nname", "200 of nginx"),
        (b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 4\r\n\r\npage", "another page with 200 of nginx"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404 of an unnamed server"),
        (b"SSH-2.0-OpenSSH\r\n", ""),
    ],
)
def test_which_program_answers_a_challenge(answer, found):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked = []

        def serve():
            connection, _address = listener.accept()
            with connection:
                asked.append(connection.recv(4096).decode())
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert acme_look.answer("127.0.0.1", "shop.example.com", "name", listener.getsockname()[1]) == found
        thread.join()
    assert asked[0].startswith("GET /.well-known/acme-challenge/name HTTP/1.1\r\n")
    assert "\r\nHost: shop.example.com\r\n" in asked[0]


def test_a_look_leaves_no_files(monkeypatch, tmp_path):
    monkeypatch.setattr(layouts, "ACME_WEBROOT", str(tmp_path))
    monkeypatch.setattr(acme_look, "own_addresses", lambda: ["203.0.113.5"])
    monkeypatch.setattr(acme_look, "addresses", lambda domain: ("198.51.100.7",))
    seen = []

    def answer(address, domain, name):
        text = (tmp_path / ".well-known/acme-challenge" / name).read_text()
        seen.append((address, domain, text == name))
        return f"404 of {address}"

    monkeypatch.setattr(acme_look, "answer", answer)
    found = acme_look.look("shop.example.com")
    assert found.addresses == ("198.51.100.7",)
    assert (found.here, found.there) == ("404 of 203.0.113.5", "404 of 198.51.100.7")
    assert seen == [("203.0.113.5", "shop.example.com", True), ("198.51.100.7", "shop.example.com", True)]
    assert list((tmp_path / ".well-known/acme-challenge").iterdir()) == []
    # A wildcard has no address of its own.
    assert acme_look.look("*.example.com").addresses == ()
