# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of nginx's configuration for some sites, and the values for each template.

`files` is the entry point; it runs on the controller. An nginx.conf that others wrote is kept, and our files are added
beside it (`beside.py`). Layouts: `conf_d` (conf.d/NAME.conf), `sites_available` (a file there, a link in sites-enabled)
and `default_d` (one site's locations in default.d, included by the server in nginx.conf).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..model import schemes
from ..model.checks import integer
from ..model.errors import InventoryError
from ..model.layout import KEPT, NGINX_LOGS, Layout
from ..model.option_checks import directives
from ..model.types import Site
from . import access_log, beside, conflicts, extras, http_level, https, names, shared, site_files, variables

ETC, MARK, DROP_IN = names.ETC, names.MARK, names.DROP_IN
WORKER_CONNECTIONS = variables.WORKER_CONNECTIONS
# What nginx may open, apart from logs and the like: each connection, and the file that it sends or buffers in.
DESCRIPTORS_MIN, DESCRIPTORS_MAX = 65536, 1048576  # the maximum is the kernel's fs.nr_open

# The http level unless `nginx_options` overrides it.
HTTP = {
    "default_type": ["application/octet-stream"],
    "access_log": [f"{NGINX_LOGS}/access.log"],
    "sendfile": ["on"],
    "tcp_nopush": ["on"],
    "keepalive_timeout": ["65"],
    "server_tokens": ["off"],
    "types_hash_max_size": ["4096"],
    # Domains have up to 253 characters, and a bucket must be able to contain one.
    "server_names_hash_max_size": ["4096"],
    "server_names_hash_bucket_size": ["512"],
    "gzip": ["on"],
    "gzip_vary": ["on"],
    "gzip_types": ["text/css text/plain text/javascript application/javascript application/json image/svg+xml"],
    # A large header (cookies) fits; with nginx's default of 4k, the client gets 502, "upstream sent too big header".
    "uwsgi_buffer_size": ["32k"],
    "uwsgi_buffers": ["16 32k"],
    "uwsgi_connect_timeout": ["5s"],
    # With several servers, the next one gets a request that could not be delivered. After 10 s it counts as delivered,
    # so that no slow request runs twice; one that is not idempotent is never sent again (nginx's own rule).
    "uwsgi_next_upstream": ["error timeout"],
    "uwsgi_next_upstream_timeout": ["10s"],
}


def files(
    sites: list[Site],
    platform: Mapping[str, Any],
    layout: str = "auto",
    ipv6: Any = "auto",
    kernel_ipv6: bool = True,
    worker_connections: Any = WORKER_CONNECTIONS,
    options: Any = None,
    catch_all: bool = True,
    host: Mapping[str, Any] | None = None,
    version: str = "",
    maintenance: Mapping[str, Any] | None = None,
    waiting: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the `files` of `config_set` for all sites.

    `platform` has user, layout and modules (the glob of its module snippets). `ipv6` is auto, true or false;
    `kernel_ipv6` determines auto. `host` are the facts of `state.py`; without them, nginx is all ours. `version` is
    nginx's, '' until it is installed. A site that is `kept` keeps its files, except a server that it shares with
    others. `site_files.asked` describes `maintenance`. The sites in `waiting` have no certificate yet. Raises
    `InventoryError` with every fault.
    """
    faults: list[str] = []
    host = site_files.asked(maintenance or {}, sites, host or {}, faults)
    if leaves(sites, host):
        return _left(sites, host)
    kept = site_files.kept(sites, maintenance or {})
    sites = https.today(sites, kept - {*host.get("sites", [])}, waiting)
    present = [site for site in sites if site["state"] == "present"]
    asked, connections = _asked(options, worker_connections, faults)
    given = variables.layout(layout, _preferred(platform, host), present, faults)
    with_ipv6 = variables.ipv6(ipv6, kernel_ipv6, faults)
    views = [{**view(site, with_ipv6, faults, asked), "closing": catch_all} for site in present]
    _arrange(views, present, host, asked)
    servers = [shown_site for shown_site in views if not shown_site["owner"]]
    edits = beside.Edits()
    if beside.keeps_theirs(host):
        variables.check_connections(connections, host, faults)
        chosen = beside.place(layout, given, [site["name"] for site in present], host, faults)
        placed = http_level.place(HTTP, asked, host.get("http", {}))
        faults += placed.refused
        beside.add_include(chosen, host, edits)
        given = chosen.layout
        _at_server_level(views, placed, host)
        result = _beside_theirs(chosen.http_file, placed.http, host)
    else:
        main = {
            "user": host.get("user") or platform["user"],
            "modules": platform["modules"],
            "worker_connections": connections,
            "http": {**HTTP, **asked},
            "server": servers[0] if given == "default_d" and servers else {},
        }
        result = _all_ours(main, host)
    for shown_site in servers:
        beside.share(shown_site, _live_file(shown_site["name"], given), host, edits)
    faults += _in_the_way([one for one in servers if one["name"] not in kept], servers, host)
    faults += _finish(servers, present, version, asked)
    if views and not kernel_ipv6:
        beside.drop_ipv6(host, edits, faults)
    if faults:
        raise InventoryError("nginx", faults)
    return [*result, *_of_sites(sites, views, kept, given), *site_files.wanted(sites, host, kept), *edits.files()]


def _asked(options: Any, connections: Any, faults: list[str]) -> tuple[dict[str, list[str]], int]:
    """Return the directives of the role's variables for the http level and the connections."""
    asked = variables.checked("nginx_options", directives, options or {}, {}, faults)
    most = integer(16, 1048576)
    return asked, int(variables.checked("nginx_worker_connections", most, connections, WORKER_CONNECTIONS, faults))


def _arrange(
    views: list[dict[str, Any]], present: list[Site], host: Mapping[str, Any], asked: Mapping[str, list[str]]
) -> None:
    """Set which sites share a server, and the optional features of each."""
    by_name = {shown_site["name"]: shown_site for shown_site in views}
    shared.arrange(present, by_name)
    extras.place(by_name, present, host, asked)


def _in_the_way(own: list[dict[str, Any]], servers: list[dict[str, Any]], host: Mapping[str, Any]) -> list[str]:
    """Return what prevents our servers from being served; `own` are those that this run writes."""
    facts = {**host, "servers": beside.servers(host)}
    return [fault for shown_site in own for fault in conflicts.find(shown_site, facts)] + conflicts.between(servers)


def _finish(
    servers: list[dict[str, Any]], present: list[Site], version: str, asked: Mapping[str, list[str]]
) -> list[str]:
    """Complete the views of all servers after their addresses are final; return the faults."""
    by_name = {site["name"]: site for site in present}
    spelling = https.Spelling(version)
    faults: list[str] = []
    for shown_site in servers:
        sites = [by_name[one["name"]] for one in (shown_site, *shown_site["others"])]
        ports = {port for _address, port in conflicts.pairs(shown_site["catch_all_tls"])}
        certificate = https.unnamed(present, ports)
        if not certificate and not spelling.rejects:
            certificate = Layout.of(sites[0]).tls_live
        faults += https.faults(sites[0], sites)
        https.finish(shown_site, sites, spelling, asked, certificate)
    return faults


def leaves(sites: list[Site], host: Mapping[str, Any]) -> bool:
    """Return whether the last of our sites is removed, and everything of ours with it."""
    absent = {site["name"] for site in sites if site["state"] == "absent"}
    return bool(host) and len(absent) == len(sites) > 0 and not set(host.get("sites", [])) - absent


def view(site: Site, ipv6: bool, faults: list[str], asked: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the template values of one site; `beside.share` and `https.finish` add those of its server."""
    nginx, layout = site["nginx"], Layout.of(site)
    own = {key: list(values) for key, values in nginx["options"].items()}
    headers = https.headers(site, own.get("add_header", []), asked.get("add_header", []))
    if headers:
        own["add_header"] = headers
    server = {
        "charset": [nginx["charset"]],
        "client_max_body_size": [nginx["client_max_body_size"]],
        "access_log": [f"{layout.access_log} {access_log.format_name(site['name'])}"],
        "error_log": [layout.error_log],
        "uwsgi_read_timeout": [f"{nginx['read_timeout']}s"],
        **own,
    }
    return {
        "name": site["name"],
        "listen": _listen(site, "listen", ipv6, faults),
        "listen_tls": _listen(site, "listen_tls", ipv6, faults) if schemes.has_tls(site) else [],
        "protocol": "the PROXY protocol" if nginx["proxy_protocol"] else "",
        "server_name": " ".join(site["domains"]),
        "invalid": f"{site['name']}.catch-all.invalid",
        "catch_all_server": {},
        "server": server,
        "log_format": {"name": access_log.format_name(site["name"]), "line": access_log.FORMAT},
        "upstream": [_server(address) for address in nginx["upstream"]],
        "prefix": site["prefix"],
        "static": nginx["static"]
        and {
            **nginx["static"],
            **_patterns(nginx["static"]["url"]),
            "fallback": _fallback(site),
            "links": _links(nginx["static"]["path"], own),
            "previous_links": _links(nginx["static"].get("previous", ""), own),
        },
        "media": nginx["media"]
        and {
            **nginx["media"],
            **_patterns(nginx["media"]["url"]),
            "links": _links(nginx["media"]["path"], own),
            "headers": _media_headers(headers, nginx["media_documents"]),
        },
        "upload_headers": _media_headers(headers, nginx["media_documents"]),
        "locations": {match: _location(site, inside) for match, inside in nginx["locations"].items()},
    }


def _all_ours(main: dict[str, Any], host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files of all sites if nginx.conf is ours, or the package's without other sites."""
    replaced = {"keep": True, "marked": MARK}
    if host.get("main") == "packaged":
        replaced["note"] = f"{names.MAIN} was the package's; pyweb.stack writes it now; before: {KEPT}{names.MAIN}"
    return [
        {**_template("nginx.conf", "nginx.conf", {"nginx": main}), **replaced},
        _template("pyweb_uwsgi_params", "pyweb_uwsgi_params", {}),
        _template(f"conf.d/{names.HTTP_FILE}", f"conf.d/{names.HTTP_FILE}", {"http": {}}),
        _drop_in(main["worker_connections"], host),
        *_without_default(host),
    ]


def _drop_in(connections: int, host: Mapping[str, Any]) -> dict[str, Any]:
    """Return the drop-in of nginx's unit. A limit that others set is kept: theirs may be read before ours."""
    wanted = min(max(2 * connections + 1024, DESCRIPTORS_MIN), DESCRIPTORS_MAX)
    variables = {"descriptors": 0 if host.get("limit_nofile") else wanted}
    return {"path": DROP_IN, "template": f"{DROP_IN[1:]}.j2", "vars": variables}


def _beside_theirs(http_file: str, http: dict[str, list[str]], host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files of all sites if others wrote nginx.conf."""
    template = f"etc/nginx/conf.d/{names.HTTP_FILE}.j2"
    theirs = str(host.get("worker_connections", ""))
    note = f"{names.MAIN} was not written by pyweb.stack and is not changed; see {http_file}, and the sites' files"
    places = [f"{folder}/{names.HTTP_FILE}" for folder in beside.FOLDERS.values()]
    return [
        _template("pyweb_uwsgi_params", "pyweb_uwsgi_params", {}),
        {"path": http_file, "template": template, "vars": {"http": http}, "note": note},
        *[{"path": path, "state": "absent", "marked": MARK} for path in places if path != http_file],
        _drop_in(int(theirs) if theirs.isdigit() else WORKER_CONNECTIONS, host),
        *_without_default(host),
    ]


def _without_default(host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the removal of the packages' default server; one that was edited or written by others is kept."""
    if host.get("main", "absent") == "absent":  # the packages are not installed yet, and will add Debian's link
        link = {"path": names.DEFAULT_LINK, "state": "absent", "keep": True}
        return [] if host.get("default_link") else [link]
    return [
        {"path": path, "state": "absent", "keep": True, "note": f"{path}, the packages' default site, is disabled"}
        for path in host.get("packaged_defaults", [])
    ]


def _left(sites: list[Site], host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the removal of everything of ours, and the restoration of the previous files."""
    kept = set(host.get("kept", []))
    if host.get("main") == "ours":
        kept.add(names.MAIN)
    listens = [listen for server in host.get("servers", []) for listen in server["listens"]]
    if any(listen["default"] and listen["port"] == 80 for listen in listens):
        kept.discard(names.DEFAULT_LINK)  # it configures the same server, and nginx would refuse a second one
    back = [
        {"path": path, "state": "kept", "note": f"{path} was restored to its state before the first site"}
        for path in sorted(kept)
    ]
    for file in back:
        if file["path"] == names.MAIN and host.get("main") == "ours":
            file["marked"] = MARK
    ours = ["pyweb_uwsgi_params", *(f"{folder}/{names.HTTP_FILE}" for folder in ("conf.d", "sites-enabled"))]
    result = [*back, *(_absent(path) for path in ours)]
    result.append({"path": DROP_IN, "state": "absent", "marked": MARK, "prune": True})
    for site in sites:
        result += _of_site(site["name"], "", {})
    return [*result, *(site_files.removal(path) for path in host.get("site_files", []))]


def _preferred(platform: Mapping[str, Any], host: Mapping[str, Any]) -> str:
    """Return the platform's layout; without Debian's directories, as with nginx.org's packages, the other one."""
    absent = host.get("main", "absent") == "absent" or host.get("sites_enabled", True)
    return str(platform["layout"]) if absent or platform["layout"] != "sites_available" else "conf_d"


def _at_server_level(views: list[dict[str, Any]], placed: http_level.Placed, host: Mapping[str, Any]) -> None:
    """Give every server the directives that cannot be at an http level that others own."""
    for shown_site in views:
        shown_site["catch_all_server"] = placed.catch_all()
        shown_site["server"] = _server_level(placed.server, shown_site["server"], "types" in host.get("http", {}))


def _server_level(
    ours: Mapping[str, list[str]], site: Mapping[str, list[str]], knows_types: bool
) -> dict[str, list[str]]:
    """Return the directives of a site's server, with those that are otherwise at the http level."""
    both = {**ours, **site}
    return both if knows_types else {**both, "include": [f"{ETC}/mime.types", *both.get("include", [])]}


def _live_file(name: str, layout: str) -> str:
    """Return the file that nginx includes for a site."""
    return f"{beside.FOLDERS.get(layout, beside.FOLDERS['conf_d'])}/{name}.conf"


def _of_sites(sites: list[Site], views: list[dict[str, Any]], kept: set[str], layout: str) -> list[dict[str, Any]]:
    """Return the files of all sites; of `kept` ones, only a server that contains others."""
    result = []
    for shown_site in views:
        if shown_site["name"] not in kept or shown_site["others"]:
            kind = "shared" if shown_site["owner"] else layout
            # If nginx refuses something in a server that is a site's alone, only that site fails.
            part = {} if shown_site["others"] else {"of": shown_site["name"]}
            result += [{**file, **part} for file in _of_site(shown_site["name"], kind, {"site": shown_site})]
    for site in sites:
        if site["state"] == "absent":
            result += _of_site(site["name"], "", {})
    return result


def _of_site(name: str, layout: str, variables: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the files of one site: those of its layout, and the removal of those of the other layouts."""
    file = f"{name}.conf"
    kinds = {
        f"conf.d/{file}": ("conf_d", "conf.d/site.conf"),
        f"sites-available/{file}": ("sites_available", "conf.d/site.conf"),
        f"default.d/{file}": ("default_d", "default.d/site.conf"),
        f"conf.d/uwsgi_{file}": ("default_d", "conf.d/upstream.conf"),  # no site's name contains a _
        shared.locations_file(name): ("shared", f"{shared.FOLDER}/locations.conf"),
    }
    result = [
        _template(path, template, variables) if layout == of else _gone(path) for path, (of, template) in kinds.items()
    ]
    link = {"path": f"{ETC}/sites-enabled/{file}"}
    target = f"../sites-available/{file}"
    kind = {"link": target} if layout == "sites_available" else {"state": "absent", "marked": target}
    return [*result, {**link, **kind}]


def _template(path: str, template: str, variables: dict[str, Any]) -> dict[str, Any]:
    return {"path": f"{ETC}/{path}", "template": f"etc/nginx/{template}.j2", "vars": variables}


def _gone(path: str) -> dict[str, Any]:
    """Return the removal of a file of a site; the directory of locations is removed with the last one."""
    return {**_absent(path), **({"prune": True} if path.startswith(f"{shared.FOLDER}/") else {})}


def _absent(path: str) -> dict[str, Any]:
    return {"path": f"{ETC}/{path}", "state": "absent", "marked": MARK}


def _location(site: Site, inside: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the directives of a location: one that has headers inherits none of its server's."""
    given = inside.get("add_header", [])
    return {**inside, "add_header": https.headers(site, given)} if given else {**inside}


def _listen(site: Site, key: Literal["listen", "listen_tls"], ipv6: bool, faults: list[str]) -> list[str]:
    result = []
    for listener in site["nginx"][key]:
        address, port = listener["address"], listener["port"]
        if address.startswith("[") and not ipv6:
            faults.append(
                f"site '{site['name']}': nginx.{key} has {address}:{port}, but IPv6 is off (nginx_ipv6, or the "
                "host has none); remove it, or turn IPv6 on"
            )
        if address in ("", "localhost"):
            four, six = ("", "[::]:") if not address else ("127.0.0.1:", "[::1]:")
            result += [f"{four}{port}", f"{six}{port}"] if ipv6 else [f"{four}{port}"]
        else:
            result.append(f"{address}:{port}")
    return list(dict.fromkeys(result))


def _server(upstream: str) -> str:
    """Return a server of the upstream block.

    On the same host, a refused connection costs nothing and a restart is short, so a server is never taken out after
    failures. On other hosts, nginx's own rule applies (out for 10 s after one failure).
    """
    here = upstream.startswith(("unix:", "127.", "[::1]:", "localhost:"))
    return f"{upstream} max_fails=0" if here else upstream


def _patterns(url: str) -> dict[str, str]:
    """Return regular expressions for the paths below a URL: all, and those with a name that begins with a dot."""
    literal = url.replace(".", "\\.")
    return {"below": f"^{literal}(?s)(.*)$", "hidden": f"^{literal}(?s:.*/)?\\."}


def _fallback(site: Site) -> str:
    """Return the name of the location with the static files of the previous release; names belong to a server."""
    return f"@previous_static_{site['name']}" if site["prefix"] else "@previous_static"


def _links(path: str, options: Mapping[str, list[str]]) -> str:
    """Return which links below a directory nginx follows: none that lead to a file of another owner.

    Whoever may write there could otherwise publish what only nginx can read. The directory itself may be a link, to a
    larger disk. '' if the inventory has a rule of its own.
    """
    return f"if_not_owner from={path}" if path and "disable_symlinks" not in options else ""


def _media_headers(server: list[str], documents: str) -> list[str]:
    """Return the headers of uploaded files: a level that has any inherits none, so the server's come first.

    The policy for documents is added to any other: a browser applies all of them. It is not sent if it is empty.
    """
    own = {
        # A browser must use the type of the file's name, and not run a script in it.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "\"script-src 'none'\"",
    }
    named = {header.split()[0].strip("\"'").lower() for header in server if header.split()}
    found = server + [f"{name} {value} always" for name, value in own.items() if name.lower() not in named]
    return found + ["Content-Security-Policy $pyweb_documents always"] * (documents == "sandboxed")
