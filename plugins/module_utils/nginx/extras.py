# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Optional features of a site in nginx: limits, headers, logins, protected files, error pages, maintenance.

`place` adds them to the views of `render.py`: directives to the server, or to the locations of a site that is in
another server; and as `extras` what is no plain directive. A site without such keys is not changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..model.nginx_checks import BUILDERS
from ..model.types import Site
from . import names

# Only the CA's challenge is answered from the first; below the second, only our pages are found.
ACME = "/.well-known/acme-challenge/"
_ZONE = "10m"  # about 160,000 addresses (ngx_http_limit_req_module, 64 bytes each)
_BUSY = "429"  # RFC 6585
# Retry-After in seconds, if maintenance_retry_after is not set.
RETRY_AFTER = 60


def place(
    views: Mapping[str, dict[str, Any]], sites: Sequence[Site], host: Mapping[str, Any], above: Mapping[str, list[str]]
) -> None:
    """Add the optional features of each site to its view (of `render.view`, by name).

    `host` are the facts of `state.py`, `above` the directives of the inventory at the http level.
    """
    by_name = {site["name"]: site for site in sites}
    header_timeout = min(filter(None, (site["nginx"]["client_timeout"] for site in sites)), default=0)
    # Before a request's name is known, the first server of its port determines the timeouts.
    first = [f"client_header_timeout {header_timeout}s"] if header_timeout else []
    for name, view in views.items():
        site = by_name[name]
        maintenance = host.get("maintenance", {}).get(name)
        # The paths of the server that belong to other sites.
        around = [f"{by_name[other['name']]['prefix']}/" for other in view["others"]]
        view["extras"] = {"http": [], "closed": "", "first": first, "locations": []}
        _files(view, site, host)
        own = _limits(view, site, around)
        own += _headers(view, site, above)
        own += _logins(view, site)
        own += _pages(view, site, maintenance)
        _protected(view, site)
        if maintenance is not None:
            _close(view, site, around, maintenance)
        _add(view["inside"] if view["owner"] else view["server"], {**above, **view["server"]}, own)


def pages(site: Mapping[str, Any], maintenance: Any = None) -> dict[str, str]:
    """Return the pages of a site that nginx sends itself: status -> HTML, or the path of a file on the host."""
    found = dict(site["nginx"]["error_pages"])
    if maintenance is not None:
        found.setdefault("503", _MAINTENANCE_PAGE)
    return found


_MAINTENANCE_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Maintenance</title></head>
<body><h1>Maintenance</h1><p>This site is being worked on and will be back soon.</p></body>
</html>
"""


def quoted(text: str) -> str:
    """Return a text as one word of nginx's configuration; it must not contain a $ or a line end."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _add(level: dict[str, list[str]], given: Mapping[str, list[str]], directives: Sequence[tuple[str, str]]) -> None:
    """Add directives to a level. Those of the inventory override them; directives that may be repeated are added."""
    found: dict[str, list[str]] = {}
    for name, value in directives:
        found.setdefault(name, []).append(value)
    for name, values in found.items():
        if name in _REPEATED:
            # A level with one of these inherits none.
            level[name] = [*given.get(name, []), *values]
        elif name not in given:
            level[name] = values


_REPEATED = ("add_header", "error_page", "limit_conn", "limit_req")


def _variable(what: str, view: Mapping[str, Any]) -> str:
    """Return the name of a variable of the site; a site's name has no _, so it is unique.

    `what` has at most 8 characters: nginx refuses a variable of more than 46, and a name may have 31.
    """
    return f"$pyweb_{what}_{view['name'].replace('-', '_')}"


def _below(path: str) -> str:
    """Return a word of a map that matches every path with this prefix."""
    return quoted(f"~^{_escaped(path)}")


def _escaped(path: str) -> str:
    """Return the regular expression of a path; of its characters, only the dot is special."""
    return path.replace(".", "\\.")


def _map(view: dict[str, Any], head: str, rows: Sequence[str]) -> None:
    view["extras"]["http"].append({"head": head, "rows": list(rows)})


# --- files ---


def _files(view: dict[str, Any], site: Site, host: Mapping[str, Any]) -> None:
    """Set which static files browsers keep indefinitely, and whether compressed ones are beside them."""
    static, nginx = view["static"], site["nginx"]
    if not static:
        return
    static.update(expires="$pyweb_expires", more=[])
    if nginx["precompressed"]:
        static["more"] = ["gzip_static on"] + ["brotli_static on"] * bool(host.get("brotli_static"))
    patterns = [BUILDERS.get(name, name) for name in nginx["hashed_names"] if name != "django"]
    if patterns:
        static["expires"] = _variable("expires", view)
        rows = [f"{quoted('~' + pattern)} max" for pattern in dict.fromkeys([BUILDERS["django"], *patterns])]
        _map(view, f"map $uri {static['expires']}", ["default off", *rows])


def _protected(view: dict[str, Any], site: Site) -> None:
    """Add the locations of files that only the application may send."""
    for url, path in site["nginx"]["protected"].items():
        own_rule = "disable_symlinks" in site["nginx"]["options"]
        lines = ["internal", f"alias {path}/"]
        lines += [] if own_rule else [f"disable_symlinks if_not_owner from={path}"]
        lines += [f"add_header {header}" for header in view["protected_headers"]]
        hidden = f"^{_escaped(url)}(?s:.*/)?\\."
        view["extras"]["locations"].append({"match": f"^~ {url}", "lines": lines, "hidden": hidden})


# --- limits ---


