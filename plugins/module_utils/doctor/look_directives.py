# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at what nginx's directives come to on this host: where requests end, which files and directories they mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..host import path_walk
from ..nginx import course, match
from ..nginx.dump import Directive
from ..uwsgi import protocol
from .client import get
from .evidence import LARGE_COOKIE, Host, Site
from .evidence_directives import Taken, Temporary

# A page that no file is called after, as most pages of an application are.
_OTHER = "pyweb-doctor-page"
# Where nginx puts what is too large for its memory: for each kind its directive and the option of its build.
_TEMPORARIES = {
    "client_body_temp_path": ("http-client-body-temp-path", "client_body_temp"),
    "uwsgi_temp_path": ("http-uwsgi-temp-path", "uwsgi_temp"),
    "proxy_temp_path": ("http-proxy-temp-path", "proxy_temp"),
}
# Files of so many kinds, by their ends, are looked for below a prefix.
_KINDS = 40


def way_in(site: Site, main: match.Server | None, host: Host) -> None:
    """Follow the site's path, and another page, through the server; fills in `chain` and `handler` of the site.

    They are those of the application, also where `/` is something else and the application lies below it.
    """
    if not main:
        return
    disk = course.Disk(os.path.isfile, os.path.isdir, host.nginx.built.get("prefix", ""))
    found = site.directives
    found.root = course.follow(main, site.path, disk)
    found.other = course.follow(main, f"{site.prefix}/{_OTHER}", disk)
    chain = application(site, main, disk)
    site.chain = chain or found.root.chain
    handled = match.handler(site.chain)
    site.handler = _constant(handled, site.chain) if handled is not None else None
    if not chain:
        found.unreached = [match_place(one) for one in course.hand_overs(main)]
    if host.nginx.config and match.passes(site.handler) and site.handler is not None:
        _look_at_upstream(site, site.handler, host)


def match_place(chain: list[Directive]) -> str:
    """Return a location that passes requests on, as text: 'location @django {, /etc/nginx/conf.d/a.conf:9'."""
    return f"{str(chain[-1]).rstrip(' {')} in {chain[-1].place}"


def look_at_directives(site: Site, main: match.Server | None, host: Host) -> None:
    """Look at what takes other files than meant, at nginx's temporary files, at groups that its worker lacks."""
    if not main or not host.nginx.config:
        return
    files = site.inside.get("files", {})
    for kind in ("static", "media"):
        url, root = str(files.get(f"{kind}_url", "")), str(files.get(f"{kind}_root", ""))
        fetched = site.static if kind == "static" else site.media
        if fetched and url.strip("/") and "//" not in url and root:
            site.directives.taken += list(_taken(kind, f"/{url.strip('/')}/", root, main, host))
    site.directives.temporaries = list(_temporaries(site, host))
    _look_at_groups(site, host)
    ended = site.directives.root
    if ended and ended.file and ended.ends in (course.FILE, course.STATUS):
        site.directives.obstacle = path_walk.obstacle(ended.file, host.nginx.worker)
    _ask_with_large_cookie(site)


# --- where requests end ---


def application(site: Site, main: match.Server, disk: course.Disk) -> list[Directive]:
    """Return the chain of the location that passes to the application; [] if no request reaches one."""
    found = site.directives
    for ended in (found.root, found.other):
        if ended and ended.ends == course.PASS:
            found.application = "" if ended is found.root else site.path
            return ended.chain
    for chain in course.hand_overs(main):
        uri = course.sample(chain)
        ended = course.follow(main, uri, disk) if uri else None
        if ended and ended.ends == course.PASS and ended.location is chain[-1]:
            found.application = uri
            return chain
    return []


def _constant(handled: Directive, chain: list[Directive]) -> Directive:
    """Return a handler with the variables filled in that have one value only."""
    values = match.constants(chain)
    if not handled.name.endswith("_pass") or "$" not in "".join(handled.args[:1]):
        return handled

    def value(name: re.Match[str]) -> str:
        return values.get(name[1] or name[2], name[0])

    text = re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, handled.args[0])
    return Directive(handled.name, [text, *handled.args[1:]], handled.file, handled.line)


def _look_at_upstream(site: Site, handled: Directive, host: Host) -> None:
    for backend in match.backends(host.nginx.config, match.upstream_name(handled)) if host.nginx.config else []:
        if backend.backup:
            site.directives.backups.append(backend.address)
        if backend.down:
            site.directives.down.append(f"{backend.address} in {backend.place}")


# --- files that another location takes ---


