# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files make up nginx's configuration for some sites, and what each template needs to know.

`files` is the entry point; it runs on the controller. Layouts: `conf_d` (conf.d/NAME.conf), `sites_available` (a file
there, a link in sites-enabled) and `default_d` (one site's locations in default.d, included by the server in
nginx.conf).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.checks import Check, Wrong, integer
from ..model.errors import InventoryError, nearest, shown
from ..model.layout import NGINX_LOGS, Layout
from ..model.option_checks import directives
from ..model.types import Site

ETC = "/etc/nginx"
LAYOUTS = ("conf_d", "sites_available", "default_d")
# The distributions' units leave nginx dead when its master was killed.
DROP_IN = "/etc/systemd/system/nginx.service.d/pyweb.conf"
# In the first line of every file of ours; only files with it are ever removed.
MARK = "pyweb.stack.nginx"

# The http level where `nginx_options` says nothing else.
HTTP = {
    "default_type": ["application/octet-stream"],
    "access_log": [f"{NGINX_LOGS}/access.log"],
    "sendfile": ["on"],
    "tcp_nopush": ["on"],
    "keepalive_timeout": ["65"],
    "server_tokens": ["off"],
    "types_hash_max_size": ["4096"],
    # Domains have up to 253 characters, and a bucket must hold one.
    "server_names_hash_max_size": ["4096"],
    "server_names_hash_bucket_size": ["512"],
    "gzip": ["on"],
    "gzip_vary": ["on"],
    "gzip_types": ["text/css text/plain text/javascript application/javascript application/json image/svg+xml"],
    # A big header (cookies) fits; with nginx's own 4k the client gets 502, "upstream sent too big header".
    "uwsgi_buffer_size": ["32k"],
    "uwsgi_buffers": ["16 32k"],
    "uwsgi_connect_timeout": ["5s"],
    # Several servers: the next one gets a request that could not be delivered. After 10 s it counts as delivered, so
    # that no slow request runs twice; one that is not idempotent goes nowhere else once sent (nginx's own rule).
    "uwsgi_next_upstream": ["error timeout"],
    "uwsgi_next_upstream_timeout": ["10s"],
}


def files(
    sites: list[Site],
    platform: Mapping[str, Any],
    layout: str = "auto",
    ipv6: Any = "auto",
    kernel_ipv6: bool = True,
    worker_connections: Any = 1024,
    options: Any = None,
    catch_all: bool = True,
) -> list[dict[str, Any]]:
    """Return the `files` of `config_set` for all sites.

    `platform` has user, layout and modules (the glob of its module snippets). `ipv6` is auto, true or false;
    `kernel_ipv6` decides auto. Raises `InventoryError` with every fault.
    """
    faults: list[str] = []
    present = [site for site in sites if site["state"] == "present"]
    layout = _layout(layout, platform, present, faults)
    with_ipv6 = _ipv6(ipv6, kernel_ipv6, faults)
    http = {**HTTP, **_checked("nginx_options", directives, options or {}, {}, faults)}
    connections = _checked("nginx_worker_connections", integer(16, 1048576), worker_connections, 1024, faults)
    views = [{**view(site, with_ipv6, faults), "catch_all": catch_all} for site in present]
    if faults:
        raise InventoryError("nginx", faults)
    main = {
        "user": platform["user"],
        "modules": platform["modules"],
        "worker_connections": connections,
        "http": http,
        "server": views[0] if layout == "default_d" and views else {},
    }
    result = [
        _template("nginx.conf", "nginx.conf", {"nginx": main}),
        _template("pyweb_uwsgi_params", "pyweb_uwsgi_params", {}),
        _template("conf.d/pyweb_http.conf", "conf.d/pyweb_http.conf", {}),
        {"path": DROP_IN, "template": f"{DROP_IN[1:]}.j2", "vars": {}},
        # Debian's link to its own server, which claims every host. The file behind it stays.
        {"path": f"{ETC}/sites-enabled/default", "state": "absent"},
    ]
    for shown_site in views:
        result += _of_site(shown_site["name"], layout, {"site": shown_site})
    for site in sites:
        if site["state"] == "absent":
            result += _of_site(site["name"], "", {})
    return result


def view(site: Site, ipv6: bool, faults: list[str]) -> dict[str, Any]:
    """Return what the templates need of one site, ready to be written down."""
    nginx, layout = site["nginx"], Layout.of(site)
    own = {key: list(values) for key, values in nginx["options"].items()}
    headers = own.get("add_header", [])
    server = {
        "charset": [nginx["charset"]],
        "client_max_body_size": [nginx["client_max_body_size"]],
        "access_log": [layout.access_log],
        "error_log": [layout.error_log],
        "uwsgi_read_timeout": [f"{nginx['read_timeout']}s"],
        **own,
    }
    return {
        "name": site["name"],
        "listen": _listen(site, ipv6, faults),
        "server_name": " ".join(site["domains"]),
        "server": server,
        "upstream": [_server(address) for address in nginx["upstream"]],
        "static": nginx["static"] and {**nginx["static"], **_patterns(nginx["static"]["url"])},
        "media": nginx["media"]
        and {**nginx["media"], **_patterns(nginx["media"]["url"]), "headers": _media_headers(headers)},
        "locations": nginx["locations"],
    }


