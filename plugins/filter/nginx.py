# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From completed sites to nginx's files, as a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import render as nginx
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


def nginx_files(completed: Any, platform: Any, **options: Any) -> list[dict[str, Any]]:
    try:
        return nginx.files(plain(completed), plain(platform), **plain(options))
    except InventoryError as error:
        raise AnsibleFilterError(str(error)) from error


def nginx_leaves(completed: Any, host: Any) -> bool:
    return nginx.leaves(plain(completed), plain(host))


class FilterModule:
    """The filters of the role nginx."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"nginx_files": nginx_files, "nginx_leaves": nginx_leaves}
