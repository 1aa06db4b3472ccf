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
        "With `tls`: the ports, or addresses with ports, for HTTPS. Default: 443.",
    ),
    "redirect": Key(boolean, True, "With `tls`: whether HTTP redirects to HTTPS, with status 308."),
    "hsts": Key(
        integer(0, 315360000),
        0,
        "With `tls`: for how many seconds a browser uses only HTTPS after a visit (Strict-Transport-Security). 0: "
        "the header is not sent. Start with 604800, a week; then use 63072000.",
    ),
    "trusted_proxies": Key(
        list_of(network),
        [],
        "Load balancers and proxies in front of nginx, as addresses or networks such as 10.0.0.0/8. Only their "
        "statements about a client's address, scheme and host are trusted. With `proxy_protocol`, only those "
        "about its address.",
    ),
    "proxy_protocol": Key(
        boolean,
        False,
        "Whether every connection begins with the PROXY protocol. Clients that do not use it get no answer. The "
        "client's address in it is trusted only if it comes from `trusted_proxies`.",
    ),
    "charset": Key(
        pattern(r"[A-Za-z0-9_-]+", "a charset such as utf-8"), "utf-8", "The charset of text that does not declare one."
    ),
    "client_max_body_size": Key(SIZE, "75m", "The maximum size of a request body, for example an upload."),
    "read_timeout": Key(
        integer(1, 86400),
        60,
        "Seconds for which nginx waits for uWSGI's answer. uWSGI ends a request 5 seconds earlier.",
    ),
    "static": Key(
        alias("/static/"),
        {"url": "/static/", "path": ""},
        "Static files. Default path: the files that the build collects.",
    ),
    "media": Key(
        alias("/media/"),
        {"url": "/media/", "path": ""},
        "Uploaded files. Default path: `media` in the state directory.",
    ),
    "media_documents": Key(
        one_of("sandboxed", "open"),
        "sandboxed",
        "What uploaded HTML, XHTML, SVG and XML files may do in a browser. `sandboxed`: they are only displayed, "
        "and load nothing. `open`: they are served like all media files, which means that only scripts are "
        "blocked.",
    ),
    "upstream": Key(
        list_of(upstream, at_least=1), [], "The addresses of uWSGI, if they differ from the site's own socket."
    ),
    "options": Key(directives, {}, "Any directives of the `server` block."),
    "locations": Key(locations, {}, "Additional locations: a mapping of what follows `location` to directives."),
    "client_timeout": Key(
        integer(0, 3600),
        0,
        "For how many seconds nginx waits for the next part of a request, or for a client to accept the next part "
        "of an answer. 0: nginx's default, 60.",
    ),
    "limit_connections": Key(
        integer(0, 65535),
        0,
        "How many requests a client address may have open at the same time. Further ones get 429. 0: no limit.",
    ),
    "limit_requests": Key(
        request_limits,
        {},
        "How many requests a client address may make, by path: `{/: 20r/s, /accounts/login/: 10r/m}`. Further "
        "ones get 429. Static and media files do not count for `/`.",
    ),
    "headers": Key(
        headers,
        {},
        "Security headers to add if the application does not send a header of that name: `recommended`, or a "
        "mapping of the differences from these, for example `{Permissions-Policy: camera=(self), X-Frame-Options: "
        "null}`.",
    ),
    "precompressed": Key(
        boolean,
        False,
        "Whether to send the `.gz` file beside a static file instead of it, and the `.br` file if nginx has the "
        "module for it.",
    ),
    "hashed_names": Key(
        list_of(hashed_name),
        [],
        "Static files with a hash in their name, which browsers keep indefinitely, in addition to Django's: "
        "`vite`, `webpack`, or a regular expression for the path.",
    ),
    "protected": Key(
        protected,
        {},
        "Files that are sent only if the application allows it with the header X-Accel-Redirect: a mapping of "
        "URLs to paths on the host, or to paths below the site's data directory.",
    ),
    "basic_auth": Key(
        logins,
        {},
        "Users and passwords. Every visitor must log in as one of them, for example on a staging site. Never shown.",
        secret=True,
    ),
    "error_pages": Key(
        error_pages,
        {},
        "Pages for the errors 502, 503 and 504 of nginx itself: HTML, or the path of a file on the host.",
    ),
}
