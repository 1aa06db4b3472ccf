# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge redirects, and what nginx tells the application about scheme and client. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from ..nginx import match
from ..nginx.dump import Directive
from .evidence import Entrance, Site
from .evidence_tls import Redirect, Walk
from .fault import BROKEN, DEGRADED, Fault, Faults

# What tells an application that a client came by https: variables of uwsgi, headers of http.
_VARIABLES = ("HTTPS", "UWSGI_SCHEME", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_PROTOCOL", "HTTP_X_FORWARDED_SSL")
_HEADERS = (
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-ssl",
    "x-forwarded-scheme",
    "x-scheme",
    "forwarded",
)
_REDIRECTS = (301, 302, 303, 307, 308)


def to_another_entrance(entrance: Entrance, site: Site) -> bool:
    """Return whether an answer leads on to the same page at another entrance of the site, which is judged itself."""
    answer = entrance.answer
    if not answer or answer.status not in _REDIRECTS:
        return False
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return False
    wanted = (parts.hostname or "", port, parts.scheme == "https")
    return parts.path == site.path.partition("?")[0] and any(
        (other.domain.lower(), other.port, other.tls) == wanted
        for other in site.entrances
        if (other.domain, other.port) != (entrance.domain, entrance.port)
    )


def kept_out(site: Site, status: int) -> str:
    """Return why nginx rejects everyone on purpose: a password, maintenance; otherwise ''."""
    asked = match.inherited(site.chain, "auth_basic")
    if status == 401 and asked and asked.args[:1] != ["off"]:
        return f"nginx asks for a password: {str(asked).rstrip(';')} in {asked.place}"
    closed = closing(site) if status == 503 else None
    return f"nginx is closed for maintenance: {str(closed).rstrip(';')} in {closed.place}" if closed else ""


def closing(site: Site) -> Directive | None:
    """Return the directive that closes a site while a condition holds."""
    for block in site.chain[1:]:
        for condition in block.all("if"):
            for given in condition.all("return"):
                if given.args[:1] == ["503"]:
                    return given
    return None


def judge(faults: Faults, site: Site, seen: list[str]) -> Iterator[Fault]:
    """Yield redirect loops, and what hides the scheme or the client from the application, each once."""
    loops = [walk for walk in site.walks if walk.loops_at]
    told: set[str] = set()
    for fault in [
        *_closed(faults, site),
        *_untold(faults, site, loops),
        *_in_front(faults, site, loops),
        *_loops(faults, site),
    ]:
        if fault.cause not in told:
            told.add(fault.cause)
            yield fault
    for walk in site.walks:
        if not walk.loops_at and not walk.leaves:
            seen.append(f"{walk.start} -> {' -> '.join(redirect.location for redirect in walk.redirects)}")


def _closed(faults: Faults, site: Site) -> Iterator[Fault]:
    why = kept_out(site, 503)
    if why and any(entrance.answer and entrance.answer.status == 503 for entrance in site.entrances):
        play = f"pyweb.stack.maintenance -e maintenance_site={site.name} -e maintenance=false"
        closed = closing(site)
        fix = f"{play}; by hand: remove the condition at {closed.place if closed else 'the location'}"
        yield faults.fault(
            "nginx.maintenance", DEGRADED, f"{why}: every client that is not exempt gets 503", fix, [why]
        )


def _untold(faults: Faults, site: Site, loops: list[Walk]) -> Iterator[Fault]:
    """Report a server that terminates TLS, and passes requests on as if they were http."""
    for entrance in site.entrances:
        chain = (
            match.locate(entrance.server, site.path) if entrance.server in entrance.wanted and entrance.server else []
        )
        handler = match.handler(chain) if chain else None
        if not entrance.tls or handler is None or handler.name not in ("uwsgi_pass", "proxy_pass"):
            continue
        by_uwsgi = handler.name == "uwsgi_pass"
        passed = match.parameters(chain, "uwsgi_param" if by_uwsgi else "proxy_set_header")
        names = set(passed) if by_uwsgi else {name.lower() for name in passed}
        if names & set(_VARIABLES if by_uwsgi else _HEADERS) or (
            handler.args[:1] and handler.args[0].startswith("https:")
        ):
            continue
        line = "uwsgi_param HTTPS $https if_not_empty;" if by_uwsgi else "proxy_set_header X-Forwarded-Proto $scheme;"
        also = "" if by_uwsgi else ", and SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') in the settings"
        yield faults.fault(
            "nginx.scheme-untold",
            BROKEN if any(_on_https(walk) for walk in loops) else DEGRADED,
            f"nginx terminates TLS for {entrance.domain} but does not tell the application, which treats every request "
            "as http",
            f"web_sites[].tls with pyweb.stack.site, or {line} at {chain[-1].place}{also}; by hand: {line} at "
            f"{chain[-1].place}{also}",
            [f"{handler!s} in {handler.place}, and none of {', '.join(_VARIABLES[:3] if by_uwsgi else _HEADERS[:3])}"],
        )


def _on_https(walk: Walk) -> bool:
    """Return whether the application causes a loop for https requests."""
    return any(one.by_application and one.url.startswith("https:") for one in walk.redirects)


def _in_front(faults: Faults, site: Site, loops: list[Walk]) -> Iterator[Fault]:
    """Report a proxy that nginx does not trust."""
    front = site.in_front
    status = BROKEN if loops and front.addresses else DEGRADED
    trust = "web_sites[].nginx.trusted_proxies"
    if front.addresses:
        who = ", ".join(dict.fromkeys(front.addresses))
        by_hand = (
            "; by hand: set set_real_ip_from and real_ip_header X-Forwarded-For, and the scheme by "
            "$http_x_forwarded_proto"
        )
        what = (
            "speaks the PROXY protocol, which nginx does not expect there"
            if front.greeted
            else (
                "sends the client's address and scheme, but nginx does not trust it: the site sees that address for "
                "every client, and the scheme that the proxy used"
            )
        )
        fix = f"if that is your proxy: {trust}: [{who}]"
        if front.greeted:
            fix += " and nginx.proxy_protocol: true; by hand: listen ... proxy_protocol"
        else:
            not_so = "; if it is not, the headers are forged, and nginx is right"
            fix += f"{not_so}{by_hand}{not_so}"
        yield faults.fault("nginx.untrusted-proxy", status, f"the client {who} {what}", fix, front.lines)
    if front.unset:
        cause = f"{front.unset} has no effect: no proxy is trusted, so every client has the address of the proxy"
        fix = f"{trust} with pyweb.stack.site; by hand: set set_real_ip_from with the addresses of your proxies"
        yield faults.fault("nginx.untrusted-proxy", DEGRADED, cause, fix, [front.unset])


def _loops(faults: Faults, site: Site) -> Iterator[Fault]:
    for walk in site.walks:
        if walk.loops_at:
            yield _loop(faults, site, walk)
        elif walk.unserved and not walk.heeded:
            last = walk.redirects[-1]
            yield faults.fault(
                "nginx.redirect-loop",
                BROKEN,
                f"{last.url} is redirected to {walk.leaves}, which nothing on this host serves{_dead(walk)}; a proxy "
                "that terminates TLS would be redirected there again and again, because its X-Forwarded-Proto is "
                f"ignored. {_who(last)} does that",
                "web_sites[].tls, or behind such a proxy web_sites[].nginx.trusted_proxies; by hand: "
                + (
                    "redirect only if ($http_x_forwarded_proto = http)"
                    if last.maker
                    else "uwsgi_param HTTP_X_FORWARDED_PROTO $http_x_forwarded_proto, and SECURE_PROXY_SSL_HEADER in "
                    "the settings"
                ),
                _steps(walk),
            )


def _loop(faults: Faults, site: Site, walk: Walk) -> Fault:
    """Report what causes a redirect loop."""
    round_trip = _round(walk)
    makers = list(dict.fromkeys(map(_who, round_trip)))
    settings = site.inside.get("settings", {})
    django = any(one.by_application for one in round_trip)
    told_by = "HTTP_X_FORWARDED_PROTO" in settings.get("proxy_header", [])
    reason, fix = "", f"change one of them: {'; '.join(makers)}"
    if django and _on_https(walk) and settings.get("ssl_redirect") and not told_by:
        reason = ": SECURE_SSL_REDIRECT is on, and without SECURE_PROXY_SSL_HEADER Django treats every request as http"
        fix = (
            "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') in the settings, as nginx passes that on; "
            "or web_sites[].settings.SECURE_SSL_REDIRECT: false, because nginx redirects; by hand: set "
            "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') in the settings, as nginx passes that on; "
            "or SECURE_SSL_REDIRECT = False"
        )
    elif django and len(makers) == 1:
        reason, fix = "", "look for the redirect in the project: MIDDLEWARE, urls, PREPEND_WWW, SECURE_SSL_HOST"
    elif django:
        fix = (
            f"let only one of them redirect: {'; '.join(makers)}; PREPEND_WWW and SECURE_SSL_REDIRECT: false in the "
            "settings"
        )
    return faults.fault(
        "nginx.redirect-loop",
        BROKEN,
        f"{walk.loops_at} is redirected forever, by {' and '.join(makers)}{reason}",
        fix,
        _steps(walk),
        None if django else (),
    )


def _round(walk: Walk) -> list[Redirect]:
    """Return the redirects of the loop itself, without the way there."""
    urls = [one.url for one in walk.redirects]
    return walk.redirects[urls.index(walk.loops_at) :] if walk.loops_at in urls else walk.redirects


def _dead(walk: Walk) -> str:
    return f" (nothing listens on port {walk.dead})" if walk.dead else ""


def _who(redirect: Redirect) -> str:
    return redirect.maker or ("the application" if redirect.by_application else "nginx")


def _steps(walk: Walk) -> list[str]:
    return [f"GET {one.url} -> {one.status}, Location: {one.location}; {_who(one)}" for one in walk.redirects[:4]]
