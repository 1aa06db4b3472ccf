# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site model: validate `web_sites`, fill in every default, derive every path.

Runs on the controller only, before any host is changed. No other module contains a default of a site, and both ends of
a socket, of a path or of a URL use the same derived value.

`complete` is the entry point. It takes what the user wrote and returns a list of sites (plain data, which is passed
through Jinja and into modules), or raises `InventoryError` with all faults of all sites.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, cast

from . import schemes
from .checks import is_plain_path
from .conflicts import between_paths, between_sites
from .controller_paths import ControllerPaths
from .errors import InventoryError, nearest, shown
from .keys import secret_keys
from .layout import ROOTS, Layout, account_name
from .prefixes import below, start
from .pythons import interpreter
from .reader import Certificates, Reader, default_tls
from .types import Secrets, Site
from .urls import public as public_url
from .uwsgi_options import merged

# Default ports, which a URL with the scheme need not contain.
USUAL = {"http": (80,), "https": (443,)}


def complete(
    web_sites: Any,
    roots: Mapping[str, str] | None = None,
    base: str = ".",
    example: str = "",
    tls: Any = None,
    certificates: Certificates | None = None,
    shared_names: Mapping[str, list[str]] | None = None,
    former_base: str = "",
) -> list[Site]:
    """Return every site of `web_sites` with all defaults filled in and all paths derived.

    `base` is the directory that relative paths on the controller start from, `former_base` that of earlier versions,
    which an error mentions if the path exists there, `example` the project to deploy if a site has no source, `tls` the
    default of the key `tls`, `certificates` the reader of certificates, without which they are not checked.
    `shared_names` are the domains that several hosts of the inventory have, with these hosts. Raises `InventoryError`
    with every fault, each with site, key, what was found, what was expected and the fix.
    """
    if not isinstance(web_sites, list):
        wanted = "expected a list of sites, each with name and domains"
        raise InventoryError("web_sites", [f"web_sites is {shown(web_sites)}; {wanted}"])
    if not isinstance(roots or {}, Mapping):
        wanted = f"expected a mapping of {', '.join(ROOTS)} to paths"
        raise InventoryError("web_sites", [f"web_roots is {shown(roots)}; {wanted}"])
    faults = _root_faults(roots or {})
    default = default_tls(tls, faults, certificates)
    controller = ControllerPaths(base, former_base)
    read = [
        Reader(number, given, faults, controller, example, default, certificates, shared_names or {}).site()
        for number, given in enumerate(web_sites)
    ]
    sites = [cast(Site, site) for site in read if site]
    if not faults:  # values derived from a fault would be faults too
        for site in sites:
            _derive(site, roots)
            faults.extend(between_paths(site))
    faults.extend(between_sites(sites))
    if faults:
        raise InventoryError("web_sites", faults)
    return sites


def split_secrets(sites: list[Site]) -> tuple[list[Site], dict[str, Secrets]]:
    """Split completed sites into public values and secrets: site name -> secrets.

    The table of keys marks the secret ones. In the public values, a secret key of a section is missing. A secret key of
    the site itself is replaced: a mapping by an empty one, anything else by whether it is set.
    """
    public, secret = [], {}
    for site in sites:
        found: dict[str, Any] = {}
        shown_site: dict[str, Any] = {**site}
        for (*sections, name), key in secret_keys():
            holder = shown_site
            for section in sections:
                # a section of another kind has none of its keys
                inner = {**holder.get(section, {})}
                if section in holder:
                    holder[section] = inner
                holder = inner
            value = holder.get(name)
            nothing = "" if key.default is None else copy.deepcopy(key.default)
            found[key.stored or name] = nothing if value is None else value
            if key.credentials and name in holder:
                holder[name] = public_url(holder[name])
            elif sections:
                holder.pop(name, None)
            else:
                holder[name] = {} if isinstance(value, dict) else bool(value)
        secret[site["name"]] = cast(Secrets, found)
        public.append(cast(Site, shown_site))
    return public, secret


def url(site: Site) -> str:
    """Return the URL of a completed site: its first domain, at the first port that nginx listens on."""
    if not site["domains"]:
        return ""
    return f"{schemes.scheme(site)}://{schemes.authority(site)}{start(site)}"


