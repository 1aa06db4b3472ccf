# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fault, and the few questions about a site that several hops ask."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from ..doctor.look_site import Probe, Site

OK, BROKEN, DEGRADED, UNKNOWN = "ok", "broken", "degraded", "unknown"


@dataclass
class Fault:
    """One thing that is wrong: `name` is 'hop.what', `follows` the hop whose fault this one is a consequence of."""

    name: str
    status: str
    cause: str
    mend: str
    evidence: list[str] = field(default_factory=list)
    follows: str = ""

    @property
    def hop(self) -> str:
        return self.name.partition(".")[0]


def good(status: int, site: Site) -> bool:
    """Whether a status is one of a healthy site: what its health asks for, or anything but a failure."""
    return status in site.wanted_status if site.wanted_status else status < 500 and status != 400


def all_busy(site: Site) -> bool:
    """Every worker is at a request: uWSGI's own numbers where it has any, otherwise no worker answers a ping."""
    workers = site.uwsgi.stats.get("workers", [])
    silent = [one for one in site.probes if one.answer is None and "within" in one.failure and not one.kind]
    if not silent or not site.uwsgi.master or declared(site, silent[0]):
        return False
    if workers:
        return all(one.get("status") == "busy" for one in workers)
    return all(one.pong is None and "within" in one.ping_failure for one in silent)


def declared(site: Site, one: Probe) -> str:
    """The protocol that uWSGI was told to speak at an address, where it is not the one that nginx speaks; else ''."""
    port = one.address.rpartition(":")[2]
    for address, speaks in site.uwsgi.options.binds:
        same = address == one.address or (not address.startswith("unix:") and address.rpartition(":")[2] == port)
        if same and site.uwsgi.master and (speaks == "uwsgi") != (one.speaks == "uwsgi"):
            return speaks
    return ""


def any_500(site: Site) -> bool:
    """Whether anything was answered by a failure."""
    return any(one.status >= 500 for one in site.answers)


def matching(log: str, pattern: str) -> list[str]:
    """The last match of a pattern in a log, as evidence."""
    return [one.strip() for one in re.findall(pattern, log)][-1:]


def selinux(denial: dict[str, str], status: str, hop: str) -> Fault:
    """The fault that a line of the audit log stands for."""
    kind, target = denial.get("tclass", ""), denial.get("tcontext", "")
    name = denial.get("path") or denial.get("name") or target
    folder = os.path.dirname(name) or name
    mend = {
        "sock_file": "semanage fcontext -a -t httpd_var_run_t '/run/NAME(/.*)?' && restorecon -R /run/NAME",
        "unix_stream_socket": "a CIL module: (allow httpd_t unconfined_service_t (unix_stream_socket (connectto)))",
        "tcp_socket": "setsebool -P httpd_can_network_connect on",
    }.get(
        kind,
        f"semanage fcontext -a -t httpd_sys_content_t '{folder}(/.*)?' && restorecon -R {folder}",
    )
    return Fault(
        f"{hop}.selinux",
        status,
        f"SELinux denies {denial.get('comm', '?')} {denial['permission']} on {name} ({kind}, {target})",
        mend,
        [denial["line"]],
    )
