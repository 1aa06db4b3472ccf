# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Django project is: where manage.py lies, its settings, its WSGI entry, and the environment that it runs in."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from typing import TypedDict

from ..build import overlay
from ..host import files
from ..host.shell import StepError
from ..model.layout import Layout
from ..model.types import Secrets, Site

# The settings that developers use, and those that are preferred where they lie in the same package.
DEVELOPMENT = ("dev", "development", "local")
PRODUCTION = ("production", "prod")
# The variable that `database` becomes.
DATABASE_VARIABLE = "DATABASE_URL"


class Discovered(TypedDict):
    """`chdir` is the directory of manage.py, relative to the source; `wsgi` is module:callable."""

    chdir: str
    settings_module: str
    wsgi: str


def discover(code: str, site: Site) -> Discovered:
    """Find the project in the directory `code`; what the site names is taken as it is. Raises `StepError`."""
    manage = _manage(code, site)
    folder = os.path.dirname(manage)
    entry = site["wsgi"] or _wsgi_entry(folder, site["name"])
    module = site["settings_module"] or _settings_module(folder, manage, entry, site["name"])
    return {"chdir": os.path.relpath(folder, code), "settings_module": module, "wsgi": entry}


def named_settings(text: str) -> str:
    """Return the settings module that a manage.py or wsgi.py names, or ''.

    Both `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "x")` and `os.environ["DJANGO_SETTINGS_MODULE"] = "x"`.
    """
    match = re.search(r"DJANGO_SETTINGS_MODULE['\"]\s*(?:,|(?:\]\s*)?=)\s*['\"]([\w.]+)['\"]", text)
    return match[1] if match else ""


def interpreter(home: str) -> str:
    """Return the Python of a virtualenv, or the system's where `home` is ''."""
    return f"{home}/bin/python" if home else "/usr/bin/python3"


def uwsgi_binary(site: Site, home: str) -> str:
    """Return where the site's uWSGI is: in its virtualenv, or where the distribution has it (Debian bin, EPEL sbin)."""
    if site["uwsgi"]["install"] != "distribution":
        return f"{home}/bin/uwsgi"
    return "/usr/sbin/uwsgi" if os.path.exists("/usr/sbin/uwsgi") else "/usr/bin/uwsgi"


def environment(layout: Layout, own: Mapping[str, str], build_root: str) -> dict[str, str]:
    """Return the environment for the project's code: `own`, which its processes get, and the overlay of a build."""
    return {
        **own,
        "DJANGO_SETTINGS_MODULE": overlay.SETTINGS_MODULE,
        "PYTHONPATH": f"{build_root}/overlay",
        "HOME": layout.state,
    }


def process_environment(secrets: Secrets) -> dict[str, str]:
    """Return what a site's processes get of its secrets: its `env` and its database."""
    return {**secrets["env"], **({DATABASE_VARIABLE: secrets["database"]} if secrets["database"] else {})}


def _manage(code: str, site: Site) -> str:
    """Return the path of manage.py: the named one, or the one that lies highest in the source."""
    if site["manage"]:
        found = [f"{code}/{site['manage']}"]
    else:
        found = sorted(
            (path for depth in ("", "*/", "*/*/") for path in glob.glob(f"{code}/{depth}manage.py")),
            key=lambda path: (path.count("/"), path),
        )
    if not found or not os.path.isfile(found[0]):
        wanted = site["manage"] or "manage.py"
        raise StepError(
            site["name"], "discovery", f"the source has no {wanted}; set manage to its path, relative to the source"
        )
    return found[0]


def _wsgi_entry(folder: str, site_name: str) -> str:
    found = sorted(glob.glob(f"{folder}/*/wsgi.py"))
    if not found:
        raise StepError(site_name, "discovery", "no wsgi.py beside manage.py; set wsgi, as in mysite.wsgi:application")
    return os.path.relpath(found[0], folder)[: -len(".py")].replace("/", ".") + ":application"


def _settings_module(folder: str, manage: str, entry: str, site_name: str) -> str:
    """Return what wsgi.py names, else manage.py; for development settings, the production ones beside them."""
    wsgi_file = f"{folder}/{entry.partition(':')[0].replace('.', '/')}.py"
    for path in (wsgi_file, manage):
        module = named_settings(files.read(path))
        if module:
            return _for_production(folder, module)
    raise StepError(
        site_name, "discovery", "neither wsgi.py nor manage.py names DJANGO_SETTINGS_MODULE; set settings_module"
    )


def _for_production(folder: str, module: str) -> str:
    package, _dot, last = module.rpartition(".")
    if last in DEVELOPMENT:
        for name in PRODUCTION:
            if os.path.isfile(f"{folder}/{package.replace('.', '/')}/{name}.py"):
                return f"{package}.{name}"
    return module
