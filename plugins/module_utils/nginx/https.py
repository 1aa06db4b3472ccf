# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTPS in nginx: how a site's server listens, and the servers before it.

These redirect: from http, and from names that are not the canonical one. They also answer the challenge of a CA.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..model import schemes
from ..model.layout import ACME_WEBROOT, Layout
from ..model.types import Site
from .proxies import Proxies

# Mozilla's "intermediate", 6.0: TLS 1.2 and 1.3, ECDHE with AEAD, the client's preference. In every server, because
# others may have set something else at the http level. The groups are OpenSSL's defaults, which include the newest.
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
# What the servers before a site's own inherit from it.
_SHARED = ("access_log", "error_log", "server_tokens")
_HSTS = "Strict-Transport-Security"


class Spelling:
    """What this version of nginx supports. '' is one that is not installed yet: only what all versions support."""

    def __init__(self, version: str) -> None:
        found = tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])
        self.http2_directive = found >= HTTP2_DIRECTIVE
        self.rejects = not found or found >= REJECT_HANDSHAKE


def serves_http(site: Site) -> bool:
    """Return whether the site's own server listens for HTTP.

    Behind a proxy that terminates TLS, a request over HTTP may be HTTPS for the client.
    """
    return not schemes.has_tls(site) or not site["nginx"]["redirect"] or Proxies(site).headers


def today(sites: Sequence[Site], unserved: Collection[str], waiting: Collection[str]) -> list[Site]:
    """Return the sites as nginx serves them today; those with the same domains are one server and wait together.

    Kept sites in `unserved` were never served, so nothing of them is kept. `waiting` are those without their first
    certificate.
    """
    sites = [site for site in sites if site["name"] not in unserved]
    found = []
    for site in sites:
        server = [one for one in sites if one["state"] == "present" and {*one["domains"]} == {*site["domains"]}]
        waits = not {one["name"] for one in server}.isdisjoint(waiting)
        found.append(until_certified(site, server) if waits else site)
    return found


def until_certified(site: Site, sites: Sequence[Site]) -> Site:
    """Return a site as nginx serves it until a CA has issued its first certificate: over http as well.

    Visitors are not redirected to a certificate that no browser trusts. A site whose own directives would hide the
    answer to the CA's challenge redirects from the beginning.
    """
    waits: Site = {**site, "nginx": {**site["nginx"], "redirect": False, "hsts": 0}}
    return site if any(faults(waits, [waits, *(one for one in sites if one["name"] != site["name"])])) else waits


def headers(site: Site, own: Sequence[str], above: Sequence[str] = ()) -> list[str]:
    """Return the `add_header` of a level with the headers `own`; `above` are those that it inherits without them."""
    if not (schemes.has_tls(site) and site["nginx"]["hsts"]) or any(_named(header) == _HSTS.lower() for header in own):
        return list(own)
    return [*(own or above), f"{_HSTS} {_hsts(Proxies(site))} always"]


def finish(
    view: dict[str, Any], sites: Sequence[Site], spelling: Spelling, asked: Mapping[str, Any], certificate: str
) -> None:
    """Complete the view of a server whose addresses `beside.share` has adapted.

    `sites` are those of the server, its own first; `asked` are `nginx_options`. `certificate` is the directory of the
    pair for a client that sends no name, '' if such a client is refused.
    """
    site = sites[0]
    nginx, proxies, own = site["nginx"], Proxies(site), view["server"]
    front = _Front(site, proxies, spelling, [name for name in TLS if name not in asked], bool(view["closing"]))
    front.theirs = view["theirs"]
    front.webroot = ACME_WEBROOT if any(map(schemes.asks_for_files, sites)) else ""
    # A site without these features has addresses without flags, and nothing before its server.
    plain, secure = front.plain(view["listen"]), front.secure(view["listen_tls"])
    shared = {**{name: own[name] for name in _SHARED if name in own}, **proxies.directives()}
    view["edges"] = [
        *front.closed(view["catch_all_tls"], view["invalid"], certificate, view["catch_all_server"]),
        *front.redirects(plain, secure, shared),
    ]
    view["server_name"] = site["canonical"] or view["server_name"]
    view["listen"] = [*(plain if serves_http(site) else []), *secure]
    view["catch_all"] = front.plain(view["catch_all"])
    view["webroot"] = front.webroot if serves_http(site) else ""
    view["insist"] = front.insist() if schemes.has_tls(site) and nginx["redirect"] and proxies.headers else {}
    view["server"] = {**front.served(), **proxies.directives(), **own}
    view["own_parameters"] = proxies.headers
    if parameters := proxies.parameters():
        view["server"]["uwsgi_param"] = [*parameters, *own.get("uwsgi_param", [])]
    if schemes.has_tls(site) and nginx["hsts"]:
        _hsts(proxies)
    view["maps"] = proxies.maps
    for shown, one in zip((view, *view["others"]), sites):
        shown["uncompressed"] = _uncompressed(one, asked)


def _uncompressed(site: Site, asked: Mapping[str, Any]) -> bool:
    """Return whether the application's answers are sent uncompressed: a compressed length reveals secrets.

    This is the attack BREACH (CVE-2013-3587). Files contain no secrets. Django's own GZipMiddleware hides the length.
    """
    return schemes.has_tls(site) and "gzip" not in {**asked, **site["nginx"]["options"]}