def _taken(kind: str, prefix: str, root: str, main: match.Server, host: Host) -> Iterator[Taken]:
    """Yield the files, one of each kind, that a regular expression takes and nginx then looks for elsewhere."""
    meant = match.longest_prefix(main, prefix)
    if meant[-1].name != "location" or match.passes(match.handler(meant)):
        return
    told = set()
    built = host.nginx.built.get("prefix", "")
    for name in _one_of_each(root):
        uri = f"{prefix}{name}"
        chain = match.locate(main, uri)
        if chain[-1] is meant[-1] or chain[-1].place in told or chain[-1] in match.longest_prefix(main, uri):
            continue
        handled = match.handler(chain)
        file = match.file_of(chain, uri, built)
        if handled is None and file and os.path.isfile(file):
            continue
        told.add(chain[-1].place)
        passed = f"{handled} in {handled.place}" if handled is not None else ""
        words = [str(one).rstrip(" {") for one in (chain[-1], meant[-1])]
        yield Taken(kind, uri, words[0], chain[-1].place, words[1], meant[-1].place, file, passed)


def _one_of_each(root: str) -> list[str]:
    """Return files below a directory, one for each end of a name, relative to it. No link is followed."""
    found: dict[str, str] = {}
    for number, (folder, folders, files) in enumerate(os.walk(root)):
        folders.sort()
        for name in sorted(files[:_KINDS]):
            found.setdefault(os.path.splitext(name)[1].lower(), os.path.relpath(os.path.join(folder, name), root))
        if number > _KINDS or len(found) > _KINDS:
            break
    return list(found.values())


# --- temporary files ---


def _temporaries(site: Site, host: Host) -> Iterator[Temporary]:
    speaks = site.handler.name.partition("_")[0] if site.handler is not None else ""
    worker = host.nginx.workers[-1] if host.nginx.workers else None
    root = f"/proc/{worker.pid}/root" if worker else ""
    for directive, (option, usual) in _TEMPORARIES.items():
        kind = directive.partition("_")[0]
        limit = match.inherited(site.chain, f"{kind}_max_temp_file_size")
        buffers = match.inherited(site.chain, f"{kind}_buffering")
        if (kind != "client" and kind != speaks) or _is(limit, "0") or _is(buffers, "off"):
            continue
        given = match.inherited(site.chain, directive)
        path = given.args[0] if given and given.args else host.nginx.built.get(option, usual)
        path = path if path.startswith("/") else os.path.join(host.nginx.built.get("prefix", ""), path)
        if not path.startswith("/"):
            continue
        wanted = path_walk.WRITE | path_walk.ENTER
        found = path_walk.obstacle(path, host.nginx.worker, wanted, root)
        why, fix = (found.evidence, found.fix) if found else ("", "")
        if not found and _is_read_only(root + path):
            why, fix = f"{path}: its file system is read-only for nginx", "ReadWritePaths= in the unit of nginx"
        if why:
            yield Temporary(directive, path, given.place if given else "", why, fix)


def _is(given: Directive | None, value: str) -> bool:
    return given is not None and given.args[:1] == [value]


def _is_read_only(path: str) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


# --- groups ---


def _look_at_groups(site: Site, host: Host) -> None:
    """Find what nginx's worker cannot use, and a worker that starts now may: its user is in other groups since."""
    now = host.nginx.next_worker
    if not now or not host.nginx.workers or set(now.groups) <= {host.nginx.worker.gid, *host.nginx.worker.groups}:
        return

    both = path_walk.READ | path_walk.WRITE
    kept_out = [(probe.address, probe.address[5:], probe.obstacle, both) for probe in site.probes]
    for fetched in (site.static, site.media):
        if fetched and fetched.obstacle:
            kept_out.append((fetched.obstacle.path, fetched.file, fetched.obstacle, path_walk.READ))
    for name, path, found, wanted in kept_out:
        if found and found.kind == "denied" and path_walk.obstacle(path, now, wanted) is None:
            site.directives.regrouped.append(name)


# --- a request that is large ---


def _ask_with_large_cookie(site: Site) -> None:
    """Send a cookie as large as browsers send them to an entrance, if nginx's buffers were made smaller."""
    limits = [one for block in site.chain[:2] for one in block.all("large_client_header_buffers")]
    if not limits:
        return
    for entrance in site.entrances[:1]:
        cookie = {"Cookie": "pyweb-doctor=" + "x" * (LARGE_COOKIE - 13)}
        try:
            site.directives.large_header = get(entrance, site.path, site.patience.ping / 2, cookie).status
        except protocol.ProtocolError:
            return
