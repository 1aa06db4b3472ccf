# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sandbox of whatever runs a site's code, as directives of systemd.exec(5): units, commands and `manage`.

It is written down here alone. A site's code writes where its data and its sockets are and nowhere else, sees no home
and no other process, has no capability and no system call that an administrator needs. What a project needs beyond
that, its `unit` key allows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..model.layout import MEMORY, Layout

# name -> its values, a line each.
Directives = Mapping[str, Sequence[str]]

# `systemd-analyze security` gives a unit with these 1.3 on systemd 252, and 8.7 without them.
DIRECTIVES: dict[str, list[str]] = {
    "NoNewPrivileges": ["yes"],
    "PrivateTmp": ["yes"],
    "PrivateDevices": ["yes"],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectClock": ["yes"],
    "ProtectHostname": ["yes"],
    "ProtectProc": ["invisible"],
    "ProcSubset": ["pid"],
    "RestrictSUIDSGID": ["yes"],
    "RestrictRealtime": ["yes"],
    "RestrictNamespaces": ["yes"],
    "LockPersonality": ["yes"],
    "RemoveIPC": ["yes"],
    "CapabilityBoundingSet": [""],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    # A refused call is an error that the program can report; the default kills it without a word.
    "SystemCallErrorNumber": ["EPERM"],
    "RestrictAddressFamilies": ["AF_UNIX AF_INET AF_INET6"],
}
WRITABLE = "ReadWritePaths"
# What systemd adds up, line by line, until an empty one begins anew: the inventory's own lines come after ours.
ADDED = (WRITABLE, "CapabilityBoundingSet", "SystemCallFilter", "RestrictAddressFamilies")
# What `uwsgi.unit` says of these holds for the commands of the site and for `manage`, too.
SHARED = (*DIRECTIVES, WRITABLE, "ReadOnlyPaths", "InaccessiblePaths", "BindPaths", "BindReadOnlyPaths")
# What ProtectHome= hides (systemd.exec(5)).
HOMES = ("/home", "/root", "/run/user")
# Nothing that a project calls its own; /proc, /sys and /dev are other directives' (systemd.exec(5)).
SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")
# Options of uWSGI with files that it writes: directories themselves, and files in directories.
_FOLDER_OPTIONS = ("spooler", "spooler-external")
_FILE_OPTIONS = ("logto", "logto2", "logger", "req-logger", "pidfile", "pidfile2", "safe-pidfile", "cache2", "stats")
_PLAIN = re.compile(r"[\w./+@,:=-]+")


