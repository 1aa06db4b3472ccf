"""Which certificate is served, with a real handshake."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.tls import openssl, pairs, stale
from tls_pairs import make


class Server:
    """Serve one certificate on a local port, and record the requested names and the lines before the handshake."""

    def __init__(self, folder, made, proxied=False):
        (folder / "cert.pem").write_text(made.certificate)
        (folder / "key.pem").write_text(made.key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.names, self.lines, self.proxied = [], [], proxied
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                if self.proxied:
                    self.lines.append(connection.recv(len(b"PROXY UNKNOWN\r\n")))
                with self.context.wrap_socket(connection, server_side=True):
                    pass


@pytest.fixture
def start(tmp_path):
    servers = []

    def begin(made, proxied=False):
        servers.append(Server(tmp_path, made, proxied))
        return servers[-1]

    yield begin
    for server in servers:
        server.listener.close()


def site(folder, port, domains=("shop.example.com",), **nginx):
    layout = Layout.under("shop", {"config": str(folder / "etc")})
    listen = [{"address": "", "port": port}]
    return {"name": "shop", "domains": domains, "paths": layout.paths, "nginx": {"listen_tls": listen, **nginx}}


def serve(folder, made):
    layout = Layout.under("shop", {"config": str(folder / "etc")})
    pairs.switch(layout, pairs.install(layout, made.certificate, made.key))


def test_served_certificate_is_compared_with_the_file(tmp_path, start):
    made, other = make(), make()
    server = start(made)
    assert stale.served("", server.port, "shop.example.com") == openssl.leaf_fingerprint(made.certificate)
    serve(tmp_path, made)
    assert not stale.is_stale(site(tmp_path, server.port))
    serve(tmp_path, other)
    assert stale.is_stale(site(tmp_path, server.port))
    assert server.names == ["shop.example.com"] * 3


def test_listener_behind_a_load_balancer_gets_the_proxy_protocol_first(tmp_path, start):
    made = make()
    server = start(made, proxied=True)
    serve(tmp_path, make())
    assert stale.is_stale(site(tmp_path, server.port, proxy_protocol=True))
    assert server.lines == [b"PROXY UNKNOWN\r\n"]


def test_server_that_does_not_answer_is_not_stale(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve(tmp_path, make())
    assert stale.served("127.0.0.1", port, "shop.example.com") == ""
    assert not stale.is_stale(site(tmp_path, port))


def test_site_without_a_pair_is_not_stale(tmp_path, start):
    assert not stale.is_stale(site(tmp_path, start(make()).port))


@pytest.mark.parametrize(
    ("domains", "name"),
    [
        (["*.example.com", "shop.example.com"], "shop.example.com"),
        (["*.example.com"], "pyweb-check.example.com"),
        (["192.0.2.1", "shop.example.com"], "shop.example.com"),
        (["192.0.2.1", "::1"], ""),
    ],
)
def test_requested_server_name(domains, name):
    assert stale.asked({"domains": domains}) == name
