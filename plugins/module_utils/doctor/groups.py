# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Groups that the user of nginx got after nginx was started: its workers do not have them."""

from __future__ import annotations

from .evidence import Host, Site

# A reload starts new workers, and these have the groups of now; a restart is what everybody knows.
RESTART = "systemctl restart nginx"


def restart_for_group(site: Site, host: Host, name: str) -> str:
    """Say why nginx has to be restarted before its worker may use a path or an address; '' where that is not it."""
    if name not in site.directives.regrouped:
        return ""
    worker = host.nginx.worker_name
    return (
        f"{worker} is in a group that may, but nginx runs without this group: {worker} was added to it after nginx "
        "started"
    )
