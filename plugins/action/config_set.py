# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of `config_set`: render the templates, then pass all files to one module call."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible.utils.unsafe_proxy import wrap_var


class ActionModule(ActionBase):  # type: ignore[misc]
    """Renders through Ansible's own template lookup, so that templates see what they would see anywhere else."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        files = self._task.args.get("files")
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise AnsibleActionFail(f"files is a {type(files).__name__}; wanted a list of mappings, each with a path")
        arguments = {**self._task.args, "files": [self._rendered(file, variables) for file in files]}
        result.update(self._execute_module("pyweb.stack.config_set", module_args=arguments, task_vars=variables))
        return result

    def _rendered(self, file: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Return the file's entry with its template replaced by the text that it gives."""
        if file.get("template") is None or file.get("content") is not None or file.get("link") is not None:
            return file
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        # What is data stays data: ansible-core 2.16 to 2.18 would take a `{{` in a value for a template.
        given = wrap_var(dict(file.get("vars") or {}))
        try:
            [text] = lookup.run([file["template"]], variables, template_vars=given)
        except AnsibleError as error:
            message = f"{file.get('path')}: template {file['template']} cannot be rendered: {error}"
            raise AnsibleActionFail(message) from error
        return {**{key: value for key, value in file.items() if key not in ("template", "vars")}, "content": text}
