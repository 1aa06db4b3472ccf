# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a domain whose challenge has failed from this host: its addresses in DNS, and which server answers."""

from __future__ import annotations

import http.client
import os
import secrets
import socket

from ..host import files
from ..host.addresses import own_addresses
from ..model import layout as layouts
from .acme_causes import Seen

# The time limit of an answer in seconds. The CA waits ten.
TIMEOUT = 5
CHALLENGES = ".well-known/acme-challenge"


def look(domain: str) -> Seen:
    """Look at a domain as the CA does, from this host."""
    own = tuple(own_addresses())
    if domain.startswith("*."):
        return Seen(own=own)
    leads = addresses(domain)
    name = f"pyweb-check-{secrets.token_hex(8)}"
    path = f"{layouts.ACME_WEBROOT}/{CHALLENGES}/{name}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        files.write(path, name, 0o644, os.geteuid(), os.getegid())
        here = answer((*own, "127.0.0.1")[0], domain, name)
        there = answer(leads[0], domain, name) if leads else ""
    except OSError:
        return Seen(leads, own)
    finally:
        files.forget(path)
    return Seen(leads, own, here, there)


def addresses(domain: str) -> tuple[str, ...]:
    """Return the addresses of a name in this host's DNS."""
    try:
        found = socket.getaddrinfo(domain, 80, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def answer(address: str, domain: str, name: str, port: int = 80) -> str:
    """Request a challenge file; return the status and the server, or '' if nothing answers.

    A 200 with other contents than the file's is a page of another server.
    """
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        connection.request("GET", f"/{CHALLENGES}/{name}", headers={"Host": domain, "Connection": "close"})
        response = connection.getresponse()
        text = response.read(1024).decode("utf-8", "replace")
        server = response.getheader("Server") or "an unnamed server"
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    if response.status == 200 and text != name:
        return f"another page with 200 of {server}"
    return f"{response.status} of {server}"
