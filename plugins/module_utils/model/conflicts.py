# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults in combinations of several keys, or of several sites."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .background_checks import between_background
from .errors import shown
from .file_checks import between_files
from .layout import ID_LENGTH, Layout
from .prefixes import between_names
from .schemes import tls_listeners
from .steps import commands, described
from .tls_conflicts import between_listeners, between_tls
from .types import Site

# sun_path has 108 bytes including its NUL: unix(7).
UNIX_PATH_MAX = 107


def between_keys(site: Site) -> Iterator[str]:
    """Yield the conflicts between the keys of a site, each of which is valid by itself."""
    uwsgi, nginx = site["uwsgi"], site["nginx"]
    if site["virtualenv"] and site["source"]["kind"] != "path":
        yield f"virtualenv is {shown(site['virtualenv'])}; it can only be used with source.path; remove it"
    yield from between_files(site)
    if site["source"]["kind"] == "path" and (own := commands(site["build"])):
        yield (
            f"build has {shown(described(own[0]))}; expected collectstatic alone with source.path, whose code is used "
            "in "
            "place and not changed; run the steps where that code is built, or deploy from git, an archive or a "
            "directory"
        )
    install = uwsgi["install"]
    if site["virtualenv"] == "none":
        if install != "distribution":
            yield (
                f"uwsgi.install is {install!r}; expected distribution with virtualenv: none; "
                "set a virtualenv or remove install"
            )
        install = "distribution"
        if site["packages"]:
            yield "packages go into a virtualenv; expected none with virtualenv: none; use system_packages"
    if site["managed"] != "never" and (site["virtualenv"] == "none" or install == "distribution"):
        why = "virtualenv: none" if site["virtualenv"] == "none" else "uwsgi.install: distribution"
        yield f"python.managed is {site['managed']}; {why} uses the system's own Python; remove one of them"
    if install == "distribution" and uwsgi["version"]:
        yield f"uwsgi.version is {uwsgi['version']!r}; the distribution determines it; remove it"
    if uwsgi["tarball"] and install != "tarball":
        yield f"uwsgi.tarball can only be used with install: tarball; install is {install!r}"
    if uwsgi["checksum"] and not uwsgi["tarball"]:
        yield "uwsgi.checksum can only be used with uwsgi.tarball; set the tarball or remove it"
    if "unix" in uwsgi["socket"] and len(uwsgi["socket"]) > 1:
        yield "uwsgi.socket mixes unix with addresses; expected unix, or one or more addresses"
    yield from between_background(site)
    if site["superuser"] and not (site["superuser"]["username"] or site["superuser"]["email"]):
        yield "superuser has neither username nor email; set the one that users log in with"
    if site["prefix"] and "FORCE_SCRIPT_NAME" in site["settings"]:
        yield "settings has FORCE_SCRIPT_NAME; prefix sets it; remove one of them"
    static, media = nginx["static"], nginx["media"]
    if static and media and static["url"] == media["url"]:
        yield f"nginx.media and nginx.static have the same url {static['url']}; change one of them"
    public = {files["url"] for files in (static, media) if files}
    for url in sorted(public & {*nginx["protected"]}):
        yield f"nginx.protected has {url}, which everyone gets as static files or media; change its url"
    yield from between_tls(site)
    harakiri = str(uwsgi["options"].get("harakiri"))
    if re.fullmatch(r"[0-9]{1,9}", harakiri) and int(harakiri) >= nginx["read_timeout"]:
        yield (
            f"uwsgi.options.harakiri is {harakiri}; expected less than nginx.read_timeout "
            f"({nginx['read_timeout']}), or nginx answers 504 first; raise nginx.read_timeout"
        )


