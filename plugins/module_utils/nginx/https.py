# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nginx says of https: how a site's server listens, and the servers that stand before it.

Those redirect: from http, and from names that are not the canonical one. They also answer the challenge of a CA.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..model import schemes
from ..model.layout import Layout
from ..model.types import Site
from .proxies import Proxies

# Mozilla's "intermediate", 6.0: TLS 1.2 and 1.3, ECDHE with AEAD, the client's preference. In every server, because at
# the http level somebody else may have said the same. The groups are OpenSSL's own, which knows the newest.
CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
TLS = {
    "ssl_protocols": ["TLSv1.2 TLSv1.3"],
    "ssl_ciphers": [CIPHERS],
    "ssl_prefer_server_ciphers": ["off"],
    "ssl_session_timeout": ["1d"],
    "ssl_session_cache": ["shared:pyweb_tls:10m"],
    "ssl_session_tickets": ["off"],
}
HTTP2_DIRECTIVE = (1, 25, 1)
REJECT_HANDSHAKE = (1, 19, 4)
CHALLENGE = "/.well-known/acme-challenge/"
# What the servers before a site's own take from it.
_SHARED = ("access_log", "error_log", "server_tokens")
_HSTS = "Strict-Transport-Security"


class Spelling:
    """What an nginx of this version knows. '' is one that is not installed yet: what all of them understand."""

    def __init__(self, version: str) -> None:
        found = tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])
        self.http2_directive = found >= HTTP2_DIRECTIVE
        self.rejects = not found or found >= REJECT_HANDSHAKE


def serves_http(site: Site) -> bool:
    """Return whether the site's own server listens where http arrives.

    Behind a proxy that ends TLS what arrives there may be https for the client.
    """
    return not schemes.has_tls(site) or not site["nginx"]["redirect"] or Proxies(site).headers


def answers_challenge(sites: Iterable[Site]) -> bool:
    """Return whether a CA asks for files below `CHALLENGE`."""
    return any(schemes.kind(site) == "acme" and site["tls"]["acme"]["challenge"]["kind"] == "http" for site in sites)


def headers(site: Site, own: Sequence[str], above: Sequence[str] = ()) -> list[str]:
    """Return the `add_header` of a level that has `own`; `above` are those that it inherits while it has none."""
    if not (schemes.has_tls(site) and site["nginx"]["hsts"]) or any(_named(header) == _HSTS.lower() for header in own):
        return list(own)
    return [*(own or above), f"{_HSTS} {_hsts(Proxies(site))} always"]


def finish(
    view: dict[str, Any], sites: Sequence[Site], spelling: Spelling, asked: Mapping[str, Any], certificate: str
) -> None:
    """Complete the view of a server, of which `beside.share` has fitted the addresses.

    `sites` are those that the server has, its own first; `asked` are `nginx_options`. `certificate` is the directory of
    the pair that a client gets who names no name, '' where such a one is refused.
    """
    site = sites[0]
    nginx, proxies = site["nginx"], Proxies(site)
    has_tls = schemes.has_tls(site)
    # Who asks for nothing of this keeps his addresses without flags, and has nothing before his server.
    plain = [f"{address}{proxies.flag}" for address in view["listen"]]
    flags = " ssl" if spelling.http2_directive else " ssl http2"
    secure = [f"{address}{flags}{proxies.flag}" for address in view["listen_tls"]]
    tls = {name: values for name, values in TLS.items() if name not in asked}
    http2 = {"http2": ["on"]} if spelling.http2_directive else {}
    served = {**tls, **pair(Layout.of(site).tls_live), **http2} if has_tls else {}
    own = view["server"]
    shared = {**{name: own[name] for name in _SHARED if name in own}, **proxies.directives()}
    acme = answers_challenge(sites)
    target = Target(site, proxies, bool(view["closing"]))
    edges = []
    if view["catch_all_tls"]:
        closed = {**tls, **(pair(certificate) if certificate else {"ssl_reject_handshake": ["on"]})}
        listens = [f"{address}{flags}{proxies.flag}" for address in view["catch_all_tls"]]
        what = "answers no unknown name either" if certificate else "shows no certificate for an unknown name"
        edges.append(_edge(f"The first server of a port for https {what}.", listens, view["invalid"], closed, "444"))
    if has_tls and not serves_http(site):
        names = view["server_name"]
        edges.append(_edge("From http to https.", plain, names, shared, f"308 {target.url('http')}$request_uri", acme))
    others = " ".join(name for name in site["domains"] if site["canonical"] not in ("", name))
    if others and serves_http(site):
        answer = f"308 {target.url('http')}$request_uri"
        edges.append(_edge(f"From other names to {site['canonical']}.", plain, others, shared, answer, acme))
    if others and has_tls:
        sent = {"add_header": headers(site, [])} if nginx["hsts"] else {}
        answer = f"308 {target.url('https')}$request_uri"
        about = f"From other names to {site['canonical']}, over https."
        edges.append(_edge(about, secure, others, {**served, **shared, **sent}, answer))
    view["edges"] = edges
    if site["canonical"]:
        view["server_name"] = site["canonical"]
    view["listen"] = [*(plain if serves_http(site) else []), *secure]
    view["catch_all"] = [f"{address}{proxies.flag}" for address in view["catch_all"]]
    view["acme"] = acme and serves_http(site)
    view["insist"] = _insist(proxies, target, view["acme"]) if has_tls and nginx["redirect"] and proxies.headers else {}
    view["server"] = {**served, **proxies.directives(), **own}
    view["own_parameters"] = proxies.headers
    if parameters := proxies.parameters():
        view["server"]["uwsgi_param"] = [*parameters, *own.get("uwsgi_param", [])]
    if has_tls and nginx["hsts"]:
        _hsts(proxies)
    view["maps"] = proxies.maps


