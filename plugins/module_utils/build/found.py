# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project that is on the host already, described as if it were a build."""

from __future__ import annotations

from ..build import project, runtime, tree
from ..host.shell import StepError
from ..model.types import Manifest, Site


def as_found(site: Site) -> Manifest:
    """Return the manifest of a project that is used as it is: nothing is built, and there is no settings overlay.

    Raises `StepError` if the site does not give the paths of the project and its virtualenv.
    """
    source = site["source"]
    if source["kind"] != "path":
        raise StepError(
            site["name"],
            "build",
            f"no build was made and source is {source['kind']}; run the django role first, or give source.path",
        )
    if not site["virtualenv"]:
        raise StepError(
            site["name"], "build", "virtualenv is not given; without the django role name the project's own, or none"
        )
    if site["prefix"]:
        raise StepError(
            site["name"], "build", "prefix is served by the settings overlay; run the django role, or leave it out"
        )
    home = "" if site["virtualenv"] == "none" else site["virtualenv"]
    code = source["path"]
    found = project.discover(code, site)
    if not found["wsgi"]:
        raise StepError(
            site["name"], "discovery", "no wsgi.py beside manage.py; set wsgi, as in mysite.wsgi:application"
        )
    return {
        "chdir": found["chdir"],
        "settings_module": found["settings_module"],
        "wsgi": found["wsgi"],
        "id": f"path {code} {tree.digest(code)}",
        "path": code,
        "source": source,
        "src": code,
        "home": home,
        "uwsgi": runtime.uwsgi_binary(site, home),
        "install": site["uwsgi"]["install"],
        "overlay": False,
    }
