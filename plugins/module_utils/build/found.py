# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The build of a project that somebody else put on the host."""

from __future__ import annotations

from typing import cast

from ..host.shell import StepError
from ..model.types import Manifest, Site
from . import build as building
from . import project, tree


def as_found(site: Site) -> Manifest:
    """Return the manifest of a project that is on the host: nothing made, no overlay. Raises `StepError`."""
    source = site["source"]
    if source["kind"] != "path":
        raise StepError(
            site["name"],
            "build",
            f"no build was made and source is {source['kind']}; run the django role first, or give source.path",
        )
    home = "" if site["virtualenv"] == "none" else site["virtualenv"]
    if not site["virtualenv"]:
        raise StepError(
            site["name"], "build", "virtualenv is not given; without the django role name the project's own, or none"
        )
    secrets = {"env": {}, "database": "", "password": "", "key": "", "git": ""}
    finder = building.Build(dict(site), secrets, {}, "uv", lambda _url, _path: None)
    found = {
        **finder.discover(source["path"]),
        "id": f"path {source['path']} {tree.digest(source['path'])}",
        "path": source["path"],
        "source": source,
        "src": source["path"],
        "home": home,
        "uwsgi": project.uwsgi_binary(site, home),
        "install": site["uwsgi"]["install"],
        "overlay": False,
    }
    return cast(Manifest, found)
