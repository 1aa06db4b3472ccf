# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the variables of roles against their argument specs, as Ansible does at the start of a role.

Ansible does it in one task for each role, when the role starts. The playbooks check all roles in one task, before any
host is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

# Variables that the action `check` checks itself. A role's variable that is made of one of them has the same mistakes.
CHECKED = ("web_sites", "web_roots", "web_tls", "doctor_timer")
ROLES = Path(__file__).resolve().parents[2] / "roles"


def faults(roles: Iterable[str], variables: Mapping[str, Any], template: Callable[[Any], Any]) -> list[str]:
    """Return what the variables of the roles have wrong, a line for each error."""
    found = []
    for role in roles:
        spec = _spec(role)
        defaults = _loaded(f"{role}/defaults/main.yml")
        names = [name for name in spec if name in variables and not _is_checked(variables[name], defaults.get(name))]
        given = {name: plain(template(variables[name])) for name in names}
        asked = {name: spec[name] for name in names}
        told = ArgumentSpecValidator(asked).validate(given, validate_role_argument_spec=True).error_messages
        found += [f"role {role}: {error}" for error in told]
    return found


def _is_checked(value: Any, default: Any) -> bool:
    """Return whether a value is the role's default, and that is made of a variable that `check` checks itself."""
    return isinstance(default, str) and value == default and any(name in default for name in CHECKED)


def _spec(role: str) -> dict[str, Any]:
    """Return the options of a role's main entry point."""
    return cast(dict[str, Any], _loaded(f"{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"])


@cache
def _loaded(path: str) -> dict[str, Any]:
    """Return the content of a YAML file below the roles."""
    return cast(dict[str, Any], plain(DataLoader().load_from_file(str(ROLES / path))))