def faults(site: Site, sites: Sequence[Site]) -> Iterator[str]:
    """Yield directives that would hide the answer to a CA's challenge, if the site's own server must send it."""
    if not (any(map(schemes.asks_for_files, sites)) and serves_http(site)):
        return
    for one in sites:
        for location in one["nginx"]["locations"]:
            if f"{location.split()[-1]}/".startswith(CHALLENGE):
                yield (
                    f"site '{one['name']}': nginx.locations has {location}, at the path of the answer to the CA's "
                    "challenge; remove it"
                )
        for url in [url for url in one["nginx"]["protected"] if url.startswith(CHALLENGE)]:
            yield (
                f"site '{one['name']}': nginx.protected has {url}, at the path of the answer to the CA's challenge; "
                "change its url"
            )
    for name in ("return", "rewrite"):
        for given in site["nginx"]["options"].get(name, []):
            if name == "return" or _matches(given.split()[0].strip("\"'"), f"{CHALLENGE}token"):
                yield (
                    f"site '{site['name']}': nginx.options has {name} {given}, which the CA gets instead of the answer "
                    f"to its challenge, below {CHALLENGE}; move it to nginx.locations, or set nginx.redirect to true"
                )


def unnamed(sites: Iterable[Site], ports: Iterable[int]) -> str:
    """Return the directory of the pair for clients that send no name, as for an IP address.

    '' if no site on these ports has an IP address among its domains.
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


@dataclass
class _Front:
    """The servers before a site's own. `tls` are the names of the directives of `TLS` that we set.

    `closing` means that requests for unknown names never reach the site's servers. `webroot` is the directory of the
    answers to a CA's challenge, '' for none. `theirs` are addresses that others also use, without HTTP/2.
    """

    site: Site
    proxies: Proxies
    spelling: Spelling
    tls: list[str]
    closing: bool
    webroot: str = ""
    theirs: list[str] = field(default_factory=list)

    def plain(self, addresses: Iterable[str]) -> list[str]:
        """Return the arguments of `listen` for http."""
        return [f"{address}{self.proxies.flag}" for address in addresses]

    def secure(self, addresses: list[str]) -> list[str]:
        """Return the arguments of `listen` for HTTPS. They apply to all servers of the address."""
        told = [*self.theirs, *(addresses if self.spelling.http2_directive else [])]
        return [f"{at} ssl{'' if at in told else ' http2'}{self.proxies.flag}" for at in addresses]

    def served(self) -> dict[str, list[str]]:
        """Return the directives of a server with the site's certificate."""
        if not schemes.has_tls(self.site):
            return {}
        http2 = {"http2": ["on"]} if self.spelling.http2_directive else {}
        return {**self._tls(), **pair(Layout.of(self.site).tls_live), **http2}

    def closed(
        self, addresses: list[str], name: str, certificate: str, own: Mapping[str, list[str]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the server for unknown names; `own` are directives that it has in addition to those of TLS."""
        if addresses:
            what = "answers no unknown name either" if certificate else "shows no certificate for an unknown name"
            about = f"The first server of a port for https {what}."
            shown = pair(certificate) if certificate else {"ssl_reject_handshake": ["on"]}
            yield _edge(about, self.secure(addresses), name, {**self._tls(), **shown, **own}, "444")

    def redirects(
        self, plain: list[str], secure: list[str], shared: Mapping[str, list[str]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the servers that redirect; `shared` are directives that they share with the site's own."""
        site, canonical = self.site, self.site["canonical"]
        if not serves_http(site):
            names = " ".join(site["domains"])
            yield _edge("From http to https.", plain, names, shared, self._answer("http"), self.webroot)
        others = " ".join(name for name in site["domains"] if canonical not in ("", name))
        if others and serves_http(site):
            about = f"From other names to {canonical}."
            yield _edge(about, plain, others, shared, self._answer("http"), self.webroot)
        if others and schemes.has_tls(site):
            sent = {"add_header": headers(site, [])} if site["nginx"]["hsts"] else {}
            about = f"From other names to {canonical}, over https."
            yield _edge(about, secure, others, {**self.served(), **shared, **sent}, self._answer("https"))

    def insist(self) -> dict[str, str]:
        """Return when the site's own server redirects: if the client used http."""
        challenge = [(f'"~^http{re.escape(CHALLENGE)}"', '""')] if self.webroot else []
        rows = [("default", '""'), *challenge, ('"~^http/"', "1")]
        variable = self.proxies.variable("insist", f'"{self.proxies.scheme}$uri"', rows)
        return {"when": variable, "answer": self._answer("http")}

    def _tls(self) -> dict[str, list[str]]:
        return {name: TLS[name] for name in self.tls}

    def _answer(self, arrived: str) -> str:
        """Return the redirect of an http or https request. 308 keeps method and body, unlike 301."""
        nginx = self.site["nginx"]
        insists = schemes.has_tls(self.site) and nginx["redirect"]
        scheme = "https" if insists else arrived
        listeners = nginx["listen_tls"] if scheme == "https" else nginx["listen"]
        port = self.proxies.port(scheme, listeners[0]["port"])
        shown = self.proxies.scheme if self.proxies.headers and not insists else scheme
        return f"308 {shown}://{self._host()}{port}$request_uri"

    def _host(self) -> str:
        """Return the canonical name, or the requested one; for names that are not the site's, its first one."""
        domains, canonical = self.site["domains"], self.site["canonical"]
        if canonical or (len(domains) == 1 and not domains[0].startswith("*.")):
            return canonical or domains[0]
        if self.closing:
            return "$host"
        first = min(domains, key=lambda domain: domain.startswith("*.")).removeprefix("*.")
        rows = [(f'"~^{_pattern(domain)}$"', "$host") for domain in domains]
        return self.proxies.variable("name", "$host", [("default", first), *rows])


def _edge(
    about: str, listen: list[str], names: str, server: Mapping[str, list[str]], answer: str, webroot: str = ""
) -> dict[str, Any]:
    own = {"about": about, "listen": listen, "server_name": names, "server": server}
    return {**own, "answer": answer, "webroot": webroot}


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
