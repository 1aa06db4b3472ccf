# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions about a site that several hops answer from the evidence, and faults that several may have."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from .evidence import Fetched, Host, Probe, Site
from .fault import BROKEN, DEGRADED, Fault, Faults
from .fixes import RELOAD
from .groups import RESTART, restart_for_group

FILE_CLASSES = ("file", "dir", "lnk_file")
SOCKET_CLASSES = ("sock_file", "unix_stream_socket", "tcp_socket")


def good(status: int, wanted: Sequence[int]) -> bool:
    """Return whether a status is one of a healthy site: what its health asks for, or anything but a failure."""
    return status in wanted if wanted else status < 500 and status != 400


def by_nginx(status: int, body: bytes) -> bool:
    """Return whether an answer is nginx's own error page, and not one of the server behind it."""
    return status >= 400 and b"<center>nginx" in body[-600:]


def all_busy(site: Site) -> bool:
    """Return whether every worker handles a request.

    uWSGI's own numbers tell, where it has any; otherwise that no worker answers a ping.
    """
    workers = site.uwsgi.stats.get("workers", [])
    silent = [probe for probe in site.probes if probe.answer is None and "within" in probe.failure and not probe.kind]
    # No other server answers uWSGI's ping, busy or not.
    other = site.server.kind != "uwsgi"
    if not silent or other or not site.uwsgi.master or declared(site, silent[0]) or not of_uwsgi(site, silent[0]):
        return False
    if workers:
        return all(worker.get("status") == "busy" for worker in workers)
    return all(probe.pong is None and "within" in probe.ping_failure for probe in silent)


def of_uwsgi(site: Site, probe: Probe) -> bool:
    """Return whether the site's uWSGI may be what listens at an address, and no other program is known to."""
    port = probe.address.rpartition(":")[2]
    for where in site.uwsgi.listens:
        if where.startswith("unix:"):
            if where[len("unix:") :] in (probe.address[len("unix:") :], probe.real):
                return True
        elif not probe.address.startswith("unix:") and where.rpartition(":")[2] == port:
            return True
    return not site.uwsgi.listens or not probe.owner


def declared(site: Site, probe: Probe) -> str:
    """Return the protocol that uWSGI was told to speak at an address, where nginx speaks another one; else ''."""
    port = probe.address.rpartition(":")[2]
    for address, speaks in site.uwsgi.options.binds:
        same = address == probe.address or (not address.startswith("unix:") and address.rpartition(":")[2] == port)
        if same and site.uwsgi.master and (speaks == "uwsgi") != (probe.speaks == "uwsgi"):
            return speaks
    return ""


def any_failure(site: Site) -> bool:
    """Return whether any request failed."""
    return any(answer.status >= 500 for answer in site.answers)


def last_match(log: str, pattern: str) -> list[str]:
    """Return the last match of a pattern in a log, as evidence."""
    return [found.strip() for found in re.findall(pattern, log)][-1:]


def selinux(faults: Faults, denial: dict[str, str], status: str, place: str = "") -> Fault:
    """Return the fault for a line of the audit log.

    `place` is the file or socket that was meant, as a whole path; the audit log often has its last part only.
    """
    kind, target = denial.get("tclass", ""), denial.get("tcontext", "")
    name = denial.get("path") or denial.get("name") or target
    path = name if name.startswith("/") or not place else place
    folder = posixpath.dirname(path) or path
    label = "httpd_var_run_t" if kind == "sock_file" else "httpd_sys_content_t"
    fix = {
        "unix_stream_socket": "a CIL module: (allow httpd_t unconfined_service_t (unix_stream_socket (connectto)))",
        "tcp_socket": "setsebool -P httpd_can_network_connect on",
    }.get(kind, f"semanage fcontext -a -t {label} '{folder}(/.*)?' && restorecon -R {folder}")
    cause = f"SELinux denies {denial.get('comm', '?')} {denial['permission']} on {name} ({kind}, {target})"
    return faults.fault(f"{faults.hop}.selinux", status, cause, fix, [denial["line"]])


