# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Report the faults of an inventory once.

For an exception, Ansible shows every step of its chain (<<< caused by >>>), each with the whole message; for a result,
it shows only the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError

_UNDEFINED = re.compile(r"'[^'\n]+' is undefined|'[^'\n]+' has no attribute '[^'\n]+'")


def said(error: BaseException) -> str:
    """Return the fault of the inventory in an exception of Ansible; '' if it is about something else."""
    chain = list(_chain(error))
    for found in chain:
        if isinstance(found, InventoryError):
            return str(found)
    for found in reversed(chain):
        undefined = _UNDEFINED.search(str(found))
        if undefined:
            return (
                f"a variable that the inventory uses has no value: {undefined[0]}; define it for this host "
                "(group_vars, host_vars, a vault file), or pass it with -e"
            )
    return ""


def once(action: type[Any]) -> type[Any]:
    """Return an action whose result is the fault of the inventory; its `fail_msg` is the last line."""

    class Once(action):  # type: ignore[misc]  # Ansible has no types
        def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
            try:
                return dict(super().run(tmp, task_vars))
            except AnsibleError as error:
                wrong = said(error)
                if not wrong:
                    raise
                lines = [wrong, str(self._task.args.get("fail_msg") or "")]
                return {"failed": True, "changed": False, "msg": "\n".join(line for line in lines if line)}

    return Once


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, the innermost last."""
    found: BaseException | None = error
    seen: list[BaseException] = []
    while found is not None and found not in seen:
        yield found
        seen.append(found)
        found = found.__cause__ or getattr(found, "orig_exc", None) or found.__context__