def of_site(site: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the sandbox of a site's processes, without what the inventory says of it; `manifest` is its build's."""
    layout = Layout.of(site)
    found = {name: list(values) for name, values in DIRECTIVES.items()}
    code, *others = _in_place(site, manifest)
    written = manifest.get("written")
    if written is None:
        # A build of an earlier version, or of somebody else: nobody knows where its settings write.
        found["ProtectSystem"] = ["full"]
        written = [code]
    options = site["uwsgi"]["options"]
    own = [*_data(layout), layout.run, *_of_uwsgi(options), *(path for path in written if may_be_written(path))]
    named = _absolute(" ".join(map(str, options.values())))
    if any(map(in_home, [code, *others, *own, *named, *site["paths"].values()])):
        found["ProtectHome"] = ["read-only"]
    if not site["managed_user"]:
        # It may be a person, who has other programs.
        del found["RemoveIPC"]
    found[WRITABLE] = paths(own)
    return found


def of_build(site: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the sandbox of what runs code of the project or of packages while a build is made.

    `environment` is that of the steps that install. What uWSGI is allowed, these are, too.
    """
    layout = Layout.of(site)
    found = {name: list(values) for name, values in DIRECTIVES.items()}
    # Tools that bundle ask /proc/cpuinfo how many processes they shall start.
    found["ProcSubset"] = ["all"]
    # An existing virtualenv may be a person's.
    del found["RemoveIPC"]
    code, virtualenv = site["source"].get("path", ""), site["virtualenv"]
    written = [path for path in (code, virtualenv) if path.startswith("/")]
    # A step that works for somebody else, or on a tarball, has a directory of its own in MEMORY, which is root's.
    own = [layout.builds, layout.virtualenvs, layout.cache, MEMORY, *_data(layout)]
    found[WRITABLE] = paths([*own, *written])
    # Certificates, wheels, a virtualenv's interpreter.
    texts = " ".join([*environment.values(), *site["packages"]]).replace("file://", "")
    named = [*_absolute(texts), f"{virtualenv}/bin/python", site["interpreter"]["path"]]
    if any(map(in_home, [*named, *written, *site["paths"].values()])):
        found["ProtectHome"] = ["read-only"]
    if any(_is_below(path, top) for path in named for top in ("/tmp", "/var/tmp")):  # noqa: S108 - whose it is decides
        del found["PrivateTmp"]
        found[WRITABLE] += paths(["/tmp", "/var/tmp"])  # noqa: S108 - whose it is decides
    return with_own(found, site["uwsgi"]["unit"])


def in_place_of(sandbox: Directives, places: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return a sandbox in which directories are found in place of others: (a directory of root's, the host's).

    The host's own cannot be reached then, so they need not be made writable. Paths are absolute and have no links.
    """
    pairs = list(places)
    hidden = {target for _source, target in pairs}
    binds = [quoted(f"{source}:{target}") for source, target in pairs]
    return {**_without(sandbox, hidden), "BindPaths": [*binds, *sandbox.get("BindPaths", [])]}


def apart(sandbox: Directives, hidden: Iterable[str]) -> dict[str, list[str]]:
    """Return a sandbox without a network, in which some directories are empty. Paths are absolute and have no links."""
    own = {path for path in hidden if "PrivateTmp" not in sandbox or path not in ("/tmp", "/var/tmp")}  # noqa: S108 - whose it is decides
    empty = [quoted(f"{path}:mode=1777,size=16m") for path in sorted(own)]
    return {**_without(sandbox, own), "PrivateNetwork": ["yes"], "TemporaryFileSystem": empty}


def _without(sandbox: Directives, gone: set[str]) -> dict[str, list[str]]:
    """Return a sandbox whose writable paths do not lie in directories that are not seen in it."""
    given = {name: list(values) for name, values in sandbox.items()}
    given[WRITABLE] = [
        value
        for value in given.get(WRITABLE, [])
        if not any(_is_below(os.path.realpath(value.strip('"').lstrip("-")), path) for path in gone)
    ]
    return given


def with_own(sandbox: Directives, own: Directives) -> dict[str, list[str]]:
    """Return a sandbox with the directives of the inventory in it, as far as they are of its kind."""
    return merged(sandbox, {name: values for name, values in own.items() if name in SHARED})


def merged(directives: Mapping[str, Any], own: Directives) -> dict[str, Any]:
    """Return directives with `own` instead, or after them where systemd adds them up."""
    result = dict(directives)
    for name, given in own.items():
        result[name] = [*result.get(name, []), *given] if name in ADDED else list(given)
    return result


def paths(given: Iterable[str]) -> list[str]:
    """Return values of ReadWritePaths=, each path once; one that is not there is left alone."""
    return [quoted(f"-{path}") for path in dict.fromkeys(given)]


def quoted(word: str) -> str:
    """Return a word as systemd.syntax(7) reads it in a list."""
    return word if _PLAIN.fullmatch(word) else '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def in_home(path: str) -> bool:
    """Say whether a path, or what it leads to, lies in somebody's home."""
    return any(_is_below(found, home) for found in (path, os.path.realpath(path)) for home in HOMES)


def may_be_written(path: str) -> bool:
    """Say whether a directory that a project names may be made writable: whose it is decides then, as ever."""
    plain = path.startswith("/") and path == os.path.normpath(path) and not re.search(r"[\x00-\x1f\x7f]", path)
    return plain and path not in ("/", *HOMES) and not any(_is_below(path, system) for system in SYSTEM)


def _data(layout: Layout) -> list[str]:
    """Return where a site's data lie. Media in another place count once: no file can be renamed between two mounts."""
    inside = _is_below(os.path.realpath(layout.media), os.path.realpath(layout.state))
    return [layout.state] if inside else [layout.state, layout.media]


def _in_place(site: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Return where the code lies that is used in place, '' for a build's own, and its virtualenv and interpreters."""
    kind = (manifest.get("source") or site["source"])["kind"]
    code = site["source"].get("path", "") or manifest.get("src", "")
    home = manifest.get("home", "")
    python = f"{home}/bin/python" if home else ""
    return [code if kind == "path" else "", home, python, site["virtualenv"], site["interpreter"]["path"]]


def _of_uwsgi(options: Mapping[str, Any]) -> list[str]:
    """Return the directories that the options of the inventory have uWSGI write to."""
    found = []
    for name in (*_FOLDER_OPTIONS, *_FILE_OPTIONS):
        given = options.get(name)
        for text in given if isinstance(given, list) else [given]:
            for path in re.findall(r"(?:^|[ :,=])(/[^\s:,=]+)", str(text)):
                found.append(path if name in _FOLDER_OPTIONS else os.path.dirname(path))
    return [path for path in found if may_be_written(path)]


def _absolute(text: str) -> list[str]:
    """Return what may be absolute paths in a text."""
    return re.findall(r"/[^\s:;,='\"\[\]]+", text)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
