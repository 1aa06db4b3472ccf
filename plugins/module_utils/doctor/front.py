# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find what else on this host accepts visitors: a proxy at the outer ports, a tunnel, the packet filter."""

from __future__ import annotations

from ..nginx import match
from .evidence import Host, Site

# Programs that forward visitors from elsewhere to a loopback port, without an open port of their own.
TUNNELS = ("cloudflared", "ngrok", "frpc", "tailscaled", "inlets", "bore", "rathole", "chisel", "tor", "zrok")
# Programs that forward connections from a port of their own.
_PROXIES = (
    *("haproxy", "varnish", "caddy", "traefik", "envoy", "apache2", "httpd", "squid", "hitch", "stunnel", "docker"),
)
# Ports that visitors of a site do not use.
_NO_WEB = (22, 25, 53, 111, 123, 587, 631, 3306, 5432, 6379)


def served_inside(site: Site, host: Host) -> str:
    """Return what brings visitors to the site from inside the host, in words; '' where nothing is known to."""
    for process in host.table.values():
        if process.name in TUNNELS or (process.command and process.command[0].rpartition("/")[2] in TUNNELS):
            return f"the tunnel of {process}"
        if process.name == "ssh" and "-R" in process.command:
            return f"the tunnel of {process}"
    return ""


def in_front(site: Site, host: Host) -> str:
    """Return what accepts visitors at an outer port and may pass them on to nginx; '' if none is known."""
    tunnel = served_inside(site, host)
    if tunnel:
        return tunnel
    own = {listen.port for server in match.servers(host.nginx.config) for listen in server.listens}
    for listener in host.listeners:
        outer = listener.port and not loopback(listener.address)
        if outer and listener.port not in own and listener.port not in _NO_WEB:
            holder = host.holders.get(listener.port, "another program")
            if listener.port in (80, 443) or "nginx" in holder or any(one in holder for one in _PROXIES):
                return f"{holder} at port {listener.port}"
    for chain in host.packet_filter.chains:
        if chain.hook == "prerouting" or "nat" in chain.table:
            for rule in chain.rules:
                if rule.verdict in ("redirect", "away"):
                    return f"the packet filter: {rule.text}"
    return ""


def loopback(address: str) -> bool:
    return address.startswith(("127.", "[::1]", "unix:"))
