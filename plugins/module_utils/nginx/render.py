# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files make up nginx's configuration for some sites, and what each template needs to know.

`files` is the way in; runs on the controller. Layouts: `conf_d` (conf.d/NAME.conf), `sites_available` (a file there, a
link in sites-enabled) and `default_d` (one site's locations in default.d, included by the server in nginx.conf).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.site import Wrong, directives, integer, nearest, shown

ETC = "/etc/nginx"
LOGS = "/var/log/nginx"
LAYOUTS = ("conf_d", "sites_available", "default_d")
# The distributions' units leave nginx dead when its master was killed.
DROP_IN = "/etc/systemd/system/nginx.service.d/pyweb.conf"
# In the first line of every file of ours; only files with it are ever removed.
MARK = "pyweb.stack.nginx"

# The http level where `nginx_options` says nothing else.
HTTP = {
    "default_type": ["application/octet-stream"],
    "access_log": [f"{LOGS}/access.log"],
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


class NginxError(ValueError):
    """All that is wrong with the role's variables, one fault a line."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"nginx has {count}; no host was touched:"] + [f"  {one}" for one in faults]))


def files(
    sites: list[dict[str, Any]],
    platform: Mapping[str, Any],
    layout: str = "auto",
    ipv6: Any = "auto",
    kernel_ipv6: bool = True,
    worker_connections: Any = 1024,
    options: Any = None,
    catch_all: bool = True,
) -> list[dict[str, Any]]:
    """The `files` of `config_set` for all sites (completed by the site model).

    `platform` has user, layout and modules (the glob of its module snippets). `ipv6` is auto, true or false;
    `kernel_ipv6` decides auto. Raises `NginxError` with every fault.
    """
    faults: list[str] = []
    present = [site for site in sites if site["state"] == "present"]
    layout = _layout(layout, platform, present, faults)
    with_ipv6 = _ipv6(ipv6, kernel_ipv6, faults)
    http = {**HTTP, **_checked("nginx_options", directives, options or {}, {}, faults)}
    connections = _checked("nginx_worker_connections", integer(16, 1048576), worker_connections, 1024, faults)
    views = [{**view(site, with_ipv6, faults), "catch_all": catch_all} for site in present]
    if faults:
        raise NginxError(faults)
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
    for site in views:
        result += _of_site(site["name"], layout, {"site": site})
    for site in sites:
        if site["state"] == "absent":
            result += _of_site(site["name"], "", {})
    return result


def view(site: dict[str, Any], ipv6: bool, faults: list[str]) -> dict[str, Any]:
    """What the templates need of one site, ready to be written down."""
    nginx, name = site["nginx"], site["name"]
    own = {key: list(values) for key, values in nginx["options"].items()}
    headers = own.get("add_header", [])
    server = {
        "charset": [nginx["charset"]],
        "client_max_body_size": [nginx["client_max_body_size"]],
        "access_log": [f"{LOGS}/{name}.access.log"],
        "error_log": [f"{LOGS}/{name}.error.log"],
        "uwsgi_read_timeout": [f"{nginx['read_timeout']}s"],
        **own,
    }
    return {
        "name": name,
        "listen": _listen(site, ipv6, faults),
        "server_name": " ".join(site["domains"]),
        "server": server,
        "upstream": [_server(one) for one in nginx["upstream"]],
        "static": nginx["static"] and {**nginx["static"], **_patterns(nginx["static"]["url"])},
        "media": nginx["media"]
        and {**nginx["media"], **_patterns(nginx["media"]["url"]), "headers": _media_headers(headers)},
        "locations": nginx["locations"],
    }


def _of_site(name: str, layout: str, variables: dict[str, Any]) -> list[dict[str, Any]]:
    """The files of one site: those of its layout, and those of the other layouts gone."""
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


def _layout(given: str, platform: Mapping[str, Any], present: list[dict[str, Any]], faults: list[str]) -> str:
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


def _listen(site: dict[str, Any], ipv6: bool, faults: list[str]) -> list[str]:
    result = []
    for one in site["nginx"]["listen"]:
        address, port = one["address"], one["port"]
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
    """A server of the upstream block.

    On this very host a refused connection costs nothing and a restart is short, so a server is never taken out for its
    failures; elsewhere nginx's own rule holds (out for 10 s after one failure).
    """
    here = upstream.startswith(("unix:", "127.", "[::1]:", "localhost:"))
    return f"{upstream} max_fails=0" if here else upstream


def _patterns(url: str) -> dict[str, str]:
    """Regular expressions for the paths below a URL: all, and those with a name that begins with a dot."""
    literal = url.replace(".", "\\.")
    return {"below": f"^{literal}(?s)(.*)$", "hidden": f"^{literal}(?s:.*/)?\\."}


def _media_headers(server: list[str]) -> list[str]:
    """The headers of uploaded files: a level that has any inherits none, so the server's come first."""
    own = {
        # A browser takes the file for what its name says, and runs no script in it.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "\"script-src 'none'\"",
    }
    named = {one.split()[0].strip("\"'").lower() for one in server if one.split()}
    return server + [f"{name} {value} always" for name, value in own.items() if name.lower() not in named]


def _checked(variable: str, check: Any, value: Any, default: Any, faults: list[str]) -> Any:
    try:
        return check(value)
    except Wrong as wrong:
        faults.append(f"{variable} is {shown(value)}; wanted {wrong.wanted}" + (wrong.mend and f"; {wrong.mend}"))
        return default
