# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What SELinux has to allow nginx for given sites: one policy module in CIL, and the paths to label anew.

Written from the text of Fedora's targeted policy as CentOS Stream 9 and 10 carry it. One text that `semodule` takes or
refuses as a whole needs none of the packages that semanage's modules need.
"""

from __future__ import annotations

import re
from typing import Any

from .model import schemes
from .model.layout import ACME_WEBROOT, Layout
from .model.types import Site

# What the targeted policy lets httpd_t bind to and connect to by itself (http_port_t, http_cache_port_t).
KNOWN_PORTS = {80, 81, 443, 488, 8008, 8009, 8080, 8118, 8123, 8443, 9000, *range(10001, 10011)}


def policy(sites: list[Site]) -> dict[str, Any]:
    """Return {text, paths}: the module, and what `restorecon` has to walk."""
    present = [site for site in sites if site["state"] == "present"]
    labels = {}
    sockets, ports, listens = False, False, False
    for site in present:
        nginx = site["nginx"]
        listeners = [*nginx["listen"], *(nginx["listen_tls"] if schemes.has_tls(site) else [])]
        labels[Layout.of(site).run] = "httpd_var_run_t"
        for served in (nginx["media"], nginx["static"]):
            path = served["path"] if served else ""
            # What lies under /opt or /usr is labelled for everybody to read.
            if path and not path.startswith(("/opt/", "/usr/")):
                labels[path] = "httpd_sys_content_t"
        unix = [server.startswith("unix:") for server in nginx["upstream"]]
        # What is live of a site that failed may need what the inventory says no more.
        kept = bool(site.get("kept"))
        sockets = sockets or kept or any(unix)
        ports = ports or kept or not all(unix)
        listens = listens or kept or any(listener["port"] not in KNOWN_PORTS for listener in listeners)
    if any(map(schemes.asks_for_files, present)):
        labels[ACME_WEBROOT] = "httpd_sys_content_t"
    lines = ["; Written by pyweb.stack: change the inventory instead."]
    for path, label in sorted(labels.items()):
        lines.append(f'(filecon "{re.escape(path)}(/.*)?" any (system_u object_r {label} ((s0) (s0))))')
    if sockets:
        lines.append(
            "; A uWSGI that systemd starts is an unconfined service, which no web server may talk to by itself."
        )
        lines.append("(allow httpd_t unconfined_service_t (unix_stream_socket (connectto)))")
    if ports:
        lines.append("(allow httpd_t port_type (tcp_socket (name_connect)))")
    if listens:
        lines.append("(allow httpd_t port_type (tcp_socket (name_bind)))")
    return {"text": "\n".join(lines) + "\n", "paths": sorted(labels)}