def faults(site: Site, sites: Sequence[Site]) -> Iterator[str]:
    """Yield what would take the answer to a CA's challenge away, where the site's own server has to give it."""
    if not (answers_challenge(sites) and serves_http(site)):
        return
    for one in sites:
        for location in one["nginx"]["locations"]:
            if f"{location.split()[-1]}/".startswith(CHALLENGE):
                yield (
                    f"site '{one['name']}': nginx.locations has {location}, where the CA asks for the answer to its "
                    "challenge; take it out"
                )
    for name in ("return", "rewrite"):
        for given in site["nginx"]["options"].get(name, []):
            if name == "return" or _matches(given.split()[0].strip("\"'"), f"{CHALLENGE}token"):
                yield (
                    f"site '{site['name']}': nginx.options has {name} {given}, which the CA gets instead of the answer "
                    f"to its challenge, below {CHALLENGE}; put it into nginx.locations, or leave nginx.redirect true"
                )


def unnamed(sites: Iterable[Site], ports: Iterable[int]) -> str:
    """Return the directory of the pair for clients that name no name: who asks for an IP address does not.

    '' where no site on these ports has an address among its domains.
    """
    wanted = set(ports)
    for site in sites:
        address = any(re.fullmatch(r"\[.*\]|[0-9.]+", domain) for domain in site["domains"])
        if address and wanted & {listener["port"] for listener in site["nginx"]["listen_tls"]}:
            return Layout.of(site).tls_live
    return ""


def pair(folder: str) -> dict[str, list[str]]:
    """Return the directives for the pair in a directory."""
    return {"ssl_certificate": [f"{folder}/fullchain.pem"], "ssl_certificate_key": [f"{folder}/privkey.pem"]}


class Target:
    """Where a site's redirects lead. `closed` says that a request for a name of nobody never gets to its servers."""

    def __init__(self, site: Site, proxies: Proxies, closed: bool) -> None:
        self.site, self.proxies, self.closed = site, proxies, closed

    def url(self, arrived: str) -> str:
        """Return the beginning of a URL, for what arrived by http or https."""
        nginx = self.site["nginx"]
        insists = schemes.has_tls(self.site) and nginx["redirect"]
        scheme = "https" if insists else arrived
        listeners = nginx["listen_tls"] if scheme == "https" else nginx["listen"]
        port = self.proxies.port(scheme, listeners[0]["port"])
        shown = self.proxies.scheme if self.proxies.headers and not insists else scheme
        return f"{shown}://{self._host()}{port}"

    def _host(self) -> str:
        """Return the canonical name, or that which was asked for; of names that are not the site's its first one."""
        domains = [domain for domain in self.site["domains"] if not domain.startswith("*.")]
        if self.site["canonical"]:
            return self.site["canonical"]
        if len(self.site["domains"]) == 1 and domains:
            return domains[0]
        if self.closed or not domains:
            return "$host"
        rows = [(f'"~^{_pattern(domain)}$"', "$host") for domain in self.site["domains"]]
        return self.proxies.variable("name", "$host", [("default", domains[0]), *rows])


def _edge(
    about: str, listen: list[str], names: str, server: Mapping[str, list[str]], answer: str, acme: bool = False
) -> dict[str, Any]:
    return {"about": about, "listen": listen, "server_name": names, "server": server, "answer": answer, "acme": acme}


def _insist(proxies: Proxies, target: Target, acme: bool) -> dict[str, str]:
    """Return when the site's own server redirects: where the client used http."""
    rows = [("default", '""'), *([(f'"~^http{re.escape(CHALLENGE)}"', '""')] if acme else []), ('"~^http/"', "1")]
    source = f'"{proxies.scheme}$uri"'
    variable = proxies.variable("insist", source, rows)
    return {"when": variable, "answer": f"308 {target.url('http')}$request_uri"}


def _hsts(proxies: Proxies) -> str:
    """Return the value of the header: none over http."""
    value = f"max-age={proxies.site['nginx']['hsts']}"
    if not serves_http(proxies.site):
        return value
    return proxies.variable("hsts", proxies.scheme, [("default", '""'), ("https", value)])


def _named(header: str) -> str:
    return header.split()[0].strip("\"'").lower() if header.split() else ""


def _pattern(domain: str) -> str:
    return rf"[^/]+{re.escape(domain[1:])}" if domain.startswith("*.") else re.escape(domain)


def _matches(pattern: str, text: str) -> bool:
    try:
        return bool(re.search(pattern, text))
    except re.error:
        return False
