# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sites below a path of their domain (`prefix: /shop`), and sites that share domains. Small: it is sent to hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

S = TypeVar("S", bound=Mapping[str, Any])
# The keys of a site, and of its section nginx, that apply to the whole server of its domains.
OF_A_SERVER = ("tls", "canonical")
OF_A_SERVER_OF_NGINX = (
    *("listen", "options", "listen_tls", "redirect", "hsts", "trusted_proxies", "proxy_protocol"),
    *("client_timeout", "basic_auth"),
)


def below(prefix: str, path: str) -> str:
    """Return the path at which clients find a path of the project; a path that begins with the prefix is unchanged."""
    return path if not prefix or path == prefix or path.startswith(f"{prefix}/") else prefix + path


def start(site: Mapping[str, Any]) -> str:
    """Return the path of a site's start page. Records of earlier versions have no prefix."""
    return f"{site.get('prefix', '')}/"


def sharing(sites: Sequence[S]) -> list[list[S]]:
    """Group the sites that share domains; the first one of a group owns the server.

    That is the site without a prefix, or else the first one.
    """
    groups: dict[frozenset[str], list[S]] = {}
    for site in sites:
        groups.setdefault(frozenset(site["domains"]), []).append(site)
    return [sorted(group, key=lambda site: bool(site["prefix"])) for group in groups.values()]


def certified(given: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the sites; those in the server of another one need no certificate, because that one has it."""
    sites = list(given)
    present = [site for site in sites if site.get("state", "present") == "present"]
    guests = {site["name"] for group in sharing(present) for site in group[1:]}
    return [{**site, "tls": {"kind": "none"}} if site["name"] in guests else site for site in sites]


def between_names(sites: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the conflicts between sites of one host that share a domain.

    They are one server of nginx, so their settings of the server must be equal, and each path belongs to one site.
    """
    first: dict[str, Mapping[str, Any]] = {}
    seen: set[tuple[str, str]] = set()
    for site in sites:
        for domain in site["domains"]:
            owner = first.setdefault(domain, site)
            if owner["name"] == site["name"] or not site["name"] or not owner["name"]:
                continue
            pair = (owner["name"], site["name"])
            if owner["prefix"] == site["prefix"]:
                which = f" below {site['prefix']}" if site["prefix"] else ""
                yield (
                    f"site '{site['name']}': domain {domain}{which} already belongs to site '{owner['name']}'; assign "
                    "each domain to one site, or set different prefixes"
                )
            elif pair not in seen:
                seen.add(pair)
                yield from _unequal(owner, site)


def _unequal(owner: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences between two sites of one domain that must not differ."""
    pairs = {
        "domains": [sorted(one["domains"]) for one in (owner, site)],
        **{key: [one[key] for one in (owner, site)] for key in OF_A_SERVER},
        **{f"nginx.{key}": [one["nginx"][key] for one in (owner, site)] for key in OF_A_SERVER_OF_NGINX},
    }
    for key, (theirs, own) in pairs.items():
        if theirs != own:
            yield (
                f"site '{site['name']}': {key} differs from that of site '{owner['name']}'; sites with the same "
                "domains are one "
                f"server of nginx, so {key} must be equal; make it equal, or use different domains"
            )
    taken = set(_locations(owner))
    for path in sorted(taken & set(_locations(site))):
        yield (
            f"site '{site['name']}': the location {path} already belongs to site '{owner['name']}', which has the same "
            "domain; change one of them"
        )


def _locations(site: Mapping[str, Any]) -> Iterator[str]:
    """Yield the locations that a site has in its server."""
    nginx = site["nginx"]
    yield start(site)
    for files in (nginx["static"], nginx["media"]):
        if files:
            yield below(site["prefix"], files["url"])
    yield from (below(site["prefix"], url) for url in nginx["protected"])
    yield from nginx["locations"]
