# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How to fix an exception of a project by hand, from its text: packages, environment, inaccessible files."""

from __future__ import annotations

import posixpath
import re

from .evidence import Site
from .fixes import ini, restart, settings_file

# Django's message if the driver of a database or a cache is missing -> the package that provides it.
_DRIVERS = (
    (r"Error loading MySQLdb module", "mysqlclient"),
    (r"Error loading psycopg2? ", "'psycopg[binary]'"),
    (r"Error loading cx_Oracle|Error loading oracledb", "oracledb"),
    (r"Cannot use ImageField because Pillow is not installed", "Pillow"),
)
# A setting that Django itself refuses: its text names it.
_SETTINGS = (
    (r"Incorrect timezone setting", "TIME_ZONE"),
    (r"The SECRET_KEY setting must not be empty", "SECRET_KEY"),
    (r"isn't an available database backend|DATABASES", "DATABASES"),
    (r"Unable to (?:configure|add|set) ", "LOGGING"),
    (r"WSGI_APPLICATION|WSGI application '", "WSGI_APPLICATION"),
    (r"is not a registered namespace|isn't a TEMPLATES|Invalid template library", "TEMPLATES"),
    (r"doesn't declare an explicit app_label|Application labels aren't unique|INSTALLED_APPS", "INSTALLED_APPS"),
    (r"Could not find backend '|CACHES", "CACHES"),
    (r"\bMIDDLEWARE setting", "MIDDLEWARE"),
)
# A name in the environment: os.environ says KeyError, environ and decouple say it in words.
_VARIABLE = re.compile(
    r"KeyError: '([A-Z][A-Z0-9_]{2,60})'|Set the ([A-Z][A-Z0-9_]{2,60}) environment variable"
    r"|UndefinedValueError: ([A-Z][A-Z0-9_]{2,60}) not found"
)
_DENIED = re.compile(r"(?:Permission denied|Read-only file system): '(/[^'\n]{1,300})'")
_ABSENT = re.compile(r"No such file or directory: '(/[^'\n]{1,300})'")


def fix(site: Site, error: str) -> str:
    """Return the fix for a host that was set up by hand; '' if the text is not known."""
    again = f"; then {restart(site)}"
    for pattern, package in _DRIVERS:
        if re.search(pattern, error):
            return f"{_pip(site)} install {package}{again}"
    module = re.search(r"No module named '([\w.]+)'", error)
    if module:
        return own_module(site, module[1]) or f"{_pip(site)} install the package that provides {module[1]}{again}"
    variable = _VARIABLE.search(error)
    if variable:
        name = next(text for text in variable.groups() if text)
        return f"set the variable {name} for the process, with {_environment(site)}{again}"
    denied, absent = _DENIED.search(error), _ABSENT.search(error)
    if denied:
        user, path = site.uwsgi.user or "the site's user", denied[1]
        return (
            f"allow {user} to write to {path}: chown {user} {path}, or install -d -o {user} {path} for a "
            f"directory{again}"
        )
    wsgi = site.uwsgi.options.last("wsgi-file")
    if absent and wsgi and absent[1].endswith(f"/{wsgi.lstrip('/')}"):
        return f"wsgi-file = the existing file in {ini(site)}: there is no {absent[1]}{again}"
    if absent:
        return f"{absent[1]} is missing: create it, or mkdir -p {posixpath.dirname(absent[1])}{again}"
    for pattern, name in _SETTINGS:
        if re.search(pattern, error):
            return f"correct {name} in {settings_file(site, name)}{again}"
    return ""


def own_module(site: Site, missing: str) -> str:
    """Return the fix for a missing module of the project's own package; '' for another package."""
    options = site.uwsgi.options
    module = options.last("module") or options.last("wsgi-file")
    top = module.replace("/", ".").partition(".")[0]
    if not top or missing.partition(".")[0] != top:
        return ""
    named = [given for given in options.values.get("env", []) if missing in given]
    by_unit = [name for name, value in site.uwsgi.environment.items() if value == missing]
    unit = site.uwsgi.unit.get("Id", "its unit")
    where = f": env = {named[0].partition('=')[0]} in {ini(site)} names it" if named else ""
    where = where or (f": {by_unit[0]} in the environment of {unit} names it" if by_unit else "")
    return f"the project has no {missing}: add it, or correct what names it{where}; then {restart(site)}"


def _pip(site: Site) -> str:
    home = site.uwsgi.options.last("home")
    return f"{home}/bin/pip" if home else f"{site.uwsgi.python or 'python3'} -m pip"


def _environment(site: Site) -> str:
    unit = site.uwsgi.unit
    files = re.findall(r"(/\S+) \(ignore_errors=\w+\)", unit.get("EnvironmentFiles", ""))
    if files:
        return f"a line in {files[0]} (EnvironmentFile= of {unit.get('Id', 'its unit')})"
    name = unit.get("Id", "")
    return f"EnvironmentFile= or Environment= below [Service] in {name}" if name else f"env = NAME=value in {ini(site)}"
