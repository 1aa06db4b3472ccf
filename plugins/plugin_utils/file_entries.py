# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `files` of `config_set` and `nginx_set`, with their templates replaced by text."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible.utils.unsafe_proxy import wrap_var


def rendered(action: Any, files: Any, variables: dict[str, Any]) -> list[dict[str, Any]]:
    """Render the templates of an action's files through Ansible's own lookup, so that they see what any other would.

    Raises AnsibleActionFail.
    """
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise AnsibleActionFail(f"files is a {type(files).__name__}; expected a list of mappings, each with a path")
    return [_rendered(action, file, variables) for file in files]


def _rendered(action: Any, file: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    if file.get("template") is None or file.get("content") is not None or file.get("link") is not None:
        return file
    lookup = lookup_loader.get("ansible.builtin.template", loader=action._loader, templar=action._templar)
    # Data are not templates: ansible-core 2.16 to 2.18 would evaluate a `{{` in a value.
    given = wrap_var(dict(file.get("vars") or {}))
    try:
        [text] = lookup.run([file["template"]], variables, template_vars=given)
    except AnsibleError as error:
        message = f"{file.get('path')}: template {file['template']} cannot be rendered: {error}"
        raise AnsibleActionFail(message) from error
    return {**{key: value for key, value in file.items() if key not in ("template", "vars")}, "content": text}
