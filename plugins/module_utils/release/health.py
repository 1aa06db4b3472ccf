# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The health check: follow a page's redirects within the site, as a browser does, and check the last answer.

It does not depend on how the site is requested: over uWSGI's own socket before a switch (`instance.py`), through nginx
afterwards (`front.py`).
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from ..model.types import Health
from ..uwsgi.protocol import Answer, ProtocolError

REDIRECTS = (301, 302, 303, 307, 308)
# The limit of browsers.
HOPS_MAX = 20
PORTS = {"http": 80, "https": 443}
# The characters of a path and a query in RFC 3986; % because Location is encoded already.
_SAFE = "/%:@!$&'()*+,;=~?"


class Where(NamedTuple):
    """A request: `host` as in the header Host, `path` with its query."""

    scheme: str
    host: str
    path: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"

    def seen_from(self, start: Where) -> str:
        """Return it for a message: without the query, which may contain a token."""
        path = self.path if self == start else self.path.partition("?")[0]
        return path if self[:2] == start[:2] else f"{self.scheme}://{self.host}{path}"


# Requests a page with the value of the header Cookie, '' for none. Raises `ProtocolError`.
Ask = Callable[[Where, str], Answer]


@dataclass(frozen=True)
class Names:
    """The names and ports of a site, to distinguish a redirect within the site from one to another site.

    `prefix` is the path that the site is served below, '' for none.
    """

    domains: tuple[str, ...]
    ports: tuple[int, ...]
    prefix: str = ""

    @classmethod
    def of(cls, site: Mapping[str, Any]) -> Names:
        """Return those of a completed site, or of the part of one that a release records."""
        nginx = site["nginx"]
        # A release of an earlier version has recorded no port for https.
        ports = (listener["port"] for listener in [*nginx["listen"], *nginx.get("listen_tls", [])])
        return cls(tuple(site["domains"]), tuple(dict.fromkeys(ports)), site.get("prefix", ""))

    def have(self, where: Where) -> bool:
        """Return whether the site itself answers there. Another port of the same host is another server."""
        return self.share(where) and f"{where.path.partition('?')[0]}/".startswith(f"{self.prefix}/")

    def share(self, where: Where) -> bool:
        """Return whether it is one of the site's names and ports, at any path."""
        name, port = _split(where)
        known = {domain.strip("[]") for domain in self.domains}
        own = name in known or any(f"*.{parent}" in known for parent in _parents(name))
        return own and (port == PORTS[where.scheme] or port in self.ports)


@dataclass(frozen=True)
class Wanted:
    """The good statuses of the last answer: those of `status`; if it is empty, all below 500."""

    status: tuple[int, ...] = ()
    # In addition to those.
    also: tuple[int, ...] = ()

    @classmethod
    def of(cls, health: Health) -> Wanted:
        return cls(tuple(health["status"]))

    def good(self, status: int) -> bool:
        return status in self.also or (status in self.status if self.status else status < 500)

    def __str__(self) -> str:
        return " or ".join(map(str, self.status)) or "a status below 500"


@dataclass(frozen=True)
class Walk:
    """The requests along redirects, and the last answer or None. `wrong` is '' if all is well.

    `slow`: the last server accepted the request, but did not answer in time.
    """

    asked: list[Where]
    answer: Answer | None
    wrong: str = ""
    slow: bool = False

    @property
    def end(self) -> Where:
        return self.asked[-1]


def walk(ask: Ask, start: Where, names: Names, wanted: Wanted) -> Walk:
    """Request a page, follow its redirects within the site, and check the last answer.

    A redirect to another host (single sign-on) is the last answer. After a redirect whose status is accepted, any
    answer below 500 is good. Cookies that are set on the way are sent from then on.
    """
    jar, asked, seen, met = Jar(), [start], set(), False
    while True:
        here = asked[-1]
        cookies = jar.header(here)
        if (here, cookies) in seen or len(asked) > HOPS_MAX:
            return Walk(asked, None, "" if met else f"{_loop(asked)}; expected {wanted}")
        seen.add((here, cookies))
        try:
            answer = ask(here, cookies)
        except ProtocolError as error:
            slow = error.errno == errno.ETIMEDOUT
            return Walk(asked, None, f"{_told(asked)} did not answer: {error.cause}; expected {wanted}", slow)
        jar.take(here, answer.cookies)
        target = None
        if answer.status in REDIRECTS and answer.headers.get("location"):
            met = met or answer.status in wanted.status
            try:
                target = resolved(here, answer.headers["location"])
            except ValueError:
                wrong = "" if met else f"{_told(asked)} redirects to an address that cannot be parsed"
                return Walk(asked, answer, wrong)
        if target is None or not names.have(target):
            good = wanted.good(answer.status) or (met and answer.status < 500)
            return Walk(asked, answer, "" if good else f"{_told(asked)} answered {answer.status}; expected {wanted}")
        asked.append(target)


