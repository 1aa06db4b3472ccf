# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of HTTPS in combinations of several keys, or of several sites."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from . import schemes
from .errors import listed, shown
from .types import Acme, Dns, Listen, Nginx, Site, Tls

# Top-level domains for which no public CA issues certificates: RFC 6761, 6762 and 7686, and ICANN's `internal`.
NOT_PUBLIC = ("test", "example", "invalid", "localhost", "local", "internal", "onion")
# Directives of a server about client certificates, which `tls` does not set.
OF_CLIENTS = ("ssl_client_certificate", "ssl_trusted_certificate", "ssl_verify_client", "ssl_verify_depth", "ssl_crl")

# Let's Encrypt's limit for a certificate (its documentation, "Rate Limits").
NAMES_MAX = 100


def between_tls(site: Site) -> Iterator[str]:
    """Yield the conflicts between the keys for HTTPS of a site, each of which is valid by itself."""
    nginx = site["nginx"]
    if site["canonical"]:
        yield from _canonical(site["canonical"], site["domains"])
    if nginx["proxy_protocol"] and not nginx["trusted_proxies"]:
        yield (
            "nginx.proxy_protocol is true; expected nginx.trusted_proxies too, the load balancers that use it, or "
            "every client could claim any address; set their addresses, or remove proxy_protocol"
        )
    if schemes.has_tls(site):
        yield from _listeners(site)
        yield from _workarounds(nginx["options"])
        if site["tls"]["kind"] == "acme":
            yield from _acme(site, site["tls"]["acme"])
    else:
        yield from _only_with_tls(nginx)


def _only_with_tls(nginx: Nginx) -> Iterator[str]:
    given = {"listen_tls": bool(nginx["listen_tls"]), "redirect": not nginx["redirect"], "hsts": nginx["hsts"] > 0}
    for name in [name for name, is_given in given.items() if is_given]:
        yield f"nginx.{name} is given; it requires tls, which is none; set tls, or remove it"


def _canonical(canonical: str, domains: list[str]) -> Iterator[str]:
    if canonical.startswith("*."):
        yield f"canonical is {shown(canonical)}; expected one name to redirect to, without *; set one of domains"
    elif canonical not in domains:
        yield f"canonical is {shown(canonical)}; expected one of domains ({listed(domains)}); add it to them"


def _listeners(site: Site) -> Iterator[str]:
    nginx = site["nginx"]
    for plain in nginx["listen"]:
        if any(_same_socket(plain, listener) for listener in schemes.tls_listeners(site)):
            where = written(plain)
            yield (
                f"nginx.listen has {where}, and so has nginx.listen_tls (default: 443); expected http and https "
                "on "
                f"different ports; remove {where} from one of them"
            )
    if nginx["hsts"] and not nginx["redirect"]:
        yield (
            "nginx.hsts is given and nginx.redirect is false; browsers that received the header use https only; remove "
            "one of them"
        )


