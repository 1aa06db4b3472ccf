# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of `nginx`, the web server in front of a site."""

from __future__ import annotations

from .checks import boolean, integer, list_of, listen, network, one_of, pattern, upstream
from .key import Key, Keys
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
        "of a client's address, scheme and host is believed.",
    ),
    "proxy_protocol": Key(
        boolean, False, "Whether those in `trusted_proxies` speak the PROXY protocol; then nobody else is answered."
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
}