def resolved(here: Where, location: str) -> Where | None:
    """Return where a Location, absolute or relative, leads; None if that is no web page.

    Raises ValueError for what is no URL.
    """
    # Headers are decoded as Latin-1; today's servers send other characters as UTF-8.
    with contextlib.suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    url = urlsplit(urljoin(f"{here.scheme}://{here.host}{here.path}", location.strip()))
    if url.scheme not in PORTS or not url.hostname:
        return None
    # In the form of browsers, which is also that of the site's names.
    ascii_name = url.hostname if url.hostname.isascii() else url.hostname.encode("idna").decode()
    name = f"[{ascii_name}]" if ":" in ascii_name else ascii_name
    port = "" if url.port in (None, PORTS[url.scheme]) else f":{url.port}"
    path = quote(url.path or "/", safe=_SAFE) + (f"?{quote(url.query, safe=_SAFE)}" if url.query else "")
    return Where(url.scheme, f"{name}{port}", path)


def header_name(variable: str) -> str:
    """Return the name of the header of a request variable such as HTTP_X_FORWARDED_PROTO."""
    return variable.removeprefix("HTTP_").replace("_", "-").title()


@dataclass
class Jar:
    """Cookies as a browser keeps them during one visit: (name, domain, path) -> (value, whether only for https)."""

    kept: dict[tuple[str, str, str], tuple[str, bool]] = field(default_factory=dict)

    def take(self, here: Where, lines: list[str]) -> None:
        """Store the cookies of an answer's Set-Cookie lines."""
        for line in lines:
            pair, *attributes = line.split(";")
            name, equals, value = (word.strip() for word in pair.partition("="))
            told = {key.strip().lower(): text.strip() for key, _equals, text in (a.partition("=") for a in attributes)}
            if not equals or not name:
                continue
            domain = told.get("domain", "").lstrip(".").lower()
            # A leading dot: also for the hosts below it.
            key = (name, f".{domain}" if domain else _split(here)[0], told.get("path") or "/")
            self.kept.pop(key, None)
            if not _is_over(told):
                self.kept[key] = (value, "secure" in told)

    def header(self, here: Where) -> str:
        """Return the header Cookie for a page; '' if no cookie matches."""
        name, _port = _split(here)
        return "; ".join(
            f"{cookie}={value}"
            for (cookie, domain, path), (value, secure) in self.kept.items()
            if (f".{name}".endswith(domain) if domain.startswith(".") else name == domain)
            and f"{here.path.partition('?')[0]}/".startswith(f"{path.rstrip('/')}/")
            and (here.scheme == "https" or not secure)
        )


def _is_over(told: Mapping[str, str]) -> bool:
    """Return whether the attributes of a cookie delete it."""
    if told.get("max-age"):
        return told["max-age"].startswith(("0", "-"))
    date = parsedate_tz(told.get("expires", ""))
    return date is not None and mktime_tz(date) < time.time()


def _told(asked: list[Where]) -> str:
    """Return the beginning of a sentence about the last request."""
    start, *others = asked
    hops = " -> ".join(hop.seen_from(start) for hop in others)
    return f"{start.path} as {start.host}" + (f" redirects to {hops}, which" if others else "")


def _loop(asked: list[Where]) -> str:
    start = asked[0]
    hops = " -> ".join(hop.seen_from(start) for hop in asked)
    said = f"{start.path} as {start.host} redirects in a loop: {hops}"
    if len(asked) > 1 and asked[-1] == asked[-2] and asked[-1].scheme == "https":
        said += (
            "; it redirects to https although it is told that the client came by https (X-Forwarded-Proto): set "
            "SECURE_PROXY_SSL_HEADER to what the server in front sends, or SECURE_SSL_REDIRECT: false in settings"
        )
    return said


def _split(where: Where) -> tuple[str, int]:
    """Return the name, without brackets, and the port."""
    url = urlsplit(f"//{where.host}")
    return (url.hostname or "").rstrip("."), url.port or PORTS[where.scheme]


def _parents(name: str) -> list[str]:
    """Return the parent domains of a name."""
    labels = name.split(".")
    return [".".join(labels[number:]) for number in range(1, len(labels))]
