# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hide secrets in a module's messages for people. The module hides what it knows, but not if it crashed itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell
from ansible_collections.pyweb.stack.plugins.module_utils.model.secrets import hidden_values, own_names

# The keys of a result that people read. The others are for later tasks, which need them unchanged.
READ = ("diff", "exception", "module_stderr", "module_stdout", "msg", "stderr", "stdout", "warnings")


def hide(result: dict[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result without the secrets in its module's arguments, in any form."""
    if not isinstance(arguments.get("secrets"), str):
        return result
    carried = json.loads(arguments["secrets"])
    shell = Shell("", {})
    environment = {name: str(value) for name, value in (carried.get("environment") or {}).items()}
    names = {site["name"]: own_names(site) for site in arguments.get("sites", [])}
    for name, secrets in carried.get("sites", {}).items():
        for text in hidden_values(secrets, environment, names.get(name, ())):
            shell.hide(text)
    return {key: _masked(value, shell.mask) if key in READ else value for key, value in result.items()}


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _masked(item, mask) for key, item in value.items()}
    return [_masked(item, mask) for item in value] if isinstance(value, list) else value
