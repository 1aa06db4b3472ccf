"""How the doctor gathers facts about certificates: from a real handshake and from files."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import ask, look_tls
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.client import get, shown
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Entrance, Ran
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from doctor_evidence import evidence

NAME = "shop.example"


def openssl(*words, **more):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True, **more).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Certificates below one root, `NAME.crt` and `NAME.key`: with an intermediate, without, and self-signed ones."""
    folder = tmp_path_factory.mktemp("made")

    def make(name, subject, extensions, issuer="", days=30):
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl(
            "req",
            "-new",
            *curve,
            "-nodes",
            "-subj",
            f"/CN={subject}",
            "-keyout",
            folder / f"{name}.key",
            "-out",
            folder / f"{name}.csr",
        )
        (folder / f"{name}.ext").write_text(extensions)
        by = ["-CA", folder / f"{issuer}.crt", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial"] if issuer else []
        by = by or ["-signkey", folder / f"{name}.key"]
        openssl(
            "x509",
            "-req",
            "-in",
            folder / f"{name}.csr",
            "-days",
            days,
            "-extfile",
            folder / f"{name}.ext",
            "-out",
            folder / f"{name}.crt",
            *by,
        )

    authority, own = "basicConstraints=critical,CA:TRUE\n", f"subjectAltName=DNS:{NAME}\n"
    make("root", "Root", authority)
    make("middle", "Middle", authority, "root")
    make("leaf", NAME, own, "middle")
    make("public", NAME, f"{own}authorityInfoAccess=caIssuers;URI:http://ca.example/m.crt\n", "middle")
    make("direct", NAME, own, "root")
    make("alone", NAME, own)
    make("other", "other.example", "subjectAltName=DNS:other.example\n")
    return folder


@contextlib.contextmanager
def serving(certificate, key, greeted=""):
    """Serve this certificate; yield the port and the data received before the handshakes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate), str(key))
    listener = socket.create_server(("127.0.0.1", 0))
    told = []

    def serve():
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                if greeted:
                    line = b""
                    while not line.endswith(b"\r\n"):
                        line += connection.recv(1)
                    told.append(line.decode())
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], told
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def entrance_at(port, *certificates, domain=NAME, config="/n/nginx.conf"):
    lines = " ".join(f"ssl_certificate {path};" for path in certificates)
    [server] = match.servers(dump.parse(f"# configuration file {config}:\nhttp {{ server {{ {lines} }} }}"))
    return Entrance(domain, "127.0.0.1", port, True, server, [server])


def looked_at(entrance, config=None):
    site, _host = evidence()
    look_tls.look_at_certificate(entrance, site, config)
    return entrance


@pytest.mark.parametrize(
    ("name", "domain", "fault", "distrust"),
    [
        ("alone", NAME, "", "self"),
        ("leaf", NAME, "", "unable to get local issuer certificate"),
        ("other", NAME, "ismatch", "self"),
    ],
)
def test_dates_and_names_of_a_served_certificate_are_separate_from_trust(made, name, domain, fault, distrust):
    with serving(made / f"{name}.crt", made / f"{name}.key") as (port, _told):
        found = shown(entrance_at(port, domain=domain), 5)
    assert found.pem == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert((made / f"{name}.crt").read_text()))
    assert bool(found.fault) == bool(fault)
    assert fault in found.fault
    assert distrust in found.distrust


def test_an_ip_address_is_verified_as_an_address(made):
    with serving(made / "alone.crt", made / "alone.key") as (port, _told):
        assert "127.0.0.1" in shown(entrance_at(port, domain="127.0.0.1"), 5).fault


def test_no_certificate_is_found_on_a_closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = looked_at(entrance_at(port))
    assert (found.shown.pem, found.shown.leaf, found.certificate, found.file) == ("", None, "", None)


def test_the_proxy_protocol_is_sent_if_the_server_expects_it(made):
    with serving(made / "alone.crt", made / "alone.key", greeted="PROXY") as (port, told):
        entrance = entrance_at(port)
        entrance.greets = True
        assert shown(entrance, 5).pem
        assert get(entrance, "/", 5).body == b"hello"
    assert set(told) == {f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {port}\r\n"}


def test_the_file_is_compared_with_the_served_certificate(made):
    with serving(made / "alone.crt", made / "alone.key") as (port, _told):
        same = looked_at(entrance_at(port, made / "alone.crt"))
        newer = looked_at(entrance_at(port, made / "leaf.crt"))
        both = looked_at(entrance_at(port, made / "alone.crt", made / "leaf.crt"))
    assert same.file.leaf.fingerprint == same.shown.leaf.fingerprint
    assert same.shown.leaf.names == (NAME,)
    assert newer.file.leaf.fingerprint != newer.shown.leaf.fingerprint
    assert newer.certificate_place == str(made / "leaf.crt")
    # With one certificate per type of key, nginx serves one of them.
    assert both.file.path == str(made / "alone.crt")


def test_an_unreadable_file_is_not_a_certificate(made, tmp_path):
    (tmp_path / "none.pem").write_text("nothing")
    for name, why in ((tmp_path / "gone.pem", "No such file"), (tmp_path / "none.pem", "contains no certificate")):
        file = looked_at(entrance_at(9, name)).file
        assert file.leaf is None
        assert why in file.error
    assert looked_at(entrance_at(9, "/etc/$ssl_server_name.pem")).file.error == "only nginx knows what that is"


def test_a_certificate_of_another_program_is_compared_in_its_own_file(made):
    site, _host = evidence()
    site.https.source = str(made / "leaf.crt")
    with serving(made / "alone.crt", made / "alone.key") as (port, _told):
        entrance = entrance_at(port, made / "alone.crt")
        look_tls.look_at_certificate(entrance, site, None)
    assert (entrance.file.path, entrance.file.place) == (str(made / "leaf.crt"), "web_sites[].tls")
    assert entrance.file.leaf.fingerprint != entrance.shown.leaf.fingerprint


def test_a_relative_path_is_relative_to_the_configuration(made):
    config = dump.parse(f"# configuration file {made}/nginx.conf:\nhttp {{ }}\n")
    entrance = looked_at(entrance_at(9, "alone.crt"), config)
    assert entrance.file.path == str(made / "alone.crt")
    assert entrance.file.leaf.names == (NAME,)


@pytest.mark.parametrize(
    ("parts", "missing", "told"),
    [
        (["leaf"], "CN=Middle", False),
        (["public"], "CN=Middle", True),
        (["public", "root"], "CN=Middle", True),  # Not the one that issued it.
        (["public", "middle"], "", False),
        (["direct"], "CN=Root", False),
        (["alone"], "", False),
    ],
)
def test_a_chain_without_the_issuer_is_found(made, tmp_path, parts, missing, told):
    (tmp_path / "shop.pem").write_text("".join((made / f"{part}.crt").read_text() for part in parts))
    file = looked_at(entrance_at(9, tmp_path / "shop.pem")).file
    assert (file.missing, file.issuer_told, file.beside) == (missing, told, "")


def test_the_issuer_is_searched_next_to_the_file(made, tmp_path):
    (tmp_path / "cert.pem").write_text((made / "leaf.crt").read_text())
    (tmp_path / "privkey.pem").write_text((made / "leaf.key").read_text())
    (tmp_path / "chain.pem").write_text((made / "middle.crt").read_text())
    assert looked_at(entrance_at(9, tmp_path / "cert.pem")).file.beside == f"{tmp_path}/chain.pem"
    (tmp_path / "fullchain.pem").write_text((made / "leaf.crt").read_text() + (made / "middle.crt").read_text())
    assert looked_at(entrance_at(9, tmp_path / "cert.pem")).file.beside == f"{tmp_path}/fullchain.pem"


def test_the_handshake_works_without_openssl(made, monkeypatch):
    monkeypatch.setattr(ask, "run", lambda *given, **named: Ran(None, err="No such file or directory"))
    with serving(made / "other.crt", made / "other.key") as (port, _told):
        entrance = looked_at(entrance_at(port, made / "other.crt"))
    assert entrance.shown.leaf is None
    assert "ismatch" in entrance.certificate
    assert "openssl is not installed" in entrance.file.error


def test_a_hanging_command_is_a_fault_of_its_step(monkeypatch):
    monkeypatch.setattr(ask, "run", lambda *given, **named: Ran(None))
    shell = look_tls.Asking("shop", {})
    with pytest.raises(look_tls.StepError, match="openssl: no end in time"):
        shell.run("certificate", ["openssl"])
