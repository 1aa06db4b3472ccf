# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the firewall opens and closes, as a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.module_utils import firewall
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import beside
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


def firewall_plan(completed: Any, nginx: Any = None, **options: Any) -> dict[str, Any]:
    """Return the plan of `firewall.plan`; `nginx` are the facts of the host's nginx, which may serve other sites."""
    servers = beside.servers(plain(nginx or {}))
    served = sorted({f"{listen['port']}/tcp" for server in servers for listen in server["listens"]})
    try:
        return firewall.plan(plain(completed), **plain(options), served=served)
    except InventoryError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of the role firewalld."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_plan": firewall_plan}
