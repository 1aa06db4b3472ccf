# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `uwsgi.ini` of a release."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..build import overlay
from ..model.layout import Layout
from . import units

# Between old and new text of an ini: the release's id is a hash of the ini, so it cannot be in what is hashed.
PLACEHOLDER = "@RELEASE@"


def render(site: Mapping[str, Any], build: Mapping[str, Any], release: str = PLACEHOLDER) -> str:
    """The ini of `site` for `build` (a manifest of `django_build`), as release `release`."""
    layout = Layout.of(site)
    home = layout.release(release)
    uwsgi = site["uwsgi"]
    options: list[tuple[str, Any]] = [
        ("strict", True),
        ("master", True),
        ("need-app", True),
        ("chdir", f"{home}/src" if build["chdir"] == "." else f"{home}/src/{build['chdir']}"),
    ]
    if build["install"] == "distribution":
        options.append(("plugins", "python3"))
    if build["overlay"]:
        options += [("pythonpath", f"{home}/overlay"), ("module", f"{overlay.WSGI_MODULE}:application")]
    else:
        options.append(("module", build["wsgi"]))
    if build["home"]:
        options.append(("home", f"{home}/venv"))
    if build["install"] == "pyuwsgi":
        # The wheel's uWSGI is a module of Python: told to reload, it has to start Python again, not itself.
        options.append(("binary-path", f"{home}/venv/bin/python3"))
    options += [
        ("processes", uwsgi["processes"]),
        ("threads", uwsgi["threads"]),
        ("socket", layout.socket(release)),
        ("chmod-socket", uwsgi["chmod_socket"]),
        ("stats", layout.stats(release)),
        # SIGTERM would drop the requests in flight; this finishes them.
        ("hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
        # It kills what takes longer to finish; nginx waits for as long.
        *{"worker-reload-mercy": site["nginx"]["read_timeout"], **uwsgi["options"]}.items(),
    ]
    lines = [f"# uWSGI for the site {site['name']}, written by pyweb.stack: change the inventory instead."]
    if build["overlay"]:
        lines.append(f"# {overlay.WSGI_MODULE} loads {build['wsgi']} with the settings overlay.")
    lines += [
        f"# {address} comes from {unit}, so that releases can share it."
        for unit, address in units.sockets(layout, uwsgi["socket"]).items()
    ]
    lines.append("[uwsgi]")
    for name, value in options:
        lines += [f"{name} = {escape(one)}" for one in (value if isinstance(value, list) else [value])]
    return "\n".join(lines) + "\n"


def escape(value: Any) -> str:
    """A value as uWSGI reads it back: it expands %x, $(X) and @(file). Raises ValueError for what cannot be escaped."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if re.search(r"[\x00-\x1f\x7f]|\$\(|@\(", text):
        raise ValueError(f"{text!r} cannot be said in a uWSGI ini: no control characters, $( or @(")
    return text.replace("%", "%%")
