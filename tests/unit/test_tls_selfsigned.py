"""Self-signed pairs."""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell
from ansible_collections.pyweb.stack.plugins.module_utils.tls import openssl, selfsigned
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tls_pairs import make

SHELL = Shell("shop", {})
DOMAINS = ["shop.example.com", "*.example.net", "192.0.2.7", "2001:db8::1"]


def test_pair_has_what_browsers_require():
    pair = selfsigned.make(SHELL, DOMAINS)
    assert openssl.fits(SHELL, *pair)
    found = x509.load_pem_x509_certificate(pair.certificate.encode())
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example.com", "*.example.net"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(one) for one in DOMAINS[2:]]
    assert [one.value for one in found.subject] == ["shop.example.com"]
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    facts = openssl.leaf(SHELL, pair.certificate)
    assert facts.ends - facts.begins == datetime.timedelta(days=397).total_seconds()
    assert selfsigned.stays(facts, DOMAINS)


def test_two_pairs_have_two_keys():
    assert selfsigned.make(SHELL, DOMAINS).key != selfsigned.make(SHELL, DOMAINS).key


def test_name_that_is_too_long_is_not_the_common_name():
    long = ".".join(["a" * 60, "b" * 60, "example.com"])
    pair = selfsigned.make(SHELL, [long])
    found = x509.load_pem_x509_certificate(pair.certificate.encode())
    assert found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "shop"
    assert openssl.leaf(SHELL, pair.certificate).names == (long,)


@pytest.mark.parametrize(
    ("domains", "days", "stays"),
    [
        (["a.example.com"], 31, True),
        (["A.example.com"], 31, True),
        (["a.example.com"], 29, False),
        (["a.example.com", "b.example.com"], 90, False),
        (["b.example.com"], 90, False),
    ],
)
def test_pair_is_renewed_before_it_expires_and_for_other_names(domains, days, stays):
    facts = openssl.leaf(SHELL, make(["a.example.com"], days=days).certificate)
    assert selfsigned.stays(facts, domains) is stays


def test_pair_of_a_ca_is_not_recognized_as_self_signed():
    ca = make((), subject="Our CA", ca=True)
    assert not selfsigned.stays(openssl.leaf(SHELL, make(issuer=ca).certificate), ["shop.example.com"])
