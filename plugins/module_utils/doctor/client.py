# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask as a client does: GET at an entrance, and look at the certificate that is served there."""

from __future__ import annotations

import contextlib
import socket
import ssl

from ..uwsgi import protocol
from .evidence import Entrance


def get(entrance: Entrance, path: str, timeout: float) -> protocol.Answer:
    """GET a path, whatever certificate is served. Raises `ProtocolError` when no answer comes."""
    context = _any_certificate() if entrance.tls else None
    return protocol.http_request(entrance.where, entrance.host, path, timeout, tls=context)


def certificate_fault(where: str, domain: str, timeout: float) -> str:
    """Return OpenSSL's verdict on the certificate that is served for a domain; '' where it is right or none comes.

    The certificate itself is the trust anchor, so that a self-signed one is as good as any: what is judged are its
    dates and its names.
    """
    host, _colon, port = where.rpartition(":")
    peer = (host.strip("[]"), int(port))
    try:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection(peer, timeout))
            trusting = stack.enter_context(_any_certificate().wrap_socket(plain, server_hostname=domain))
            served = ssl.DER_cert_to_PEM_cert(trusting.getpeercert(binary_form=True) or b"")
        strict = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        strict.load_verify_locations(cadata=served)
        strict.verify_flags |= 0x80000  # X509_V_FLAG_PARTIAL_CHAIN, named since Python 3.10
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection(peer, timeout))
            stack.enter_context(strict.wrap_socket(plain, server_hostname=domain))
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except (OSError, ValueError):
        pass
    return ""


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
