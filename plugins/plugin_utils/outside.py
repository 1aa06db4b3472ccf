# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Request sites from outside of their host: from the controller, at the address that it connects to.

The time and the number of requests are limited. If the controller knows no address of the host, nothing is requested.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol

# Seconds: for a name of the inventory, for a connection, for an answer.
_RESOLVE, _CONNECT, _ANSWER = 1.5, 1.5, 2.0
# Requested ports, and whether with TLS.
_USUAL: tuple[tuple[int, bool], ...] = ((80, False), (443, True))
# Maximum of names of a site, and of requests of a run to a host.
_DOMAINS, _QUESTIONS = 2, 60
_SSH = ("ssh", "paramiko", "paramiko_ssh", "libssh")
_PROXIES = ("proxycommand", "proxyjump", "-j ", "-w ")
# Not network connections: the controller is the host, or its name is no address.
_LOCAL = ("local",)


def way_to(connection: str, names: Sequence[str], arguments: str) -> tuple[str, bool, bool]:
    """Return (the IP address of a host, '' where there is none to ask, whether it surely is that host's, whether the
    controller comes there by another host).

    `names` are what the inventory calls it, the one that is connected to first; `arguments` are those of ssh. A name of
    other connections, such as that of a container, may be that of another machine in the controller's DNS.
    """
    kind = connection.rpartition(".")[2]
    by_ssh = kind in _SSH
    proxied = any(word in f"{arguments} ".lower() for word in _PROXIES)
    if kind in _LOCAL:
        return "", False, proxied
    for name in dict.fromkeys(names[:1] if by_ssh else names):
        if found := _resolved(name):
            return found, by_ssh, proxied
    return "", by_ssh, proxied


def ask(sites: Sequence[Mapping[str, Any]], way: tuple[str, bool, bool]) -> dict[str, list[dict[str, Any]]]:
    """Return the answers for each site, by its name. Network errors are not raised."""
    address, sure, proxied = way
    questions = [one for site in sites for one in _questions(site)][:_QUESTIONS]
    if not address or not questions:
        return {}
    ports = sorted({port for _name, _domain, port, _tls, _path in questions})
    with ThreadPoolExecutor(12) as pool:
        reached = dict(zip(ports, pool.map(lambda port: _connected(address, port), ports)))
        jobs = [pool.submit(_asked, address, one, reached[one[2]]) for one in questions]
        answers = [job.result() for job in jobs]
    found: dict[str, list[dict[str, Any]]] = {}
    for (name, domain, port, tls, _path), answer in zip(questions, answers):
        visit = {"site": name, "domain": domain, "address": address, "port": port, "tls": tls, "sure": sure}
        found.setdefault(name, []).append({**visit, "proxied": proxied, **answer})
    return found


def _questions(site: Mapping[str, Any]) -> list[tuple[str, str, int, bool, str]]:
    """Return (site, domain, port, whether by TLS, path): the usual ports, and those of the inventory."""
    domains = site.get("domains")
    domains = [domains] if isinstance(domains, str) else domains if isinstance(domains, list) else []
    health, nginx = site.get("health"), site.get("nginx")
    path = str((health.get("path") if isinstance(health, Mapping) else "") or "/")
    prefix = str(site.get("prefix") or "").rstrip("/")
    path = path if path.startswith(f"{prefix}/") else prefix + path
    # An invalid path is not requested: the module itself reports it.
    if not path.startswith("/") or not path.isprintable() or " " in path:
        path = "/"
    ports = set(_USUAL)
    if isinstance(nginx, Mapping):
        for key, tls in (("listen", False), ("listen_tls", True)):
            given = nginx.get(key)
            for listen in given if isinstance(given, list) else []:
                port = listen.get("port") if isinstance(listen, Mapping) else listen
                ports |= {(port, tls)} if isinstance(port, int) and 0 < port < 65536 else set()
    names = [str(domain).replace("*", "www", 1) for domain in domains[:_DOMAINS]]
    return [(str(site.get("name")), one, port, tls, path) for one in names for port, tls in sorted(ports)]


def _resolved(name: str) -> str:
    """Return an address of a host, preferably IPv4; '' for one of loopback, or if the resolver knows none."""
    found = bounded(lambda: [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)])
    addresses = sorted(found or [], key=lambda one: ":" in one)
    for address in addresses:
        with contextlib.suppress(ValueError):
            known = ipaddress.ip_address(address.partition("%")[0])
            if not (known.is_loopback or known.is_unspecified or known.is_link_local):
                return address
    return ""


def bounded(look: Callable[[], list[str]], seconds: float = _RESOLVE) -> list[str] | None:
    """Return the result of `look`, None if it fails or takes longer; then it continues without being waited for."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(look).result(timeout=seconds)
    except Exception:  # a resolver has many ways to fail, and after all of them nothing is requested
        return None
    finally:
        pool.shutdown(wait=False)


def _connected(address: str, port: int) -> dict[str, Any]:
    """Return {} if a connection is accepted, else why not."""
    try:
        with socket.create_connection((address, port), _CONNECT):
            return {}
    except ConnectionRefusedError:
        return {"failure": "connection refused", "refused": True}
    except (TimeoutError, socket.timeout):
        return {"failure": f"no connection within {_CONNECT:g} s"}
    except OSError as error:
        return {"failure": error.strerror or type(error).__name__}


def _asked(address: str, question: tuple[str, str, int, bool, str], reached: dict[str, Any]) -> dict[str, Any]:
    if reached:
        return reached
    _name, domain, port, tls, path = question
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    host = domain if port == (443 if tls else 80) else f"{domain}:{port}"
    started = time.monotonic()
    context = protocol.any_certificate() if tls else None
    try:
        answer = protocol.http_request(where, host, path, _ANSWER, tls=context)
    except (OSError, ValueError) as error:
        why = error.cause if isinstance(error, protocol.ProtocolError) else type(error).__name__
        return {"failure": f"{why} ({time.monotonic() - started:.1f} s)"}
    return {"status": answer.status}
