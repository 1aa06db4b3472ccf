# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load the application as uWSGI would, in a process of its own, and read what `django_look.py` says there."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from ..build import settings_facts
from ..build.program import program_text
from ..host import answers, path_walk
from ..host.files import names, read_or_empty
from ..host.identity import Identity
from ..nginx import match
from . import ask, django_advice, django_assets, django_data, django_load, django_look
from .application import application_of
from .evidence import Site
from .look_redirects import insists_on_https
from .look_uwsgi import loads_as, project_environment

_PREFIX = "pyweb-look "
_MAYBE = (bool, type(None))
# What `django_look.py` says of each step. The project runs in the same process, and can say it, too.
_STEPS: dict[str, dict[str, Any]] = {
    "python": {"version": str, "cwd": str},
    "django": {"version": str},
    "failed": {**dict.fromkeys(("at", "error", "missing", "where", "alias", "kind"), str), "words": [str]},
    "app": {"callable": bool},
    "settings": {
        "module": str,
        "debug": bool,
        "allowed_hosts": list,
        "refused": [str],
        "origins": [{"origin": str, "sees": str}],
        "ssl_redirect": bool,
        "proxy_header": [str],
    },
    "files": {
        "static_used": bool,
        **dict.fromkeys(("static_url", "static_root", "sample", "media_url", "media_root"), str),
        "media_writable": _MAYBE,
    },
    "database": {
        **dict.fromkeys(("alias", "vendor", "file", "address", "blocked", "beside"), str),
        **dict.fromkeys(("exists", "file_writable", "folder_writable"), _MAYBE),
        "inodes": [int],
        "after": (int, float),
    },
    "migrations": {"alias": str, "unapplied": [str], "none_applied": bool},
    "tables": {"alias": str, "dropped": [str], "unmade": [str]},
    "urls": {"patterns": int},
    "lines": {"at": dict},
    "locale": {"there": bool},
    "cookies": {"trusted": bool, "foreign": [str]},
    "assets": {
        **{key: [str] for key in ("missing", "older", "wanted", "unlisted", "gone")},
        **dict.fromkeys(("missing_many", "older_many", "seen", "listed"), int),
        "manifest": str,
    },
    "mail": {"host": str, "port": int, "kind": str, "failure": str},
    "checks": {"found": [{"id": str, "level": str, "text": str}]},
    "facts": {},
}
_STEPS_MAX = 50
# Without these there is nothing to say of a step.
_NEEDED = {"failed": {"at", "error"}, "files": {"static_used", "sample"}}
# Steps that there is one of for each database. Those of others than the default one have its alias in their key.
_OF_DATABASES = ("database", "migrations", "tables")


def look_inside(site: Site, main: match.Server | None) -> None:
    """Fill in what the application says of itself. `main` is the server that hands over to it."""
    found, options = site.uwsgi, site.uwsgi.options
    module, name = application_of(options)
    chdir, home = options.last("chdir"), options.last("home")
    site.places.chdir = not chdir or os.path.isdir(chdir)
    site.places.home = not home or os.path.isdir(home)
    site.places.pythons = [name for name in names(f"{home}/lib") if name.startswith("python3")] if home else []
    if not module:
        return
    folder = chdir or "/"
    if not os.path.isdir(folder):
        site.inside_error = f"chdir: there is no directory {folder}"
        return
    who, why_not = loads_as(found)
    if who is None:
        site.inside_error = why_not
        return
    wanted = {"hosts": site.domains, "requests": forms(site, main)}
    said = ask.run(
        [found.python, "-", module, name, json.dumps(wanted)],
        timeout=site.patience.look,
        cwd=folder,
        environment=project_environment(found),
        stdin=program_text(settings_facts, django_data, django_assets, django_advice, django_load, django_look),
        who=who,
    )
    site.inside_timed_out = said.status is None and not said.err
    read_steps(site, said.out)
    if not site.inside and not site.inside_timed_out:
        site.inside_error = (said.err.strip().splitlines() or ["it said nothing"])[-1]
    if who.uid and ("failed app" in site.inside or not site.inside):
        site.places.closed = _closed(folder, module, who)
    if "failed app" in site.inside:
        _look_for_package(site, folder, module.partition(".")[0])
    _describe_database(site)


def _closed(folder: str, module: str, who: Identity) -> path_walk.Obstacle | None:
    """Return what keeps the site's user from the application's own files; None where they are not there at all."""
    relative = module if module.endswith(".py") else module.replace(".", "/") + ".py"
    path = os.path.join(folder, relative)
    wanted = path_walk.obstacle(path, who) if os.path.exists(path) else path_walk.obstacle(folder, who, path_walk.ENTER)
    return wanted if wanted and wanted.kind == "denied" else None


