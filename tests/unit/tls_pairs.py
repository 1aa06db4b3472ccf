"""Certificates for the tests, of all kinds that a host may have."""

from __future__ import annotations

import datetime
import ipaddress
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


class Made(NamedTuple):
    """A certificate and its key as PEM, and the objects that sign others with them."""

    certificate: str
    key: str
    name: x509.Name
    private: ec.EllipticCurvePrivateKey


def make(names=("shop.example.com",), days=90.0, issuer=None, subject="", ca=False, begins=None):
    """Return a certificate for `names` that expires in this number of days; `issuer` is a result of `make`, or None."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject or (names[0] if names else "nobody"))])
    end = NOW + datetime.timedelta(days=days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.name if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or min(NOW, end) - DAY)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
    signed = builder.sign(issuer.private if issuer else key, hashes.SHA256())
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Made(
        signed.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, *plain).decode(),
        name,
        key,
    )


def _name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
