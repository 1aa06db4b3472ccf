# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Groups that the user of nginx got after nginx was started: its workers do not have them."""

from __future__ import annotations

from .evidence import Host, Site

# A reload starts new workers with the new groups too, but a restart is better known.
RESTART = "systemctl restart nginx"


def restart_for_group(site: Site, host: Host, name: str) -> str:
    """Return why nginx must be restarted before its worker may use a path or an address; '' if it need not be."""
    if name not in site.directives.regrouped:
        return ""
    worker = host.nginx.worker_name
    return (
        f"{worker} is in a group that may, but nginx runs without this group: {worker} was added to it after nginx "
        "started"
    )
