# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What SELinux must allow nginx for the sites: one policy module in CIL, and the paths to relabel.

Written for Fedora's targeted policy in CentOS Stream 9 and 10. `semodule` accepts or refuses one text as a whole, and
needs none of the packages of semanage's modules. Rules with a type that a policy may lack are in an `optional` block:
`semodule` ignores it if the type is unknown.
"""

from __future__ import annotations

import os
import re
from typing import Any

from .model import schemes
from .model.layout import ACME_WEBROOT, Layout
from .model.types import Site

HEAD = "; Written by pyweb.stack: change the inventory instead."
# The domain of a service without rules in Fedora's policy.
SERVICE = "unconfined_service_t"
# What the targeted policy allows httpd_t to bind and connect to (http_port_t, http_cache_port_t).
KNOWN_PORTS = {80, 81, 443, 488, 8008, 8009, 8080, 8118, 8123, 8443, 9000, *range(10001, 10011)}


# Where the policy labels programs and libraries by their paths already (file_contexts).
KNOWN_PLACES = ("/opt/", "/usr/")
# `systemd-run --pipe` passes the standard input of a command, a file that root's session opened, over the bus, and
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
    """Return {text, paths}: the module, and the paths for `restorecon`.

    `domain` is that of a uWSGI which systemd starts and for which the policy has no rules.
    """
    present = [site for site in sites if site["state"] == "present"]
    if not present:
        return {"text": f"{HEAD}\n", "paths": []}
    labels = _labels(present)
    lines = [HEAD, *_places(present)]
    for path, label in sorted(labels.items()):
        lines.append(_filecon(f"{re.escape(path)}(/.*)?", label))
    unix = [server.startswith("unix:") for site in present for server in site["nginx"]["upstream"]]
    # The live release of a failed site may need what is no longer in the inventory.
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
    """Return the labels of builds outside of /opt, as the policy has them there."""
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