def mistaken_alias(fetched: Fetched) -> tuple[str, str]:
    """Return what is wrong with an alias or a root, and what is right; ('', '') if it is something else."""
    prefix, folder = fetched.url, fetched.folder.rstrip("/")
    name = fetched.uri[len(prefix) :]
    if fetched.file == f"{folder}{name}":
        return f"the alias has no / at its end, and {prefix} has one", f"alias {folder}/;"
    if fetched.file in (f"{folder}{fetched.uri}", f"{folder}/{fetched.uri}"):
        return f"root puts the whole {fetched.uri} below {folder}", f"alias {folder}/; instead of root"
    return "", ""


def without_current(site: Site) -> bool:
    """Return whether a site of this collection has no link to the release that is live."""
    return site.managed and not site.background.release


def file_fault(faults: Faults, fetched: Fetched, site: Site, host: Host) -> Fault:
    """Return why a client does not get an existing static or media file."""
    hop = faults.hop
    says = f"GET {fetched.uri} -> {fetched.status or fetched.failure or 'not asked'}"
    status = BROKEN if hop == "static" else DEGRADED
    denial = next((found for found in host.denials if found.get("tclass") in FILE_CLASSES), None)
    if fetched.obstacle and fetched.obstacle.kind == "denied":
        place, mode = fetched.obstacle.path, f"{fetched.obstacle.mode:04o}"
        late = restart_for_group(site, host, place)
        return faults.fault(
            f"{hop}.not-readable",
            status,
            f"{hop} files are not readable: {host.nginx.worker_name} cannot use {place} ({mode})"
            + (f"; {late}" if late else ""),
            RESTART if late else fetched.obstacle.fix,
            [says, fetched.obstacle.evidence],
        )
    if fetched.refused and fetched.status in (403, 404, 410):
        return faults.fault(
            f"{hop}.status",
            status,
            f"{hop} files are not served: nginx refuses every request for {fetched.url}, by {fetched.refused}",
            f"remove that line, then {RELOAD}",
            [says, fetched.refused],
        )
    if "_pass" in fetched.handler:
        return faults.fault(
            f"{hop}.no-location",
            status,
            f"nginx has no location for {hop} files: it passes {fetched.uri} to the application, which has no such "
            "page",
            f"add location {fetched.url} {{ alias {fetched.folder.rstrip('/') or 'STATIC_ROOT'}/; }} beside "
            f"{fetched.place}, then {RELOAD}",
            [says, f"{fetched.handler} in {fetched.place}"],
        )
    if fetched.elsewhere:
        why, right = mistaken_alias(fetched)
        return faults.fault(
            f"{hop}.alias",
            status,
            f"the alias of {hop} files is wrong: nginx looks for {fetched.file}, the file is {fetched.wanted}"
            + (f"; {why}" if why else ""),
            f"web_sites[].nginx.{hop}; by hand: {right or 'correct the alias'} in {fetched.place}, then {RELOAD}",
            [says, f"in {fetched.place}"],
            # An alias by way of the link `current` is right, where the link is gone that the socket is missed by, too.
            None if without_current(site) and fetched.file.startswith(f"{site.layout.current}/") else (),
        )
    if denial:
        return selinux(faults, denial, status, fetched.file)
    cause = f"{hop} files are not served"
    if fetched.link and fetched.status == 403:
        return faults.fault(
            f"{hop}.status",
            status,
            f"{cause}: {fetched.link} is a link to a file with another owner, and nginx does not follow it",
            "chown --no-dereference, so that both have the same owner; or, if nobody else can create links there: "
            "web_sites[].nginx.options.disable_symlinks: 'off'; by hand: chown --no-dereference, so that both have the "
            "same owner, or disable_symlinks off; if nobody else can create links there",
            [says, fetched.file],
        )
    return faults.fault(f"{hop}.status", status, cause, f"check {fetched.place}", [says, fetched.file])
