# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find a file for a site that nginx does not read: no link, no include, another extension."""

from __future__ import annotations

import contextlib
import os
import posixpath

from ..host.files import names
from ..model import regular
from ..nginx import match
from ..nginx.dump import Config, DumpError, parse
from .evidence import Host, Site
from .evidence_directives import Unread

FOLDERS = ("sites-available", "sites-enabled", "conf.d", "vhosts.d", "vhosts", ".")
# How many files of a folder, and how many bytes of each, are read.
_FILES, _BYTES = 60, 1 << 18


def look_for_unread(site: Site, host: Host) -> None:
    """Fill in `unread` for the domains that no server of nginx has. Such files are only read."""
    config = host.nginx.config
    if not config or not config.files:
        return
    servers = match.servers(config)
    for domain in site.domains:
        if domain not in site.directives.fallbacks and not any(server.matches(domain) for server in servers):
            found = unread(domain, config, posixpath.dirname(config.files[0]))
            if found:
                site.directives.unread[domain] = found


def unread(domain: str, config: Config, base: str) -> Unread | None:
    """Return the file below nginx's own directory that has a server of this name and is no part of `config`."""
    read = {os.path.realpath(path) for path in config.files}
    for folder in FOLDERS:
        for name in names(posixpath.normpath(f"{base}/{folder}"))[:_FILES]:
            path = posixpath.normpath(f"{base}/{folder}/{name}")
            if not os.path.isfile(path) or os.path.realpath(path) in read:
                continue
            if _has(path, domain):
                return Unread(path, *_why(path, config, base))
    return None


def _has(path: str, domain: str) -> bool:
    with contextlib.suppress(OSError, DumpError):
        text = regular.content(path, _BYTES).decode("utf-8", "replace")
        if domain not in text.lower():
            return False
        # It may be a file of a whole configuration, or one for `http`.
        whole = parse(f"# configuration file {path}:\nhttp {{\n{text}\n}}\n")
        return any(server.matches(domain) for server in match.servers(whole))
    return False


def _why(path: str, config: Config, base: str) -> tuple[str, str]:
    """Return (why nginx does not read a file, the command that changes that)."""
    folder, name = posixpath.split(path)
    patterns = [include.pattern for include in config.includes if include.blocks == ("http",)]
    enabled = f"{base}/sites-enabled"
    if posixpath.basename(folder) == "sites-available":
        if any(posixpath.dirname(pattern) == enabled for pattern in patterns):
            return "no link in sites-enabled leads to it", f"ln -s {path} {enabled}/"
        return f"no include of {base}/nginx.conf reads {enabled}", f"ln -s {path} {base}/conf.d/{_conf(name)}"
    beside = [pattern for pattern in patterns if posixpath.dirname(pattern) == folder]
    if beside:
        return f"`include {beside[0]}` does not match its name", f"mv {path} {folder}/{_conf(name)}"
    return "no include matches it", f"include {folder}/*; in http of {base}/nginx.conf"


def _conf(name: str) -> str:
    """Return a name that `include conf.d/*.conf` matches."""
    return name if name.endswith(".conf") else f"{name.partition('.conf')[0]}.conf"
