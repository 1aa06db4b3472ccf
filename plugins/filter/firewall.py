# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the firewall has to open and close, and what of it is ours, as filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.module_utils import firewall
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import FIREWALLD_RECORDS
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain


def firewall_plan(completed: Any, **options: Any) -> dict[str, list[dict[str, str]]]:
    try:
        return firewall.plan(plain(completed), **plain(options))
    except InventoryError as error:
        raise AnsibleFilterError(str(error)) from error


def firewall_record(
    planned: Any, results: Any, opened: Any, purpose: str, closed: bool = False
) -> list[dict[str, Any]]:
    """Return the record of a purpose as `files` of config_set; `closed` once nothing is left to close."""
    todo = plain(planned)
    ours = firewall.record(todo["wanted"], [] if closed else todo["close"], plain(results), plain(opened))
    path = {"path": f"{FIREWALLD_RECORDS}/{plain(purpose)}.json"}
    return [{**path, "content": ours} if ours else {**path, "state": "absent"}]


class FilterModule:
    """The filters of the role firewalld."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_plan": firewall_plan, "firewall_record": firewall_record}
