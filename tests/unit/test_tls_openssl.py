"""Facts of certificates and keys from the host's openssl."""

from __future__ import annotations

import datetime
import hashlib
import ssl
import subprocess

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.tls import openssl
from tls_pairs import NOW, make

SHELL = Shell("shop", {})


def test_facts_of_a_certificate():
    ca = make((), subject="Our CA", ca=True)
    names = ("Shop.example.com", "*.example.net", "192.0.2.7", "2001:db8::1")
    made = make(names, days=90, issuer=ca)
    found = openssl.leaf(SHELL, made.certificate)
    assert (found.subject, found.issuer) == ("CN=Shop.example.com", "CN=Our CA")
    assert found.names == ("shop.example.com", "*.example.net", "192.0.2.7", "2001:db8::1")
    assert found.ends == int((NOW + datetime.timedelta(days=90)).timestamp())
    assert found.date == f"{NOW + datetime.timedelta(days=90):%Y-%m-%d}"
    assert found.begins < NOW.timestamp()
    assert found.fingerprint == hashlib.sha256(ssl.PEM_cert_to_DER_cert(made.certificate)).hexdigest()
    assert openssl.leaf_fingerprint(made.certificate + ca.certificate) == found.fingerprint
    assert not found.self_signed
    assert openssl.leaf(SHELL, ca.certificate).self_signed


def test_certificate_without_names_has_none():
    assert openssl.leaf(SHELL, make(()).certificate).names == ()


@pytest.mark.parametrize(
    ("domain", "covered"),
    [
        ("shop.example.com", True),
        ("SHOP.example.com", True),
        ("www.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        ("*.example.net", True),
        ("*.example.com", False),
        ("*.www.example.net", False),
        ("192.0.2.7", True),
        ("2001:0db8:0::1", True),
        ("[2001:db8::1]", True),
        ("192.0.2.8", False),
    ],
)
def test_which_domains_a_certificate_covers(domain, covered):
    names = ("shop.example.com", "*.example.net", "192.0.2.7", "2001:db8::1")
    facts = openssl.Certificate("", "", names, 0, 0, "", "")
    assert facts.covers(domain) is covered
    assert facts.uncovered([domain]) == ([] if covered else [domain])


def test_chain_has_the_facts_of_all_certificates():
    ca = make((), subject="Our CA", ca=True)
    text = f"Subject: shop\n{make(issuer=ca).certificate}\nand its CA\n{ca.certificate}"
    assert [one.subject for one in openssl.chain(SHELL, text)] == ["CN=shop.example.com", "CN=Our CA"]


@pytest.mark.parametrize("text", ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_text_without_a_certificate_is_refused(text):
    with pytest.raises(StepError, match=r"certificate failed: (it contains no certificate|openssl x509 fails)"):
        openssl.leaf(SHELL, text)


def test_key_only_matches_its_own_certificate():
    one, two = make(), make()
    assert openssl.fits(SHELL, one.certificate, one.key)
    assert not openssl.fits(SHELL, one.certificate, two.key)


def test_key_with_a_passphrase_is_refused():
    argv = ["openssl", "pkey", "-aes256", "-passout", "pass:geheim"]
    locked = subprocess.run(argv, input=make().key, text=True, capture_output=True, check=True).stdout
    with pytest.raises(StepError, match="openssl pkey fails"):
        openssl.public_key(SHELL, locked)


def test_unknown_issuer_is_reported():
    root = make((), subject="Root", ca=True)
    between = make((), subject="Between", ca=True, issuer=root)
    own = make(issuer=between)
    assert openssl.missing_issuer(SHELL, own.certificate) == "CN=Between"
    # The root certificate of a private CA is not in the host's store, and need not be sent.
    assert openssl.missing_issuer(SHELL, own.certificate + between.certificate) == ""
    assert openssl.missing_issuer(SHELL, own.certificate + root.certificate) == "CN=Between"
    assert openssl.missing_issuer(SHELL, make().certificate) == ""


def test_missing_program_is_named(monkeypatch):
    nowhere = Shell("shop", {"PATH": "/nonexistent"})
    with pytest.raises(StepError, match="openssl is not installed; install the package openssl"):
        openssl.leaf(nowhere, make().certificate)


def test_private_keys_are_on_no_command_line(monkeypatch):
    seen = []
    real = Shell.run
    monkeypatch.setattr(
        Shell, "run", lambda self, step, argv, **more: seen.append(argv) or real(self, step, argv, **more)
    )
    made = make()
    assert openssl.fits(SHELL, made.certificate, made.key)
    assert seen
    assert not any("PRIVATE" in word or len(word) > 64 for argv in seen for word in argv)