def read_steps(site: Site, said: str) -> None:
    """Read the lines that `django_look.py` printed: one JSON object a step, the last one where it hangs."""
    for line in said.splitlines():
        if line.startswith(_PREFIX):
            with contextlib.suppress(ValueError):
                step = answers.parsed(line[len(_PREFIX) :], {"step": str})
                kind = step.get("step", "")
                if not answers.fits(step, _STEPS.get(kind, [])) or not _NEEDED.get(kind, set()) <= set(step):
                    continue
                site.inside_last = kind
                key = f"{kind} {step['at']}" if kind == "failed" else kind
                if (kind in _OF_DATABASES or key == "failed database") and step.get("alias", "default") != "default":
                    key += f" {step['alias']}"
                if len(site.inside) < _STEPS_MAX:
                    site.inside.setdefault(key, step)


def forms(site: Site, main: match.Server | None) -> list[dict[str, Any]]:
    """Return how a form of every entrance reaches Django: its origin, and what nginx passes on as host and scheme."""
    found = []
    for entrance in site.entrances:
        ignored = any(conflict.ours for conflict in site.directives.conflicts)
        server = entrance.server if entrance.server in entrance.wanted and not ignored else main
        if not server or (not entrance.tls and insists_on_https(server, site.path)):
            continue
        chain = match.locate(server, site.path)
        handler = match.handler(chain)
        if not handler or not match.passes(handler):
            continue
        is_http = handler.name == "proxy_pass"
        passed = match.parameters(chain, "proxy_set_header" if is_http else "uwsgi_param")
        host = passed.get("Host", "$proxy_host") if is_http else passed.get("HTTP_HOST", "$http_host")
        variables = {
            "$http_host": entrance.host,
            "$host": entrance.domain,
            "$server_name": entrance.domain,
            "$proxy_host": handler.args[0].partition("://")[2].partition("/")[0],
            "$server_port": str(entrance.port),
            "$scheme": "https" if entrance.tls else "http",
        }
        for variable, value in sorted(variables.items(), reverse=True):  # $http_host before $host
            host = host.replace(variable, value)
        # Other variables hold what a proxy in front has said. This request comes without one.
        host = entrance.host if host.startswith("$") else host
        scheme = passed.get("X-Forwarded-Proto", passed.get("HTTP_X_FORWARDED_PROTO", ""))
        told = variables.get(scheme, variables["$scheme"] if scheme.startswith("$") else scheme)
        meta = {"HTTP_X_FORWARDED_PROTO": told} if scheme else {}
        secure = entrance.tls and not is_http and ("HTTPS" in passed or "HTTP_X_FORWARDED_PROTO" in passed)
        origin = entrance.url
        found.append({"domain": entrance.domain, "host": host, "origin": origin, "secure": secure, "meta": meta})
    return found


def _look_for_package(site: Site, chdir: str, package: str) -> None:
    """Find out whether chdir has the application's package, and which directory near it has."""
    here = (f"{package}/__init__.py", f"{package}.py")
    site.places.package = any(os.path.isfile(os.path.join(chdir, name)) for name in here)
    if site.places.package:
        return
    parent = os.path.dirname(chdir)
    places = [parent, *(os.path.join(base, name) for base in (chdir, parent) for name in _folders(base))]
    having = [place for place in places if os.path.isfile(os.path.join(place, package, "__init__.py"))]
    site.places.package_elsewhere = having[0] if having else ""


def _folders(path: str) -> list[str]:
    try:
        return [name for name in sorted(os.listdir(path))[:50] if os.path.isdir(os.path.join(path, name))]
    except OSError:
        return []


def _describe_database(site: Site) -> None:
    """Look at the owner and the mode of a database file and of its directory, which needs to be writable, too."""
    file = site.inside.get("database", {}).get("file", "")
    for path in [file, os.path.dirname(file)] if file else []:
        site.described[path] = path_walk.described(path)
    master = site.uwsgi.master
    private = ("/var/lib/private/", "/var/cache/private/", "/var/log/private/")
    site.places.own_state = bool(master) and os.path.realpath(file).startswith(private)
    if master and file:
        seen = read_or_empty(f"/proc/{master.pid}/mountinfo"), read_or_empty("/proc/self/mountinfo")
        folder = os.path.dirname(os.path.realpath(file))
        if mounted_read_only(seen[0], folder) and not mounted_read_only(seen[1], folder):
            site.places.read_only.append(folder)


def mounted_read_only(mountinfo: str, path: str) -> bool:
    """Say whether a path lies on a mount that is read-only, by a process's mountinfo (proc_pid_mountinfo(5))."""
    best, found = "", False
    for line in mountinfo.splitlines():
        words = line.split()
        if len(words) > 5:
            point = words[4].replace("\\040", " ")
            # Of several on one point the last one is seen.
            if f"{path}/".startswith(f"{point.rstrip('/')}/") and len(point) >= len(best):
                best, found = point, "ro" in words[5].split(",")
    return found
