# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sites below a path of their name (`prefix: /shop`), and sites that share a name. Small: it is sent to hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

S = TypeVar("S", bound=Mapping[str, Any])
# The keys of a site, and of its section nginx, that are about the whole server of its names.
OF_A_SERVER = ("tls", "canonical")
OF_A_SERVER_OF_NGINX = (
    *("listen", "options", "listen_tls", "redirect", "hsts", "trusted_proxies", "proxy_protocol"),
    *("client_timeout", "basic_auth"),
)


def below(prefix: str, path: str) -> str:
    """Return the path at which clients find a path of the project; one that begins with the prefix is there already."""
    return path if not prefix or path == prefix or path.startswith(f"{prefix}/") else prefix + path


def start(site: Mapping[str, Any]) -> str:
    """Return the path of a site's start page. What an earlier version recorded of a site has no prefix."""
    return f"{site.get('prefix', '')}/"


def sharing(sites: Sequence[S]) -> list[list[S]]:
    """Return the sites in groups, those that share names together; a group begins with the one that has the server.

    That is the site without a prefix, or else the first one.
    """
    groups: dict[frozenset[str], list[S]] = {}
    for site in sites:
        groups.setdefault(frozenset(site["domains"]), []).append(site)
    return [sorted(group, key=lambda site: bool(site["prefix"])) for group in groups.values()]


def certified(given: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the sites, of which those in the server of another need no certificate: that has the one of the server."""
    sites = list(given)
    present = [site for site in sites if site.get("state", "present") == "present"]
    guests = {site["name"] for group in sharing(present) for site in group[1:]}
    return [{**site, "tls": {"kind": "none"}} if site["name"] in guests else site for site in sites]


def between_names(sites: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong between sites of one host that have a domain in common.

    They are one server of nginx, so all that is said of the server has to be equal, and every path belongs to one site.
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
                    f"site '{site['name']}': domain {domain}{which} belongs to site '{owner['name']}' already; give "
                    "each domain to one site, or the sites different prefixes"
                )
            elif pair not in seen:
                seen.add(pair)
                yield from _unequal(owner, site)


def _unequal(owner: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[str]:
    """Yield what two sites of one name have to have in common, and have not."""
    pairs = {
        "domains": [sorted(one["domains"]) for one in (owner, site)],
        **{key: [one[key] for one in (owner, site)] for key in OF_A_SERVER},
        **{f"nginx.{key}": [one["nginx"][key] for one in (owner, site)] for key in OF_A_SERVER_OF_NGINX},
    }
    for key, (theirs, own) in pairs.items():
        if theirs != own:
            yield (
                f"site '{site['name']}': {key} differs from that of site '{owner['name']}'; sites of one name are one "
                f"server of nginx, so {key} has to be equal; make it equal, or give them different domains"
            )
    taken = set(_locations(owner))
    for path in sorted(taken & set(_locations(site))):
        yield (
            f"site '{site['name']}': the location {path} belongs to site '{owner['name']}' already, which has the same "
            "name; give one of them another"
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