def _workarounds(options: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the directives that configure HTTPS without `tls`."""
    for name, values in options.items():
        words = {word for value in values for word in value.split()}
        is_ours = name == "http2" or (name.startswith("ssl") and name not in OF_CLIENTS)
        if name == "listen" and words & {"ssl", "quic", "http2"}:
            yield (
                f"nginx.options.listen is {shown(', '.join(values))} beside tls, which listens for https itself; "
                "remove it; set ports other than 443 in nginx.listen_tls"
            )
        elif is_ours:
            yield f"nginx.options.{name} is given beside tls, which writes that itself; remove it from nginx.options"
        elif name in ("return", "rewrite") and any("https://" in word for word in words):
            yield (
                f"nginx.options.{name} redirects to https beside tls, which would redirect endlessly; remove it: "
                "nginx.redirect does it"
            )


def within_tls(tls: Tls) -> Iterator[str]:
    """Yield the conflicts within a key `tls`, or `web_tls`, regardless of its site."""
    if tls["kind"] == "certificate":
        is_path = {name: tls[name].startswith("/") for name in ("certificate", "key")}
        if is_path["certificate"] != is_path["key"]:
            path, text = sorted(is_path, key=lambda name: not is_path[name])
            yield (
                f"tls.{path} is a path on the host and {text} is text; expected both of the same kind, because one "
                "could "
                "be renewed without the other; set two paths or two texts"
            )
    elif tls["kind"] == "acme":
        acme = tls["acme"]
        if acme["ca"] and not acme["directory"]:
            yield ("tls.acme.ca is given without directory; every host knows Let's Encrypt; remove one of them")
        if acme["challenge"]["kind"] == "dns":
            yield from _dns(acme["challenge"]["dns"])


# --- ACME ---


def _acme(site: Site, acme: Acme) -> Iterator[str]:
    domains, nginx = site["domains"], site["nginx"]
    # The host checks whether its certbot can get a certificate for an IP address.
    addresses = [domain for domain in domains if schemes.is_address(domain)]
    if addresses and acme["challenge"]["kind"] == "dns":
        yield (
            f"domains has {listed(addresses)}, and tls.acme.challenge is dns; an IP address has no record for it (RFC "
            "8738); use the challenge http, or remove it"
        )
    private = [domain for domain in domains if not schemes.is_address(domain) and not is_public(domain)]
    if private and is_lets_encrypt(acme["directory"]):
        yield (
            f"domains has {listed(private)}, for which no public CA issues certificates, and tls.acme.directory is "
            "Let's Encrypt's; use tls: selfsigned, or set the directory of your own CA"
        )
    if len(domains) > NAMES_MAX and is_lets_encrypt(acme["directory"]):
        yield (
            f"domains has {len(domains)} names, and tls.acme.directory is Let's Encrypt's, which allows at most "
            f"{NAMES_MAX} in a certificate; use several sites, or use a wildcard with a dns challenge"
        )
    if acme["challenge"]["kind"] == "dns":
        return
    wildcards = [domain for domain in domains if domain.startswith("*.")]
    if wildcards:
        yield (
            f"domains has {listed(wildcards)}, and tls.acme.challenge is http; CAs issue certificates for *. with a "
            "dns challenge "
            "only; set tls.acme.challenge: {dns: ...}"
        )
    if not nginx["trusted_proxies"] and not any(_is_asked_by_a_ca(listener) for listener in nginx["listen"]):
        yield (
            f"nginx.listen is {', '.join(map(written, nginx['listen']))}, and tls.acme.challenge is http, for which "
            "the CA connects to port 80; add 80 to nginx.listen, or use a dns challenge; if a server in front forwards "
            "port 80, add it to nginx.trusted_proxies"
        )


def _dns(dns: Dns) -> Iterator[str]:
    where = "tls.acme.challenge.dns"
    ways = [name for name in ("command", "plugin") if dns[name]]
    if len(ways) != 1:
        yield f"{where} has {' and '.join(ways) or 'neither command nor plugin'}; expected exactly one of them"
        return
    other = {"command": ("credentials", "wait"), "plugin": ("cleanup", "environment")}[ways[0]]
    needs = "plugin" if ways[0] == "command" else "command"
    given: Mapping[str, object] = dns
    for name in other:
        if given[name]:
            yield f"{where}.{name} is given; it requires {needs}, and {ways[0]} is set; remove it"
    if dns["plugin"] == "route53":
        yield f"{where}.plugin is 'route53', which reads no credentials file; use command and environment"
    elif dns["plugin"] and not dns["credentials"]:
        yield (
            f"{where}.credentials is missing; it is required with plugin: the text of the file that the "
            f"documentation of certbot-dns-{dns['plugin']} describes"
        )


def on_several_hosts(site: Site, shared_names: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the domains of a site that other hosts also have, if the CA connects to one of them over HTTP."""
    if site["tls"]["kind"] != "acme" or site["tls"]["acme"]["challenge"]["kind"] != "http":
        return
    # No CA issues wildcard certificates over HTTP.
    names = [name for name in site["domains"] if len(shared_names.get(name, ())) > 1 and not name.startswith("*")]
    if names:
        hosts = dict.fromkeys(host for name in names for host in shared_names[name])
        yield (
            f"domains has {listed(names)}, which the hosts {listed(hosts)} have, and tls.acme.challenge is http; the "
            "CA connects to any one of them; use a dns challenge, or issue on one host and give "
            "the certificate and its key to the others"
        )


def is_public(domain: str) -> bool:
    """Return whether a public CA may issue a certificate for a name."""
    _before, dot, last = domain.rpartition(".")
    return bool(dot) and last not in NOT_PUBLIC and not f".{domain}".endswith(".home.arpa")


def is_lets_encrypt(directory: str) -> bool:
    """Return whether an ACME directory is Let's Encrypt's ('' is the default), or its staging one."""
    return not directory or re.match(r"https://([^/:]+\.)?letsencrypt\.org(:|/|$)", directory.lower()) is not None


def _is_asked_by_a_ca(listener: Listen) -> bool:
    address = listener["address"].strip("[]")
    is_local = address == "localhost" or (address != "" and ipaddress.ip_address(address).is_loopback)
    return listener["port"] == 80 and not is_local


# --- several sites ---


def between_listeners(sites: Sequence[Site]) -> Iterator[str]:
    """Yield the sites of one host with conflicting settings of a listening socket of nginx."""
    tls = [(site, listener) for site in sites for listener in schemes.tls_listeners(site)]
    plain = [(site, listener) for site in sites for listener in site["nginx"]["listen"]]
    told: set[tuple[str, str, str]] = set()
    for site, listener in tls:
        for other, taken in plain:
            which = (other["name"], site["name"], written(listener))
            if other["name"] != site["name"] and _same_socket(listener, taken) and which not in told:
                told.add(which)
                yield (
                    f"site '{site['name']}': nginx.listen_tls has {written(listener)}, on which site "
                    f"'{other['name']}' listens for http; change one of the ports"
                )
    yield from _proxy_protocol([*tls, *plain])


def _proxy_protocol(pairs: Sequence[tuple[Site, Listen]]) -> Iterator[str]:
    """Yield the sites that differ in the PROXY protocol: nginx sets it for a socket, not for a server."""
    told: set[frozenset[str]] = set()
    for number, (site, listener) in enumerate(pairs):
        for other, same in pairs[:number]:
            names = frozenset((site["name"], other["name"]))
            is_equal = site["nginx"]["proxy_protocol"] == other["nginx"]["proxy_protocol"]
            if is_equal or names in told or not _same_socket(listener, same):
                continue
            # Sites with the same domains have their own check, and each difference is reported once.
            told.add(names)
            if set(site["domains"]) & set(other["domains"]):
                continue
            yield (
                f"site '{site['name']}': nginx.proxy_protocol differs from that of site '{other['name']}', and both "
                f"listen on {written(listener)}; nginx sets it for a port; make it equal, or use different ports"
            )


def written(listener: Listen) -> str:
    """Return an address and a port in the inventory's format."""
    return f"{listener['address']}:{listener['port']}" if listener["address"] else str(listener["port"])


def _same_socket(first: Listen, second: Listen) -> bool:
    """Return whether nginx has one socket for both: a port alone means all addresses of both families."""
    if first["port"] != second["port"]:
        return False
    addresses = [re.sub(r"^(0\.0\.0\.0|\[::\])$", "", listener["address"]) for listener in (first, second)]
    return addresses[0] == addresses[1]
