# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Act as a client: GET at an entrance, and read the certificate that is served there."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Mapping

from ..uwsgi import protocol
from .evidence import Entrance
from .evidence_tls import Shown

# X509_V_FLAG_PARTIAL_CHAIN, named since Python 3.10: a certificate that is no root may be trusted itself.
_PARTIAL_CHAIN = 0x80000


def get(entrance: Entrance, path: str, timeout: float, headers: Mapping[str, str] | None = None) -> protocol.Answer:
    """GET a path, whatever certificate is served. Raises `ProtocolError` when no answer comes."""
    context = _any_certificate() if entrance.tls else None
    greeting = protocol.proxy_line(entrance.address, entrance.address, entrance.port) if entrance.greets else b""
    return protocol.http_request(entrance.where, entrance.host, path, timeout, headers, tls=context, greeting=greeting)


def shown(entrance: Entrance, timeout: float) -> Shown:
    """Return the certificate that is shown for a domain, and what OpenSSL says of it.

    For `fault` the certificate itself is the trust anchor, so that a self-signed one is as good as any: what is judged
    are its dates and its names. For `distrust` the host's own CAs are. If nothing answers, it stops.
    """
    found = Shown()
    with contextlib.suppress(OSError, ValueError), _handshake(entrance, _any_certificate(), timeout) as connection:
        found.pem = ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")
    if found.pem:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        own.load_verify_locations(cadata=found.pem)
        own.verify_flags |= _PARTIAL_CHAIN
        found.fault = _verdict(entrance, own, timeout)
        found.distrust = _verdict(entrance, ssl.create_default_context(), timeout)
    return found


def _verdict(entrance: Entrance, context: ssl.SSLContext, timeout: float) -> str:
    """Return why OpenSSL refuses the certificate; '' where it does not, or no handshake comes about."""
    try:
        with _handshake(entrance, context, timeout):
            pass
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except (OSError, ValueError):
        pass
    return ""


@contextlib.contextmanager
def _handshake(entrance: Entrance, context: ssl.SSLContext, timeout: float) -> Iterator[ssl.SSLSocket]:
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection((entrance.address, entrance.port), timeout))
        if entrance.greets:
            plain.sendall(protocol.proxy_line(entrance.address, entrance.address, entrance.port))
        yield stack.enter_context(context.wrap_socket(plain, server_hostname=entrance.domain.strip("[]")))


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
