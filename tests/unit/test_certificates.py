"""Validation of the inventory's certificates on the controller: no run installs one that a browser would refuse."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import json
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.action import check
from ansible_collections.pyweb.stack.plugins.filter import sites as filters
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.plugin_utils import certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from models import EXAMPLE, SHOP, faults

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
# Part of a damaged certificate.
USAGE = ExtensionOID.EXTENDED_KEY_USAGE
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


@functools.cache
def key(name):
    """Return a key, the same one for each name; `rsaBITS` is an RSA key."""
    if name.startswith("rsa"):
        return rsa.generate_private_key(65537, int(name[3:]))
    if name.startswith("secp"):
        return ec.generate_private_key(getattr(ec, name.upper())())
    return ed25519.Ed25519PrivateKey.generate() if name == "ed" else ec.generate_private_key(ec.SECP256R1())


def made(subject, issuer, names=(), days=(-1, 90), own="", usage=None):
    """Return a certificate of a subject, signed with the issuer's key; `own` replaces the subject's key."""
    built = x509.CertificateBuilder()
    built = built.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
    built = built.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
    built = built.public_key(key(own or subject).public_key()).serial_number(x509.random_serial_number())
    built = built.not_valid_before(NOW + days[0] * DAY).not_valid_after(NOW + days[1] * DAY)
    built = built.add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    if names:
        general = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() or ":" in name else x509.DNSName(name)
            for name in names
        ]
        built = built.add_extension(x509.SubjectAlternativeName(general), critical=False)
    if usage:
        built = built.add_extension(usage, critical=False)
    signer = key(issuer)
    used = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return built.sign(signer, used).public_bytes(serialization.Encoding.PEM).decode()


def private(name):
    form = serialization.PrivateFormat.PKCS8
    return key(name).private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


LEAF = made("shop", "below", ["shop.example.com", "www.shop.example.com"])
BELOW = made("below", "root")
ROOT = made("root", "root")
OTHER = made("other", "root")
GOOD = LEAF + BELOW


def pair(certificate, own="shop"):
    return {"certificate": certificate, "key": private(own) if "BEGIN" not in own else own}


def found(tls, *sites, **keys):
    """Return the faults of a site with this key `tls`."""
    return faults({**SHOP, "tls": tls, **keys}, *sites, certificates=certificates)


def good(tls, **keys):
    return complete([{**SHOP, "tls": tls, **keys}], example=str(EXAMPLE), certificates=certificates)


@pytest.mark.parametrize(
    "tls",
    [
        pair(GOOD),
        pair(GOOD + ROOT),
        pair(made("a", "a", ["shop.example.com"]), "a"),
        # A private CA whose root certificate signs and is sent along.
        pair(made("shop", "root", ["shop.example.com"]) + ROOT),
        pair(made("rsa2048", "below", ["shop.example.com"]) + BELOW, "rsa2048"),
        pair(made("ed", "ed", ["shop.example.com"]), "ed"),
        pair(made("shop", "below", ["shop.example.com"], usage=SERVER) + BELOW),
        {"certificate": "/etc/a.pem", "key": "/etc/a.key"},
        {"acme": {"directory": "https://ca.internal/acme", "ca": ROOT}},
        {"acme": {"directory": "https://ca.internal/acme", "ca": "/etc/root.pem"}},
    ],
)
def test_valid_certificates_are_accepted(tls):
    assert good(tls)


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        # A key that does not match.
        (pair(GOOD, "other"), "key does not match certificate: it is the EC key with 256 bits "),
        (pair(GOOD, "rsa2048"), "key does not match certificate: it is the RSA key with 2048 bits "),
        (pair(BELOW + LEAF), "certificate contains the certificate of key as number 2; expected it first"),
        # Chains.
        (
            pair(LEAF),
            "certificate lacks its intermediate: shop.example.com is signed by below, whose certificate does not "
            "follow; browsers that do not have it refuse the site; append it",
        ),
        (
            pair(LEAF + ROOT),
            "certificate lacks its intermediate: number 1, shop.example.com, is signed by below, and number 2 is root",
        ),
        (
            pair(LEAF + ROOT + BELOW),
            "certificate is in the wrong order: number 1, shop.example.com, is signed by number 3; expected the one "
            "that signed it next; put that one after it",
        ),
        (pair(GOOD + ROOT + OTHER), "certificate continues after a root: number 3, root, is signed by itself; remove"),
        # The issuer's name matches, but the signature is not its own.
        (pair(LEAF + made("below", "root", own="other")), "certificate lacks its intermediate: number 1"),
        # Dates.
        (
            pair(made("shop", "below", ["shop.example.com"], days=(-9, -2)) + BELOW),
            f"certificate has expired: that of shop.example.com was valid to {NOW - 2 * DAY:%Y-%m-%d %H:%M} UTC; renew",
        ),
        (
            pair(made("shop", "below", ["shop.example.com"], days=(2, 9)) + BELOW),
            f"certificate is not valid yet: that of shop.example.com begins at {NOW + 2 * DAY:%Y-%m-%d %H:%M} UTC",
        ),
        (
            pair(LEAF + made("below", "root", days=(-9, -2))),
            "certificate has expired: number 2 of it, below, was valid to",
        ),
        # Strength.
        (
            pair(made("rsa1024", "below", ["shop.example.com"]) + BELOW, "rsa1024"),
            "certificate is weak: that of shop.example.com has an RSA key of 1024 bits; expected at least 2048; create",
        ),
        (
            pair(made("secp256k1", "below", ["shop.example.com"]) + BELOW, "secp256k1"),
            "certificate is not for browsers: that of shop.example.com has a key of the curve secp256k1; expected "
            "P-256",
        ),
        (
            pair(made("shop", "below", ["shop.example.com"], usage=CLIENT) + BELOW),
            "certificate is for another purpose: that of shop.example.com is for no server",
        ),
        # Names.
        (
            pair(made("shop", "below", ["shop.example.org", "192.0.2.1"]) + BELOW),
            "certificate is for shop.example.org, 192.0.2.1; expected one for every domain of the site, and "
            "shop.example.com is missing; get one for all of them, or remove the domain",
        ),
        (
            pair(made("shop.example.com", "shop.example.com"), "shop.example.com"),
            "certificate is for no name, without a",
        ),
        # Unreadable files.
        (
            pair(LEAF + "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"),
            "certificate cannot be read: certificate 2 in it is damaged; copy the complete file again",
        ),
        (
            pair(made("shop", "below", ["shop.example.com"], usage=x509.UnrecognizedExtension(USAGE, b"\x30\x03"))),
            "certificate cannot be read: certificate 1 in it is damaged; copy the complete file again",
        ),
        (
            pair(GOOD[:-40]),
            "certificate is not usable; expected certificates as PEM text, or an absolute path on the host; only 1 of "
            "the 2 certificates in it can be read; copy the complete file again",
        ),
        (
            pair(GOOD, "-----BEGIN PRIVATE KEY-----\nQUJDREVG\n-----END PRIVATE KEY-----\n"),
            "key cannot be read: it is damaged, or has a passphrase; copy its file again",
        ),
        (
            {
                "acme": {
                    "directory": "https://ca.internal/",
                    "ca": "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
                }
            },
            "acme.ca cannot be read: certificate 1 in it is damaged",
        ),
    ],
)
def test_invalid_certificates_are_refused(tls, words):
    [fault] = found(tls)
    assert fault.startswith(f"web_sites[0] 'shop': tls.{words}")
    for line in str(tls.get("key", "")).splitlines():
        assert line not in fault


def test_signatures_with_sha1_are_refused_except_that_of_a_root():
    """openssl made the file: the library that reads certificates no longer signs with SHA-1."""
    read = certificates._read((Path(__file__).parent / "fixtures/signed_with_sha1.pem").read_text(), "certificate")
    assert len(read) == 3
    assert list(certificates._strength(read)) == [
        f"certificate is weak: {which} is signed with SHA1; expected SHA-256; get a new one"
        for which in ("that of shop.example.com", "number 2 of it, below,")
    ]
    assert list(certificates._chain(read)) == []


def test_all_faults_of_a_certificate_and_of_other_keys_are_reported_together():
    weak = made("rsa1024", "below", ["a.example.org"], days=(-9, -2))
    assert len(found(pair(weak, "other"), {"name": "blog"})) == 6  # five of the certificate, one of blog


@pytest.mark.parametrize(
    ("domain", "names", "covered"),
    [
        ("shop.example.com", ["SHOP.example.com"], True),
        ("shop.example.com", ["*.example.com"], True),
        ("a.shop.example.com", ["*.example.com"], False),
        ("example.com", ["*.example.com"], False),
        ("shop.example.com", ["sh*.example.com"], False),
        ("shop.example.com", ["*"], False),
        ("localhost", ["localhost"], True),
        ("*.example.com", ["*.example.com"], True),
        ("*.example.com", ["a.example.com", "example.com"], False),
        ("*.shop.example.com", ["*.example.com"], False),
        ("192.0.2.1", ["192.0.2.1"], True),
        ("192.0.2.1", ["192.0.2.2"], False),
        ("192.0.2.1", ["*.0.2.1"], False),
        ("2001:db8::1", ["2001:db8:0::1"], True),
    ],
)
def test_names_of_a_certificate(domain, names, covered):
    tls = pair(made("shop", "below", ["x.example.net", *names]) + BELOW)
    if covered:
        assert good(tls, domains=[domain])
    else:
        [fault] = found(tls, domains=[domain])
        assert "expected one for every domain of the site" in fault


# --- web_tls ---

BLOG = {"name": "blog", "domains": ["blog.example.com"]}


def test_an_invalid_certificate_of_web_tls_is_reported_once_and_missing_names_per_site():
    expired = made("shop", "below", ["shop.example.com"], days=(-9, -2)) + BELOW
    [fault] = faults(SHOP, BLOG, tls=pair(expired), certificates=certificates)
    assert fault.startswith("web_tls.certificate has expired")
    [fault] = faults(SHOP, BLOG, tls=pair(GOOD), certificates=certificates)
    assert fault.startswith(
        "web_sites[1] 'blog': tls.certificate is for shop.example.com, www.shop.example.com; expected"
    )


def test_the_filter_and_the_check_read_certificates():
    with pytest.raises(AnsibleFilterError, match=r"web_tls\.certificate lacks its intermediate"):
        filters.sites([SHOP], tls=pair(LEAF))
    assert filters.sites([SHOP], tls=pair(GOOD))[0]["tls"]["certificate"] == GOOD
    result = checked(pair(LEAF))
    assert result["failed"] is True
    assert "web_tls.certificate lacks its intermediate" in result["msg"]
    assert checked(pair(GOOD))["sites"] == [{"name": "shop", "state": "present", "url": "https://shop.example.com/"}]
    assert private("shop").splitlines()[1] not in json.dumps(checked(pair(GOOD)))


def test_the_check_refuses_acme_for_names_that_several_hosts_have():
    shared = {"web_run": {"shared_names": {"shop.example.com": ["web1", "web2"]}}}
    result = checked({"acme": {}}, **shared)
    assert "domains has shop.example.com, which the hosts web1, web2 have" in result["msg"]
    assert checked({"acme": {}})["sites"]
    assert checked("none", **shared)["sites"]


def checked(web_tls, **variables):
    templar = MagicMock(template=lambda value: value)
    task = MagicMock(args={}, check_mode=False, async_val=0)
    plugin = check.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), templar, MagicMock())
    folder = str(Path(__file__).parent)
    return plugin.run(task_vars={"web_sites": [SHOP], "web_tls": web_tls, "playbook_dir": folder, **variables})
