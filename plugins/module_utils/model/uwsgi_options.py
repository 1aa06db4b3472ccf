# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of uWSGI that the collection writes itself: which, their values, and what a user sets instead.

One place, because the three lists have to agree: what `uwsgi.options` may not hold, what it may override, and what
stands in every ini. Imports nothing but names and types, so that hosts can use it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .layout import Layout

# Options that `uwsgi.options` may not hold, and what to set instead.
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
    "stats": "nothing: draining reads it",
    "daemonize": "nothing: systemd supervises uWSGI",
    "daemonize2": "nothing: systemd supervises uWSGI",
    "pidfile": "nothing: systemd supervises uWSGI",
    "die-on-term": "nothing: it drops the requests in flight",
}
# Variables of a request by which whoever may connect to a uwsgi socket loads another application, from any file or from
# the output of a command, or changes what the one that is there runs in (uWSGI 2.0.31, core/protocol.c).
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
# What a packet without a request gets, a ping too: uWSGI is there, and does nothing else than requests.
NO_REQUEST = "400 No Request"


# uWSGI has room for 2 variables a unit, and the shortest header takes 10 of the 65535 bytes: HTTP_A without a value,
# and two lengths.
MAX_VARS = 3300


def defaults(read_timeout: int) -> dict[str, Any]:
    """Return the options that `uwsgi.options` may override or, with null, drop.

    `read_timeout` is how long nginx waits for an answer, in seconds.
    """
    return {
        # uWSGI ends a request before nginx gives up on it, so that the log names the request.
        "harakiri": max(read_timeout - 5, 1),
        "buffer-size": 65535,
        # As many headers as fit into those bytes; with uWSGI's own 64 the client of 117 headers gets 502.
        "max-vars": MAX_VARS,
        "max-requests": 5000,
        "single-interpreter": True,
        "enable-threads": True,
        "py-call-uwsgi-fork-hooks": True,
        "auto-procname": True,
        # uWSGI clears the umask; with this one, what Django stores is not for every user of the host to read.
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
    """Return the defaults with the options that a user gave on top; null drops a default."""
    options = {**defaults(read_timeout), **given}
    return {name: value for name, value in options.items() if value is not None}


def written(
    site: Mapping[str, Any], build: Mapping[str, Any], release_id: str, overlay_module: str, guarded: bool = True
) -> list[tuple[str, Any]]:
    """Return all options of a release's ini, in their order: the fixed ones, then those of the site.

    `site` is a completed site or the part of one that a release recorded, `build` the manifest of a build.
    `overlay_module` is the WSGI module that a build with a settings overlay is loaded by. `guarded` is false where its
    uWSGI has no routing, and of releases of 0.1.
    """
    # Not among `defaults`: the options in the records of earlier releases have to give the same ini as before.
    # uWSGI kills a worker that takes longer to finish; nginx waits for as long.
    mercy = {"worker-reload-mercy": site["nginx"]["read_timeout"]}
    # The first routes of all: one of the site's own may end the routing.
    first = guards() if guarded else []
    return [*_fixed(site, build, release_id, overlay_module), *first, *{**mercy, **site["uwsgi"]["options"]}.items()]


def guards() -> list[tuple[str, Any]]:
    """Return the routes that let a socket serve requests to the application that is loaded, and nothing else."""
    return [
        ("route-if-not", [f"empty:${{UWSGI_{name}}} break:403 Forbidden" for name in GUARDED]),
        ("route-if", f"empty:${{REQUEST_METHOD}} break:{NO_REQUEST}"),
        # Whatever plugin a packet is for, the spooler, signals and remote calls among them: it is a request.
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
        # The wheel's uWSGI is a module of Python: told to reload, it has to start Python again, not itself.
        options.append(("binary-path", f"{home}/venv/bin/python3"))
    return [
        *options,
        ("processes", uwsgi["processes"]),
        ("threads", uwsgi["threads"]),
        ("socket", layout.socket(release_id)),
        ("chmod-socket", uwsgi["chmod_socket"]),
        ("stats", layout.stats(release_id)),
        # SIGTERM would drop the requests in flight; this finishes them.
        ("hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
    ]
