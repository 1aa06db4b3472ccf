# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nginx trusts of servers in front of a site: the client's address, the scheme, the host.

Only the headers of `nginx.trusted_proxies` are trusted. `$realip_remote_addr` is the peer of the connection, whatever
the headers contain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..model import schemes
from ..model.types import Site

# The parameters for uWSGI that describe the client: pyweb_uwsgi_params without these four. Not both, because nginx
# warns about its table if a name is in it twice.
_PLAIN = (
    "REQUEST_METHOD $request_method",
    "REQUEST_URI $request_uri",
    "PATH_INFO $document_uri",
    "QUERY_STRING $query_string",
    "CONTENT_TYPE $content_type",
    "CONTENT_LENGTH $content_length",
    "SERVER_PROTOCOL $server_protocol",
    "REMOTE_ADDR $remote_addr",
    "REMOTE_PORT $remote_port",
    "SERVER_NAME $server_name",
    "SERVER_PORT $server_port",
    'HTTP_PROXY ""',
)
# Headers that clients can send and that projects may trust: set to what nginx knows, or removed.
_OWN_WORDS = (
    "HTTP_X_FORWARDED_FOR $remote_addr",
    "HTTP_X_REAL_IP $remote_addr",
    'HTTP_X_FORWARDED_SSL "" if_not_empty',
    'HTTP_X_FORWARDED_PORT "" if_not_empty',
    'HTTP_FORWARDED "" if_not_empty',
)
# The last of a list: a proxy appends to what the client wrote.
_LAST = r"(?:.*,)?\s*"


@dataclass
class Proxies:
    """The servers in front of one site. `maps` are the maps that its servers use, added when they are needed."""

    site: Site
    maps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def networks(self) -> list[str]:
        return list(dict.fromkeys(self.site["nginx"]["trusted_proxies"]))

    @property
    def headers(self) -> bool:
        """Return whether headers are trusted. A balancer with the PROXY protocol passes the client's headers on."""
        return bool(self.networks) and not self.site["nginx"]["proxy_protocol"]

    @property
    def flag(self) -> str:
        """Return the flag for `listen`."""
        return " proxy_protocol" if self.site["nginx"]["proxy_protocol"] else ""

    @property
    def scheme(self) -> str:
        """Return the variable with the scheme that the client used."""
        if not self.headers:
            return "$scheme"
        header = f"{self._trusted()} $http_x_forwarded_proto"
        rows = [(f'"~*^1 {_LAST}{scheme}$"', scheme) for scheme in ("https", "http")]
        return self.variable("scheme", f'"{header}"', [("default", "$scheme"), *rows])

    def port(self, scheme: str, number: int) -> str:
        """Return what follows a host in a URL: the port, if it is not the default. A proxy's port is unknown."""
        if number == {"http": 80, "https": 443}[scheme]:
            return ""
        if not self.networks:
            return f":{number}"
        return self.variable(f"to{number}", self._trusted(), [("default", '""'), ("0", f":{number}")])

    def directives(self) -> dict[str, list[str]]:
        """Return the directives with which a server learns the client's address."""
        if not self.networks:
            return {}
        header = "X-Forwarded-For" if self.headers else "proxy_protocol"
        return {
            "set_real_ip_from": self.networks,
            "real_ip_header": [header],
            **({"real_ip_recursive": ["on"]} if self.headers else {}),
        }

    def parameters(self) -> list[str]:
        """Return the `uwsgi_param` in addition to those of every site; with `headers`, all of them."""
        if not (self.networks or schemes.has_tls(self.site)):
            return []
        if not self.headers:
            return [*_OWN_WORDS, 'HTTP_X_FORWARDED_HOST "" if_not_empty']
        scheme = self.scheme
        asked = f'"{self._trusted()} $http_x_forwarded_host"'
        row = (f'"~^1 {_LAST}([^,\\s]+)$"', "$1")
        host = self.variable("host", asked, [("default", "$http_host"), row])
        forwarded = self.variable("asked", asked, [("default", '""'), row])
        https = self.variable("https", scheme, [("default", '""'), ("https", "on")])
        return [
            *_PLAIN,
            *_OWN_WORDS,
            f"HTTP_X_FORWARDED_PROTO {scheme}",
            f"REQUEST_SCHEME {scheme}",
            f"HTTPS {https} if_not_empty",
            f"HTTP_HOST {host} if_not_empty",
            f"HTTP_X_FORWARDED_HOST {forwarded} if_not_empty",
        ]

    def variable(self, name: str, source: str, rows: list[tuple[str, str]]) -> str:
        """Return the variable of this site with that name, made by a `map` of `source`.

        nginx's table of variables takes 46 characters (64 bytes), of which the name of a site may have 31.
        """
        target = f"$pyweb_{name}_{self._name}"
        self._add({"word": "map", "source": source, "target": target, "rows": rows})
        return target

    @property
    def _name(self) -> str:
        # No site's name contains a _, and no variable a -.
        return self.site["name"].replace("-", "_")

    def _trusted(self) -> str:
        """Return the variable that is 1 for a request of trusted proxies, and 0 for any other."""
        target = f"$pyweb_trusted_{self._name}"
        rows = [("default", "0"), *((network, "1") for network in self.networks)]
        self._add({"word": "geo", "source": "$realip_remote_addr", "target": target, "rows": rows})
        return target

    def _add(self, made: dict[str, Any]) -> None:
        if made not in self.maps:
            self.maps.append(made)
