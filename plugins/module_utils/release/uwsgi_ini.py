# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `uwsgi.ini` of a release."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..build import runtime
from ..model.layout import Layout
from ..model.uwsgi_options import written
from . import units

# Separates old and new text of an ini file: the release's ID is a hash of the file, so it cannot be in it.
PLACEHOLDER = "@RELEASE@"


def render(site: Mapping[str, Any], build: Mapping[str, Any], release: str = PLACEHOLDER, guarded: bool = True) -> str:
    """Return the ini file of `site` for `build` (a manifest of `django_build`), as release `release`.

    `guarded` tells whether its sockets serve only requests, for which uWSGI needs routing.
    """
    lines = [f"# uWSGI for the site {site['name']}, written by pyweb.stack: change the inventory instead."]
    if build["overlay"]:
        lines.append(f"# {runtime.WSGI_MODULE} loads {build['wsgi']} with the settings overlay.")
    lines += [
        f"# {address} comes from {unit}, so that releases can share it."
        for unit, address in units.sockets(Layout.of(site), site["uwsgi"]["socket"]).items()
    ]
    lines.append("[uwsgi]")
    for name, value in written(site, build, release, runtime.WSGI_MODULE, guarded):
        lines += [f"{name} = {escape(item)}" for item in (value if isinstance(value, list) else [value])]
    return "\n".join(lines) + "\n"


def escape(value: Any) -> str:
    """Escape a value for uWSGI, which expands %x, $(X) and @(file).

    Raises ValueError for what cannot be escaped.
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if re.search(r"[\x00-\x1f\x7f]|\$\(|@\(", text):
        raise ValueError(f"{text!r} cannot be written in a uWSGI ini file: no control characters, $( or @(")
    return text.replace("%", "%%")