def _of_site(name: str, layout: str, variables: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the files of one site: those of its layout, and the removal of those of the other layouts."""
    file = f"{name}.conf"
    kinds = {
        f"conf.d/{file}": ("conf_d", "conf.d/site.conf"),
        f"sites-available/{file}": ("sites_available", "conf.d/site.conf"),
        f"default.d/{file}": ("default_d", "default.d/site.conf"),
        f"conf.d/uwsgi_{file}": ("default_d", "conf.d/upstream.conf"),  # no site's name has a _ in it
    }
    result = [
        _template(path, template, variables) if layout == of else _absent(path)
        for path, (of, template) in kinds.items()
    ]
    link = {"path": f"{ETC}/sites-enabled/{file}"}
    target = f"../sites-available/{file}"
    kind = {"link": target} if layout == "sites_available" else {"state": "absent", "marked": target}
    return [*result, {**link, **kind}]


def _template(path: str, template: str, variables: dict[str, Any]) -> dict[str, Any]:
    return {"path": f"{ETC}/{path}", "template": f"etc/nginx/{template}.j2", "vars": variables}


def _absent(path: str) -> dict[str, Any]:
    return {"path": f"{ETC}/{path}", "state": "absent", "marked": MARK}


def _layout(given: str, platform: Mapping[str, Any], present: list[Site], faults: list[str]) -> str:
    layout = str(platform["layout"]) if given == "auto" else given
    if layout not in LAYOUTS:
        faults.append(f"nginx_layout is {shown(given)}{nearest(given, ('auto', *LAYOUTS))}")
    elif layout == "default_d" and len(present) > 1:
        names = ", ".join(site["name"] for site in present)
        faults.append(
            f"nginx_layout is default_d, which has room for one site; nginx_sites has {len(present)}: {names}; "
            "use conf_d or sites_available"
        )
    return layout


def _ipv6(given: Any, kernel: bool, faults: list[str]) -> bool:
    words = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False, "auto": kernel}
    word = str(given).lower()
    if word not in words:
        faults.append(f"nginx_ipv6 is {shown(given)}; wanted auto, true or false")
    return words.get(word, kernel)


def _listen(site: Site, ipv6: bool, faults: list[str]) -> list[str]:
    result = []
    for listener in site["nginx"]["listen"]:
        address, port = listener["address"], listener["port"]
        if address.startswith("[") and not ipv6:
            faults.append(
                f"site '{site['name']}': nginx.listen has {address}:{port}, but IPv6 is off (nginx_ipv6, or the "
                "host has none); take it out or turn IPv6 on"
            )
        if address in ("", "localhost"):
            four, six = ("", "[::]:") if not address else ("127.0.0.1:", "[::1]:")
            result += [f"{four}{port}", f"{six}{port}"] if ipv6 else [f"{four}{port}"]
        else:
            result.append(f"{address}:{port}")
    return list(dict.fromkeys(result))


def _server(upstream: str) -> str:
    """Return a server of the upstream block.

    On this very host a refused connection costs nothing and a restart is short, so a server is never taken out for its
    failures; elsewhere nginx's own rule holds (out for 10 s after one failure).
    """
    here = upstream.startswith(("unix:", "127.", "[::1]:", "localhost:"))
    return f"{upstream} max_fails=0" if here else upstream


def _patterns(url: str) -> dict[str, str]:
    """Return regular expressions for the paths below a URL: all, and those with a name that begins with a dot."""
    literal = url.replace(".", "\\.")
    return {"below": f"^{literal}(?s)(.*)$", "hidden": f"^{literal}(?s:.*/)?\\."}


def _media_headers(server: list[str]) -> list[str]:
    """Return the headers of uploaded files: a level that has any inherits none, so the server's come first."""
    own = {
        # A browser takes the file for what its name says, and runs no script in it.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "\"script-src 'none'\"",
    }
    named = {header.split()[0].strip("\"'").lower() for header in server if header.split()}
    return server + [f"{name} {value} always" for name, value in own.items() if name.lower() not in named]


def _checked(variable: str, check: Check, value: Any, default: Any, faults: list[str]) -> Any:
    try:
        return check(value)
    except Wrong as wrong:
        faults.append(f"{variable} is {shown(value)}; wanted {wrong.wanted}" + (wrong.fix and f"; {wrong.fix}"))
        return default
