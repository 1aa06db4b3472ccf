# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sites below a prefix, and sites with the same domains, which are one server of nginx.

The server is in the file of one of them, and includes the locations of the others, which have a file each. When a site
is removed, its locations are too, and the next run writes the server into the file of another site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model.prefixes import sharing
from ..model.types import Site
from . import names

# The directory of locations of sites that another site's server includes.
FOLDER = names.FOLDER
# What a site has of its own in a shared server; everything else is equal for its sites.
_OWN = ("charset", "client_max_body_size", "access_log", "error_log", "uwsgi_read_timeout")


def arrange(sites: Sequence[Site], views: Mapping[str, dict[str, Any]]) -> None:
    """Set in each view (of `render.view`, by name) which sites its server includes, or which server includes it.

    `others` are the views of the sites that a server includes, `owner` is the name of the site that has the server.
    """
    for view in views.values():
        view.update({"others": [], "owner": "", "inside": {}})
    for group in sharing(sites):
        first, *others = (views[site["name"]] for site in group)
        first["others"] = others
        for view in others:
            view["owner"] = first["name"]
            view["inside"] = {name: view["server"][name] for name in _OWN}


def locations_file(name: str) -> str:
    """Return the file of a site's locations, relative to nginx's directory."""
    return f"{FOLDER}/{name}.conf"
