# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where our directives go if others own the http level: nginx refuses most of them twice in one block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# nginx allows these at the http level only, and once (Context in the documentation of each).
HTTP_ONLY = frozenset(
    [
        *("server_names_hash_bucket_size", "server_names_hash_max_size", "map_hash_bucket_size", "map_hash_max_size"),
        *("variables_hash_bucket_size", "variables_hash_max_size", "http2_recv_buffer_size"),
        *("geoip_city", "geoip_country", "geoip_org", "geoip_proxy_recursive", "lua_package_path", "lua_package_cpath"),
        *("init_by_lua_file", "init_worker_by_lua_file", "lua_capture_error_log"),
    ]
)
# May be repeated at one level.
REPEATABLE = frozenset(
    [
        *(
            "access_log",
            "error_log",
            "log_format",
            "add_header",
            "add_trailer",
            "allow",
            "deny",
            "error_page",
            "include",
        ),
        *("limit_req", "limit_conn", "limit_req_zone", "limit_conn_zone", "uwsgi_cache_path", "proxy_cache_path"),
        *("fastcgi_cache_path", "scgi_cache_path", "uwsgi_param", "proxy_set_header", "fastcgi_param", "scgi_param"),
        *("uwsgi_hide_header", "uwsgi_pass_header", "proxy_hide_header", "proxy_pass_header", "proxy_redirect"),
        *("proxy_cookie_domain", "proxy_cookie_path", "uwsgi_cache_valid", "proxy_cache_valid", "fastcgi_cache_valid"),
        *(
            "set_real_ip_from",
            "sub_filter",
            "ssl_conf_command",
            "ssl_session_ticket_key",
            "gzip_disable",
            "geoip_proxy",
        ),
        *("index", "mirror", "auth_request_set", "perl_modules", "perl_require", "perl_set", "js_import", "js_path"),
        *("js_set", "lua_shared_dict", "more_set_headers", "more_clear_headers"),
    ]
)


@dataclass
class Placed:
    """Directives by level; `refused` are the reasons for those without a place."""

    http: dict[str, list[str]] = field(default_factory=dict)
    server: dict[str, list[str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def catch_all(self) -> dict[str, list[str]]:
        """Return the directives of a server for unknown names: a malformed request gets nginx's own 400 page."""
        return {name: self.server[name] for name in ("server_tokens",) if name in self.server}


def place(
    defaults: Mapping[str, list[str]], asked: Mapping[str, list[str]], theirs: Mapping[str, Mapping[str, Any]]
) -> Placed:
    """Distribute our directives over the http level, which others own, and the servers of our sites.

    `defaults` are ours, `asked` are `nginx_options`, and `theirs` are those of the http level: name to args and place.
    Defaults go to our servers, so that they change no other server; if theirs has one, it applies. Directives of
    `nginx_options` go to the http level, unless they are there already.
    """
    placed = Placed()
    for name, values in defaults.items():
        if name not in theirs and name not in asked:
            (placed.http if name in HTTP_ONLY else placed.server)[name] = values
    for name, values in asked.items():
        if name.startswith("map_hash_") and name not in theirs and "map" in theirs:
            placed.refused.append(
                f"nginx_options has {name}, which nginx allows only before the first map, which is in "
                f"{theirs['map']['place']}; set it above that, and remove it from nginx_options"
            )
        elif name not in theirs or name in REPEATABLE:
            placed.http[name] = values
        elif name not in HTTP_ONLY:
            placed.server[name] = values
        elif [" ".join(theirs[name]["args"])] != values:
            placed.refused.append(
                f"nginx_options has {name}, which {theirs[name]['place']} has too; nginx allows it once, at the http "
                "level; change it there, or remove it from nginx_options"
            )
    return placed
