# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of uWSGI that the collection sets: their values, and what a user sets instead.

They are in one module because the three lists must agree: what `uwsgi.options` must not contain, what it may override,
and what is in every ini file. Imports only names and types, so that hosts can use it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .layout import Layout

# Options that `uwsgi.options` must not contain, and what to set instead.
OWNED = {
    "socket": "uwsgi.socket",
    "uwsgi-socket": "uwsgi.socket",
    "chmod-socket": "uwsgi.chmod_socket",
    "processes": "uwsgi.processes",
    "workers": "uwsgi.processes",
    "threads": "uwsgi.threads",
    "module": "wsgi",
    "wsgi": "wsgi",
    "home": "virtualenv",
    "virtualenv": "virtualenv",
    "venv": "virtualenv",
    "env": "env",
    "uid": "user",
    "gid": "user",
    "chdir": "source",
    "master": "nothing: it is always on",
    "strict": "nothing: it is always on",
    "need-app": "nothing: it is always on",
    "stats": "nothing: a deploy reads it to find out when a release has finished its requests",
    "daemonize": "nothing: systemd supervises uWSGI",
    "daemonize2": "nothing: systemd supervises uWSGI",
    "pidfile": "nothing: systemd supervises uWSGI",
    "die-on-term": "nothing: it would drop running requests",
}
# Variables of a request that let a client of a uwsgi socket load another application, from any file or the output of a
# command, or change the environment of the loaded one (uWSGI 2.0.31, core/protocol.c).
GUARDED = (
    "FILE",
    "HOME",
    "APPID",
    "CHDIR",
    "SCRIPT",
    "MODULE",
    "PYHOME",
    "SETENV",
    "POSTFILE",
    "CALLABLE",
    "CACHE_GET",
    "TOUCH_RELOAD",
)
# The answer to a packet without a request, such as a ping: uWSGI runs, and serves only requests.
NO_REQUEST = "400 No Request"


# uWSGI has space for 2 variables for each unit, and the shortest header takes 10 of the 65535 bytes: HTTP_A without a
# value, and two lengths.
MAX_VARS = 3300


def defaults(read_timeout: int) -> dict[str, Any]:
    """Return the options that `uwsgi.options` may override or, with null, drop.

    `read_timeout` is how long nginx waits for an answer, in seconds.
    """
    return {
        # uWSGI ends a request before nginx's timeout, so that the log names the request.
        "harakiri": max(read_timeout - 5, 1),
        "buffer-size": 65535,
        # As many headers as fit into those bytes; with uWSGI's default of 64, a client with 117 headers gets 502.
        "max-vars": MAX_VARS,
        "max-requests": 5000,
        "single-interpreter": True,
        "enable-threads": True,
        "py-call-uwsgi-fork-hooks": True,
        "auto-procname": True,
        # uWSGI clears the umask; with this one, other users of the host cannot read Django's files.
        "umask": "027",
        "vacuum": True,
        "ignore-sigpipe": True,
        "ignore-write-errors": True,
        "disable-write-exception": True,
        "disable-logging": True,
        "log-4xx": True,
        "log-5xx": True,
    }


def merged(read_timeout: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults with the user's options applied; null drops a default."""
    options = {**defaults(read_timeout), **given}
    return {name: value for name, value in options.items() if value is not None}


def written(
    site: Mapping[str, Any], build: Mapping[str, Any], release_id: str, overlay_module: str, guarded: bool = True
) -> list[tuple[str, Any]]:
    """Return all options of a release's ini file, in order: the fixed ones, then those of the site.

    `site` is a completed site or the part of one that a release recorded, `build` the manifest of a build.
    `overlay_module` is the WSGI module that loads a build with a settings overlay. `guarded` is false if its uWSGI has
    no routing, and for releases of 0.1.
    """
    # Not in `defaults`: the options in the records of earlier releases must give the same ini file as before.
    mercy = {"worker-reload-mercy": site["nginx"]["read_timeout"]}
    # These routes come first, because one of the site's own may end the routing.
    first = guards() if guarded else []
    return [*_fixed(site, build, release_id, overlay_module), *first, *{**mercy, **site["uwsgi"]["options"]}.items()]


def guards() -> list[tuple[str, Any]]:
    """Return the routes that let a socket serve only requests to the loaded application."""
    return [
        ("route-if-not", [f"empty:${{UWSGI_{name}}} break:403 Forbidden" for name in GUARDED]),
        ("route-if", f"empty:${{REQUEST_METHOD}} break:{NO_REQUEST}"),
        # Whatever plugin a packet is for, including the spooler, signals and remote calls: it is a request.
        ("route-run", "setmodifier1:0"),
    ]


def _fixed(
    site: Mapping[str, Any], build: Mapping[str, Any], release_id: str, overlay_module: str
) -> list[tuple[str, Any]]:
    layout, uwsgi = Layout.of(site), site["uwsgi"]
    home = layout.release(release_id)
    options: list[tuple[str, Any]] = [
        ("strict", True),
        ("master", True),
        ("need-app", True),
        ("chdir", f"{home}/src" if build["chdir"] == "." else f"{home}/src/{build['chdir']}"),
    ]
    if build["install"] == "distribution":
        options.append(("plugins", "python3"))
    if build["overlay"]:
        options += [("pythonpath", f"{home}/overlay"), ("module", f"{overlay_module}:application")]
    else:
        options.append(("module", build["wsgi"]))
    if build["home"]:
        options.append(("home", f"{home}/venv"))
    if build["install"] == "pyuwsgi":
        # The wheel's uWSGI is a Python module: to reload, it must start Python again, not itself.
        options.append(("binary-path", f"{home}/venv/bin/python3"))
    return [
        *options,
        ("processes", uwsgi["processes"]),
        ("threads", uwsgi["threads"]),
        ("socket", layout.socket(release_id)),
        ("chmod-socket", uwsgi["chmod_socket"]),
        ("stats", layout.stats(release_id)),
        # SIGTERM would drop the requests in flight; this signal finishes them.
        ("hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
    ]
