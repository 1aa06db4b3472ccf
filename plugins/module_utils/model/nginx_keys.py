# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of `nginx`, the web server in front of a site."""

from __future__ import annotations

from .checks import boolean, integer, list_of, listen, network, one_of, pattern, upstream
from .key import Key, Keys
from .nginx_checks import error_pages, hashed_name, headers, logins, protected, request_limits
from .option_checks import alias, directives, locations

SIZE = pattern(r"[0-9]+[kKmMgG]?", "a size such as 75m")
NGINX_KEYS: Keys = {
    "listen": Key(
        list_of(listen, at_least=1), [{"address": "", "port": 80}], "The ports, or addresses with ports, of the site."
    ),
    "listen_tls": Key(
        list_of(listen, at_least=1),
        [],
        "With `tls`: the ports, or addresses with ports, for https; 443 when left out.",
    ),
    "redirect": Key(boolean, True, "With `tls`: whether http redirects to https, with 308."),
    "hsts": Key(
        integer(0, 315360000),
        0,
        "With `tls`: for how many seconds a browser that was here once asks for https alone "
        "(Strict-Transport-Security). 0: no such header. Begin with 604800, a week; then 63072000.",
    ),
    "trusted_proxies": Key(
        list_of(network),
        [],
        "Balancers and proxies in front, as addresses or networks such as 10.0.0.0/8. What they, and nobody else, say "
        "of a client's address, scheme and host is believed; with `proxy_protocol` of its address alone.",
    ),
    "proxy_protocol": Key(
        boolean,
        False,
        "Whether every connection begins with the PROXY protocol; a client that does not speak it gets no answer. What "
        "it says of the client's address is believed from `trusted_proxies` alone.",
    ),
    "charset": Key(pattern(r"[A-Za-z0-9_-]+", "a charset such as utf-8"), "utf-8", "The charset of text without one."),
    "client_max_body_size": Key(SIZE, "75m", "The largest upload."),
    "read_timeout": Key(
        integer(1, 86400), 60, "Seconds that nginx waits for an answer; uWSGI gives a request up 5 s earlier."
    ),
    "static": Key(
        alias("/static/"),
        {"url": "/static/", "path": ""},
        "Static files; without a path, those that the build collects.",
    ),
    "media": Key(
        alias("/media/"), {"url": "/media/", "path": ""}, "Uploads; without a path, `media` in the state directory."
    ),
    "media_documents": Key(
        one_of("sandboxed", "open"),
        "sandboxed",
        "What an uploaded HTML, XHTML, SVG or XML file may do in a browser: `sandboxed` it shows itself and "
        "no more, `open` it is like all media, without scripts alone.",
    ),
    "upstream": Key(
        list_of(upstream, at_least=1), [], "Where nginx finds uWSGI, when it is not the socket of this site."
    ),
    "options": Key(directives, {}, "Any directive of a `server` block."),
    "locations": Key(locations, {}, "More locations: what follows `location`, then its directives."),
    "client_timeout": Key(
        integer(0, 3600),
        0,
        "For how many seconds nginx waits for the next piece of a request, or for a client to take the next piece of "
        "an answer. 0: nginx's own 60.",
    ),
    "limit_connections": Key(
        integer(0, 65535),
        0,
        "How many requests one client address may have open at once; more get 429. 0: any number.",
    ),
    "limit_requests": Key(
        request_limits,
        {},
        "How often one client address may ask, by path: `{/: 20r/s, /accounts/login/: 10r/m}`; more get 429. Static "
        "files and media do not count for `/`.",
    ),
    "headers": Key(
        headers,
        {},
        "Security headers, where the application sends none of that name: `recommended`, or a mapping of what is "
        "different from those, such as `{Permissions-Policy: camera=(self), X-Frame-Options: null}`.",
    ),
    "precompressed": Key(
        boolean,
        False,
        "Whether a `.gz` beside a static file is sent in its place, and a `.br` where nginx has the module for it.",
    ),
    "hashed_names": Key(
        list_of(hashed_name),
        [],
        "Static files whose names hold a hash, which browsers keep for ever, beside those of Django: `vite`, "
        "`webpack`, or a regular expression of the path.",
    ),
    "protected": Key(
        protected,
        {},
        "Files that only the application hands out, with the header X-Accel-Redirect: url to a path on the host, or to "
        "one below the site's data.",
    ),
    "basic_auth": Key(
        logins,
        {},
        "Ask every visitor for one of these users and passwords, for instance on a staging site. Never shown.",
        secret=True,
    ),
    "error_pages": Key(
        error_pages,
        {},
        "Pages for 502, 503 and 504, which nginx answers itself: HTML, or the path of a file on the host.",
    ),
}