def _root_faults(roots: Mapping[str, Any]) -> list[str]:
    faults = []
    for name, path in roots.items():
        if name not in ROOTS:
            faults.append(f"web_roots: unknown key {name!r}{nearest(name, ROOTS)}")
        elif not is_plain_path(path):
            faults.append(f"web_roots: {name} is {shown(path)}; expected an absolute path of letters, digits and ._-/")
    return faults


def _derive(site: Site, roots: Mapping[str, str] | None) -> None:
    """Derive values from the keys of a site: its user, its paths, both ends of its socket, its origins."""
    layout = Layout.under(site["name"], roots)
    site["paths"] = dict(layout.paths)
    site["managed_user"] = not site["user"]
    site["user"] = site["user"] or account_name("site", site["name"])
    site["group"] = ""
    site["interpreter"] = interpreter()
    nginx, uwsgi = site["nginx"], site["uwsgi"]
    _move_below(site)
    _derive_tls(site)
    if nginx["media"]:
        nginx["media"]["path"] = nginx["media"]["path"] or layout.media
        site["paths"]["media"] = nginx["media"]["path"]
    data = {url: path if path.startswith("/") else f"{layout.state}/{path}" for url, path in nginx["protected"].items()}
    nginx["protected"] = data
    if data:
        site["paths"]["protected"] = ":".join(data.values())
    if nginx["static"]:
        own = not nginx["static"]["path"]
        nginx["static"]["path"] = nginx["static"]["path"] or layout.live_static
        # Open pages still request the assets of the release that made them.
        nginx["static"]["previous"] = layout.previous_static if own else ""
    if uwsgi["socket"] == ["unix"]:
        uwsgi["socket"] = []
    if not nginx["upstream"]:
        nginx["upstream"] = upstreams(uwsgi["socket"], layout)
    uwsgi["options"] = merged(nginx["read_timeout"], uwsgi["options"])
    for worker in site["workers"].values():
        worker["hosts"] = worker["hosts"] or ("first" if worker["singleton"] else "all")
    site["origins"] = _origins(site)


def _move_below(site: Site) -> None:
    """Put the prefix before the paths in the inventory, as clients request them."""
    prefix, nginx = site["prefix"], site["nginx"]
    for files in (nginx["static"], nginx["media"]):
        if files:
            files["url"] = below(prefix, files["url"])
    nginx["limit_requests"] = {below(prefix, path): limit for path, limit in nginx["limit_requests"].items()}
    nginx["protected"] = {below(prefix, url): path for url, path in nginx["protected"].items()}
    if site["health"]["path"]:
        site["health"]["path"] = below(prefix, site["health"]["path"])
    site["warm_up"] = [below(prefix, page) for page in site["warm_up"]]


def upstreams(sockets: list[str], layout: Layout) -> list[str]:
    """Return the addresses at which nginx connects to a uWSGI that listens on `sockets`; none for its unix socket.

    A wildcard address becomes this host's loopback address.
    """
    reachable = [re.sub(r"^(0\.0\.0\.0|\[::\]):", "127.0.0.1:", address) for address in sockets]
    return reachable or [f"unix:{layout.live_socket}"]


def _origins(site: Site) -> list[str]:
    """Return CSRF_TRUSTED_ORIGINS: every domain with each scheme, and the port if it is not the scheme's default.

    A site without TLS may be behind a server that has it, so https is trusted too.
    """
    nginx = site["nginx"]
    if schemes.has_tls(site):
        places = [("https", listener) for listener in nginx["listen_tls"]]
        places += [] if nginx["redirect"] else [("http", listener) for listener in nginx["listen"]]
    else:
        places = [(scheme, listener) for listener in nginx["listen"] for scheme in ("http", "https")]
    origins = []
    for domain in site["domains"]:
        for scheme, listener in places:
            usual = USUAL[scheme] if schemes.has_tls(site) else (80, 443)
            port = "" if listener["port"] in usual else f":{listener['port']}"
            origins.append(f"{scheme}://{domain}{port}")
    return list(dict.fromkeys(origins))


def _derive_tls(site: Site) -> None:
    """Distinguish files on the host from text, and set the ports on which nginx listens for HTTPS."""
    tls, nginx = site["tls"], site["nginx"]
    if tls["kind"] == "certificate":
        paths = {name: text for name, text in (("certificate", tls["certificate"]), ("key", tls["key"])) if text}
        if paths and all(text.startswith("/") for text in paths.values()):
            site["tls"] = {"kind": "path", "certificate_path": tls["certificate"], "key_path": tls["key"]}
    nginx["listen_tls"] = schemes.tls_listeners(site)