def _limits(view: dict[str, Any], site: Site, around: Sequence[str]) -> list[tuple[str, str]]:
    nginx, found = site["nginx"], []
    if nginx["client_timeout"] and not view["owner"]:
        seconds = f"{nginx['client_timeout']}s"
        found += [(name, seconds) for name in ("client_header_timeout", "client_body_timeout", "send_timeout")]
    if nginx["limit_connections"]:
        key, zone = "$binary_remote_addr", f"pyweb_connections_{view['name']}"
        if around:
            key = _variable("conn", view)
            _map(view, f"map $uri {key}", ["default $binary_remote_addr", *_nobodys(around)])
        _map(view, f"limit_conn_zone {key} zone={zone}:{_ZONE}", [])
        found += [("limit_conn", f"{zone} {nginx['limit_connections']}"), ("limit_conn_status", _BUSY)]
    own = [files["url"] for files in (nginx["static"], nginx["media"]) if files]
    for number, (path, limit) in enumerate(nginx["limit_requests"].items(), 1):
        key, zone = _variable(f"req{number}", view), f"pyweb_requests_{number}_{view['name']}"
        apart = [other for other in (*own, *around, ACME, names.PAGES) if other.startswith(path) and other != path]
        _map(view, f"map $uri {key}", ['default ""', *_nobodys(apart), f"{_below(path)} $binary_remote_addr"])
        _map(view, f"limit_req_zone {key} zone={zone}:{_ZONE} rate={limit['rate']}", [])
        found.append(("limit_req", f"zone={zone} burst={limit['burst']} nodelay"))
    return [*found, ("limit_req_status", _BUSY)] if nginx["limit_requests"] else found


def _nobodys(paths: Sequence[str]) -> list[str]:
    """Return the rows of a map for paths that are not counted: an empty key is not."""
    return [f'{_below(path)} ""' for path in paths]


# --- headers and logins ---


def _headers(view: dict[str, Any], site: Site, above: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """Return the headers for the application's answers, each only if the application has not sent it.

    Files that nginx sends itself get them in any case. If the application redirected to a file (X-Accel-Redirect), its
    own headers are lost, so they are set explicitly.
    """
    given = view["server"].get("add_header") or above.get("add_header", [])
    # The inventory's own headers, and those of other keys, take precedence.
    named = {value.split()[0].strip("\"'").lower() for value in given if value.split()}
    own = {name: value for name, value in site["nginx"]["headers"].items() if name.lower() not in named}
    literal = [f"{name} {quoted(value)} always" for name, value in own.items()]
    view["literal_headers"] = [*given, *literal]
    if view["media"]:
        there = {value.split()[0].lower() for value in view["media"]["headers"]} - {"content-security-policy"}
        more = [header for header in literal if header.split()[0].lower() not in there]
        view["media"]["headers"] = [*more, *view["media"]["headers"]]
    found = []
    for number, (name, value) in enumerate(own.items(), 1):
        variable = _variable(f"head{number}", view)
        sent = name.lower().replace("-", "_")
        _map(view, f"map $upstream_http_{sent} {variable}", ['default ""', f'"" {quoted(value)}'])
        found.append(("add_header", f"{name} {variable} always"))
    view["protected_headers"] = _of_uploads(view, literal)
    return found


def _of_uploads(view: Mapping[str, Any], literal: Sequence[str]) -> list[str]:
    """Return the headers of protected files, which may be uploads as the media are."""
    base = list(view["upload_headers"])
    there = {value.split()[0].lower() for value in base} - {"content-security-policy"}
    return [header for header in literal if header.split()[0].lower() not in there] + base


def _logins(view: dict[str, Any], site: Site) -> list[tuple[str, str]]:
    # A site in another server has the same users: the model ensures it.
    if not site["nginx"]["basic_auth"] or view["owner"]:
        return []
    return [("auth_basic", quoted(site["name"])), ("auth_basic_user_file", names.beside_site(site["name"], "htpasswd"))]


# --- pages and maintenance ---


def _pages(view: dict[str, Any], site: Site, maintenance: Any) -> list[tuple[str, str]]:
    found = []
    for status, page in pages(site, maintenance).items():
        url = f"{names.PAGES}{site['name']}/{status}.html"
        path = page if page.startswith("/") else names.beside_site(site["name"], f"{status}.html")
        again = (maintenance or {}).get("retry_after", RETRY_AFTER)
        headers = [*view["literal_headers"], *([f"Retry-After {again} always"] if status == "503" else [])]
        # Visitors who are refused by password or address see it too: it contains nothing of the site.
        lines = ["internal", f"alias {path}", "auth_basic off", "allow all"]
        lines += [f"add_header {header}" for header in headers]
        view["extras"]["locations"].append({"match": f"= {url}", "lines": lines, "hidden": ""})
        found.append(("error_page", f"{status} {url}"))
    return found


def _close(view: dict[str, Any], site: Site, around: Sequence[str], maintenance: Mapping[str, Any]) -> None:
    """Answer 503 to all but the listed addresses, except for a CA's challenge and our page."""
    visitor, closed = _variable("visitor", view), _variable("closed", view)
    _map(view, f"geo {visitor}", ["default 1", *(f"{network} 0" for network in maintenance.get("allow", []))])
    # nginx finds the page with a second lookup, with another path.
    rows = ["volatile", f"default {visitor}", *(f"{_below(path)} 0" for path in (ACME, names.PAGES, *around))]
    _map(view, f"map $uri {closed}", rows)
    view["extras"]["closed"] = closed
