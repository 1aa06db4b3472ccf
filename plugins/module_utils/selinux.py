# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What SELinux has to allow nginx for given sites: one policy module in CIL, and the paths to label anew.

Written from the text of Fedora's targeted policy as CentOS Stream 9 and 10 carry it. One text that `semodule` takes or
refuses as a whole needs none of the packages that semanage's modules need. What names a type that a policy may lack
stands in a block of its own that is `optional`: `semodule` leaves such a block out where the type is unknown.
"""

from __future__ import annotations

import os
import re
from typing import Any

from .model import schemes
from .model.layout import ACME_WEBROOT, Layout
from .model.types import Site

HEAD = "; Written by pyweb.stack: change the inventory instead."
# The domain of a service that Fedora's policy has no rules for.
SERVICE = "unconfined_service_t"
# What the targeted policy lets httpd_t bind to and connect to by itself (http_port_t, http_cache_port_t).
KNOWN_PORTS = {80, 81, 443, 488, 8008, 8009, 8080, 8118, 8123, 8443, 9000, *range(10001, 10011)}


# Where the policy knows programs and libraries by their places already (file_contexts).
KNOWN_PLACES = ("/opt/", "/usr/")
# `systemd-run --pipe` hands the bus the standard input of a command, which is a file that root's session opened, and
# firewalld answers root's session. Fedora allows both to every domain; Debian does not.
BUS = [
    "(optional pyweb_bus",
    "  (allow system_dbusd_t unconfined_t (fd (use)))",
    "  (allow system_dbusd_t unconfined_t (fifo_file (read write)))",
    "  (allow system_dbusd_t user_tmp_t (file (read write append))))",
    "(optional pyweb_firewalld",
    "  (allow firewalld_t unconfined_t (dbus (send_msg))))",
]


def policy(sites: list[Site], domain: str = SERVICE) -> dict[str, Any]:
    """Return {text, paths}: the module, and what `restorecon` has to walk.

    `domain` is the one that a uWSGI runs in, which systemd starts and the policy has no rules for.
    """
    present = [site for site in sites if site["state"] == "present"]
    if not present:
        return {"text": f"{HEAD}\n", "paths": []}
    labels = _labels(present)
    lines = [HEAD, *_places(present)]
    for path, label in sorted(labels.items()):
        lines.append(_filecon(f"{re.escape(path)}(/.*)?", label))
    unix = [server.startswith("unix:") for site in present for server in site["nginx"]["upstream"]]
    # What is live of a site that failed may need what the inventory says no more.
    kept = any(site.get("kept") for site in present)
    if kept or any(unix):
        lines += [
            "; No web server may talk by itself to a service that the policy has no rules for.",
            "(optional pyweb_service",
            f"  (allow httpd_t {domain or SERVICE} (unix_stream_socket (connectto))))",
        ]
    if kept or not all(unix):
        lines.append("(allow httpd_t port_type (tcp_socket (name_connect)))")
    if kept or not KNOWN_PORTS.issuperset(_listens(present)):
        lines.append("(allow httpd_t port_type (tcp_socket (name_bind)))")
    return {"text": "\n".join([*lines, *BUS]) + "\n", "paths": sorted(labels)}


def _labels(sites: list[Site]) -> dict[str, str]:
    """Return path -> type of what nginx serves and connects to."""
    labels = {}
    for site in sites:
        labels[Layout.of(site).run] = "httpd_var_run_t"
        served = [files["path"] for files in (site["nginx"]["media"], site["nginx"]["static"]) if files]
        for path in [*served, *site["nginx"]["protected"].values()]:
            if path and not path.startswith(KNOWN_PLACES):
                labels[path] = "httpd_sys_content_t"
    if any(map(schemes.asks_for_files, sites)):
        labels[ACME_WEBROOT] = "httpd_sys_content_t"
    return labels


def _places(sites: list[Site]) -> list[str]:
    """Return the labels of builds that lie elsewhere than below /opt, as the policy has them there."""
    roots = sorted({os.path.dirname(Layout.of(site).root) for site in sites})
    lines = []
    for root in (re.escape(root) for root in roots if not f"{root}/".startswith(KNOWN_PLACES)):
        lines += [
            _filecon(f"{root}(/.*)?", "usr_t"),
            _filecon(f"{root}/(.*/)?bin(/.*)?", "bin_t"),
            _filecon(rf"{root}/.*\.so(\.[^/]*)*", "lib_t", "file"),
        ]
    return lines


def _listens(sites: list[Site]) -> set[int]:
    """Return the ports that nginx listens on."""
    listeners = [listener for site in sites for listener in [*site["nginx"]["listen"], *schemes.tls_listeners(site)]]
    return {listener["port"] for listener in listeners}


def _filecon(expression: str, label: str, kind: str = "any") -> str:
    return f'(filecon "{expression}" {kind} (system_u object_r {label} ((s0) (s0))))'
