"""Validation on the host of pairs in the inventory."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.tls import judge
from ansible_collections.pyweb.stack.plugins.module_utils.tls.pairs import Pair
from tls_pairs import DAY, NOW, make

SHELL = Shell("shop", {})
GOOD, OTHER = make(("shop.example.com", "*.example.net")), make()
TLS = {"kind": "path", "certificate_path": "/etc/a.pem", "key_path": "/etc/a.key"}
DOMAINS = ("shop.example.com", "www.example.net")


def refused(certificate, key, domains=DOMAINS, tls=None):
    with pytest.raises(StepError) as caught:
        judge.judged(SHELL, Pair(certificate, key), domains, tls or TLS)
    text = str(caught.value)
    assert text.startswith("site 'shop': certificate failed: tls.")
    assert "PRIVATE" not in text.replace("a private key", "")
    return text


def test_a_valid_pair_is_accepted():
    found = judge.judged(SHELL, Pair(GOOD.certificate, GOOD.key), DOMAINS, TLS)
    assert found.names == ("shop.example.com", "*.example.net")
    assert judge.notes(SHELL, Pair(GOOD.certificate, GOOD.key), found, TLS) == []


def test_an_invalid_certificate_is_refused():
    assert "tls.certificate is /etc/a.pem: it contains no certificate; expected PEM" in refused("x", GOOD.key)
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert "tls.certificate is /etc/a.pem: openssl x509 fails: " in refused(broken, GOOD.key)
    assert "tls.certificate: it contains no certificate" in refused("x", GOOD.key, tls={"kind": "certificate"})


def test_an_invalid_key_is_refused():
    text = refused(GOOD.certificate, "x")
    assert "tls.key is /etc/a.key: openssl pkey fails: " in text
    assert "expected a private key as PEM text, without a passphrase" in text


def test_key_of_another_certificate_is_refused():
    text = refused(GOOD.certificate, OTHER.key)
    assert "tls.key is /etc/a.key: the key does not match the certificate of CN=shop.example.com; expected its" in text


def test_certificate_that_is_not_valid_now_is_refused():
    ended, soon = make(days=-2), make(begins=NOW + DAY)
    assert "/etc/a.pem: it ended on" in refused(ended.certificate, ended.key)
    assert "/etc/a.pem: it is valid from" in refused(soon.certificate, soon.key)


def test_certificate_without_all_domains_is_refused():
    text = refused(GOOD.certificate, GOOD.key, [*DOMAINS, "a.example.org"])
    assert "it is for shop.example.com, *.example.net; expected a.example.org as well: request one for" in text


def test_near_expiry_and_a_missing_issuer_are_reported():
    ca = make((), subject="Our CA", ca=True)
    made = make(issuer=ca, days=10.5)
    pair = Pair(made.certificate, made.key)
    found = judge.judged(SHELL, pair, ["shop.example.com"], TLS)
    soon, issuer = judge.notes(SHELL, pair, found, TLS)
    assert soon.startswith("site 'shop': tls.certificate is /etc/a.pem: it ends on ")
    assert soon.endswith(", in 10 days; renew it")
    assert "contains the certificate of its issuer, CN=Our CA; clients may refuse it" in issuer
    assert judge.notes(SHELL, pair, found, TLS, time.time() - 10 * 86400) == [issuer]


def test_files_of_the_host_are_read(tmp_path):
    tls = {"certificate_path": str(tmp_path / "a.pem"), "key_path": str(tmp_path / "a.key")}
    with pytest.raises(StepError) as caught:
        judge.of_host(SHELL, tls)
    expected = "No such file or directory; expected a file that root can read; write it before the run, or correct"
    assert f"tls.certificate is {tmp_path}/a.pem: {expected}" in str(caught.value)
    (tmp_path / "a.pem").write_text("cert\n")
    os.symlink("b.key", tmp_path / "a.key")
    with pytest.raises(StepError, match=r"tls\.key is .*a.key: No such file"):
        judge.of_host(SHELL, tls)
    (tmp_path / "b.key").write_text("key\n")
    assert judge.of_host(SHELL, tls) == ("cert\n", "key\n")
    (tmp_path / "a.pem").unlink()
    (tmp_path / "a.pem").mkdir()
    with pytest.raises(StepError, match=r"tls\.certificate is .*; expected a file that root can read"):
        judge.of_host(SHELL, tls)