def between_paths(site: Site) -> Iterator[str]:
    """Yield directories inside one another, and unix socket paths that are too long for the kernel."""
    layout = Layout.of(site)
    own = {key: site["paths"][key] for key in ("root", "state", "config", "run", "cache")}
    brought = {
        "source.path": site["source"].get("path", ""),
        "virtualenv": "" if site["virtualenv"] == "none" else site["virtualenv"],
        "nginx.media": "" if layout.media.startswith(f"{layout.state}/") else layout.media,
    }
    known = {**own, **brought}
    # `state: absent` removes the collection's own directories with all their contents, except the state.
    inside = [(inner, outer) for inner in own for outer in own if inner != outer]
    inside += [(inner, outer) for inner in brought for outer in own if outer != "state"]
    inside += [("root", "source.path")] if brought["source.path"] else []
    for inner, outer in inside:
        if known[inner] and f"{known[inner]}/".startswith(f"{known[outer]}/"):
            yield (
                f"site '{site['name']}': {inner} {known[inner]} is inside {outer} {known[outer]}; "
                "expected separate directories; change it or web_roots"
            )
    for url, path in site["nginx"]["protected"].items():
        for key, public in (("media", site["nginx"]["media"]), ("static", site["nginx"]["static"])):
            if public and f"{path}/".startswith(f"{public['path']}/"):
                yield (
                    f"site '{site['name']}': nginx.protected {url} is {path}, which is inside nginx.{key} "
                    f"{public['path']}, which everyone gets; expected separate directories; move one of them"
                )
    sockets = [server[len("unix:") :] for server in site["nginx"]["upstream"] if server.startswith("unix:")]
    for path in [*sockets, layout.stats("x" * ID_LENGTH)]:
        if len(path.encode()) > UNIX_PATH_MAX:
            yield (
                f"site '{site['name']}': the socket path {path} has {len(path.encode())} bytes; expected at most "
                f"{UNIX_PATH_MAX} (the kernel's limit); shorten the name or web_roots"
            )


def between_sites(sites: list[Site]) -> list[str]:
    """Return the conflicts over names, domains and ports between the sites of one host."""
    faults: list[str] = []
    taken: dict[tuple[str, Any], str] = {}

    def claim(kind: str, value: Any, site: Site, advice: str) -> None:
        owner = taken.setdefault((kind, value), site["name"])
        if owner and site["name"] and owner != site["name"]:
            faults.append(f"site '{site['name']}': {kind} {value} already belongs to site '{owner}'; {advice}")

    names = [site["name"] for site in sites if site["name"]]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"site '{name}': name is used {names.count(name)} times; every site needs its own name")
    present = [site for site in sites if site["state"] == "present"]
    faults += between_names(present)
    faults += _shared_users(present)
    faults += between_listeners(present)
    nginx_ports = {
        listener["port"] for site in present for listener in [*site["nginx"]["listen"], *tls_listeners(site)]
    }
    for site in present:
        ports = [int(address.rpartition(":")[2]) for address in site["uwsgi"]["socket"] if address != "unix"]
        for port in sorted({port for port in ports if ports.count(port) > 1}):
            faults.append(f"site '{site['name']}': uwsgi.socket has port {port} twice; each address needs its own port")
        for port in set(ports):
            claim("port", port, site, "change the port of uwsgi.socket")
            if port in nginx_ports:
                faults.append(
                    f"site '{site['name']}': uwsgi.socket has port {port}, on which nginx listens; change one"
                )
    return faults


def _shared_users(sites: list[Site]) -> Iterator[str]:
    """Yield the sites that share the user of another one without user_shared."""
    first: dict[str, Site] = {}
    for site in sites:
        other = first.setdefault(site["user"], site) if site["user"] else site
        if other["name"] == site["name"] or (site["user_shared"] and other["user_shared"]):
            continue
        lacking = [one["name"] for one in (other, site) if not one["user_shared"]]
        yield (
            f"site '{site['name']}': user is {shown(site['user'])}, which site '{other['name']}' has, too: each could "
            f"read and change the other's code, data and secrets; remove user, name another account, or set "
            f"user_shared: true for {' and '.join(lacking)}"
        )
