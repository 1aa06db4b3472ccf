# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check which certificate nginx serves, by a handshake with a site at this host's own address."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

from ..host.addresses import own_addresses

# nginx's old workers accept connections until the new ones are ready.
PATIENCE, PAUSE, TIMEOUT = 10.0, 0.2, 5
# A connection of the proxy itself (the PROXY protocol, 2.1); nginx requires this line if a balancer sends it.
_PROXY = b"PROXY UNKNOWN\r\n"


def wrong(site: Mapping[str, Any], certificate: str) -> str:
    """Return why https at the site's own address does not serve the certificate (PEM); '' if it does."""
    block = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", certificate, re.DOTALL)
    if not block:
        return "certbot has no certificate"
    wanted = ssl.PEM_cert_to_DER_cert(block[0])
    address, port = place(site)
    shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            served = handshake(address, port, name(site), bool(site["nginx"].get("proxy_protocol")))
            fault = (
                ""
                if served == wanted
                else (f"https at {shown} has another certificate; possibly another server answers")
            )
        except OSError as error:
            fault = f"https at {shown} does not answer: {error.strerror or error}"
        if not fault or time.monotonic() >= deadline:
            return fault
        time.sleep(PAUSE)  # old workers of nginx still answer after a reload; asked again until the deadline


def place(site: Mapping[str, Any]) -> tuple[str, int]:
    """Return where this host's nginx serves the site over https."""
    listen = (site["nginx"].get("listen_tls") or [{"address": "", "port": 443}])[0]
    given = listen["address"].strip("[]")
    anywhere = given.strip("*:0.") == ""
    return ((*own_addresses(), "127.0.0.1")[0] if anywhere else given), listen["port"]


def name(site: Mapping[str, Any]) -> str:
    """Return the name to request; for a wildcard, one that it covers."""
    return str(site.get("canonical") or site["domains"][0]).replace("*", "pyweb-check", 1)


def handshake(address: str, port: int, server_name: str, proxied: bool = False) -> bytes:
    """Return the certificate that a server shows for a name, in DER. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, port), TIMEOUT) as connection:
        if proxied:
            connection.sendall(_PROXY)
        with context.wrap_socket(connection, server_hostname=server_name) as secured:
            return secured.getpeercert(binary_form=True) or b""
