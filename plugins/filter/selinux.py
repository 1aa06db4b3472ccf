# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What SELinux must allow, as a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.pyweb.stack.plugins.module_utils import selinux
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


def selinux_policy(completed: Any, domain: str = selinux.SERVICE) -> dict[str, Any]:
    return selinux.policy(plain(completed), str(domain))


class FilterModule:
    """The filter of the role nginx for hosts with SELinux."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"selinux_policy": selinux_policy}
