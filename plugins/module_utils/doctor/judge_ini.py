# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mistakes in the text of uWSGI's configuration: quotes and comments in a value, a name that no option has."""

from __future__ import annotations

import difflib
import re

from ..uwsgi.options import Options
from .application import application_of
from .evidence import Site
from .fixes import ini, restart

# Options with a path, a name or an address: no quote and no comment is part of these.
_PLAIN = (
    *("socket", "uwsgi-socket", "http", "http-socket", "chdir", "home", "virtualenv", "venv", "module", "wsgi-file"),
    *("callable", "uid", "gid", "chmod-socket", "pidfile", "daemonize", "logto", "processes", "master", "plugins"),
)
# What loads an application.
_LOADING = ("module", "wsgi", "wsgi-file", "mount", "plugins", "file", "paste", "callable")


def mistake(site: Site) -> tuple[str, str, str] | None:
    """Return (cause, fix, evidence) of a value with a quote or a comment in it; None where there is none."""
    options = site.uwsgi.options
    if not options.files:
        return None
    for name in _PLAIN:
        value = options.last(name)
        bare = re.sub(r"^[\"']|[\"']$|\s+[#;].*$", "", value)
        if not bare or bare == value:
            continue
        what = "a comment behind a value" if re.search(r"\s[#;]", value) else "quotes around a value"
        line = f"{name} = {value[:100]}"
        cause = f"`{line}` in {ini(site)}: uWSGI treats {what} as part of it"
        return cause, f"{name} = {bare[:100]} in {ini(site)}; then {restart(site)}", line
    return None


def nothing_to_load(site: Site) -> tuple[str, str, str] | None:
    """Return (cause, fix, evidence) of a configuration that names no application; None where it names one."""
    options = site.uwsgi.options
    module, _name = application_of(options)
    if not options.files or module or any(options.values.get(name) for name in ("mount", "file", "paste", "emperor")):
        return None
    near = _misspelt(options)
    cause = f"{ini(site)} names no application: it has neither module nor wsgi-file"
    cause += f"; `{near[0]}` is not an option of uWSGI" if near else ""
    right = f"{near[1]} instead of {near[0]}" if near else "module = PROJECT.wsgi:application"
    return cause, f"{right} in {ini(site)}; then {restart(site)}", near[0] if near else ""


def _misspelt(options: Options) -> tuple[str, str] | None:
    """Return (the name, what was meant) of an option that is almost one that loads an application."""
    for name in options.values:
        if name not in _LOADING:
            close = difflib.get_close_matches(name, ("module", "wsgi-file"), n=1, cutoff=0.8)
            if close:
                return name, close[0]
    return None
