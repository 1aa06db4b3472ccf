# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of `django_build`: separate secrets, digest local sources, upload missing ones."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pyweb.stack.plugins.module_utils.build import source as sources
from ansible_collections.pyweb.stack.plugins.module_utils.build import tree
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.model.types import Site, Source
from ansible_collections.pyweb.stack.plugins.plugin_utils import waiting
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute
from ansible_collections.pyweb.stack.plugins.plugin_utils.plain import plain

# The maximum size in bytes of packed sources in the first call: up to this size, cheaper than a second call.
INLINE = 256 * 1024
USUAL = "the first build of a site takes about a minute, a later one some seconds"


class ActionModule(ActionBase):
    """Runs the module with the controller's small sources; again with the large ones that it then needs."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        if not isinstance(arguments.get("sites"), list):
            raise AnsibleActionFail("sites is missing or no list; expected web_sites | pyweb.stack.sites")
        sites, secrets = split_secrets(arguments["sites"])
        with tempfile.TemporaryDirectory() as folder:
            packed, unpacked = _all_packed(sites, folder)
            small = {name: _base64(path) for name, path in packed.items() if os.path.getsize(path) <= INLINE}
            hidden = {"sites": secrets, "environment": arguments.pop("environment", {})}
            arguments = {**arguments, "sites": sites, "secrets": json.dumps(hidden), "inline": small}
            arguments["unpacked"] = unpacked
            result.update(self._module(arguments, task_vars))
            wanted = result.pop("uploads_wanted", [])
            if wanted:
                # The first call created users and directories and reported missing builds; this one makes them.
                prepared = result["made"]
                uploads = {name: self._bring(name, packed[name]) for name in wanted}
                result.update(self._module({**arguments, "uploads": uploads}, task_vars))
                result["made"] = list(dict.fromkeys(prepared + result.get("made", [])))
                result["changed"] = True
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _module(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        doing = f"building {waiting.names(arguments['sites'])}"
        return execute(self, "pyweb.stack.django_build", arguments, task_vars, doing, USUAL)

    def _bring(self, name: str, archive: str) -> str:
        """Copy an archive to the host; return its path there."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        there = self._connection._shell.join_path(self._connection._shell.tmpdir, f"{name}-{os.path.basename(archive)}")
        return str(self._transfer_file(archive, there))


def _all_packed(sites: list[Site], folder: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the archives of the sites with a source on the controller, and why some have none; by site name."""
    packed, unpacked = {}, {}
    for site in sites:
        try:
            path = _packed(site, folder)
        except Exception as error:  # does not affect the sources of other sites
            what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            unpacked[site["name"]] = f"the controller cannot read the source: {what or type(error).__name__}"
            continue
        if path:
            packed[site["name"]] = path
    return packed, unpacked


def _packed(site: Site, folder: str) -> str:
    """Return the archive of a source on the controller, '' for other sources; note a directory's digest."""
    source: Source = site["source"]
    if not sources.on_controller(source):
        return ""
    if source["kind"] == "archive":
        return source["archive"]
    source["digest"] = tree.digest(source["directory"])
    source["left_out"] = tree.databases(source["directory"])
    path = os.path.join(folder, f"{source['digest']}.tar.gz")
    # A development database is not code, unless the site starts with it.
    seed = site["seed"]["database"]
    tree.pack(source["directory"], path, [seed] if seed else [])
    return path


def _base64(path: str) -> str:
    with open(path, "rb") as stream:
        return base64.b64encode(stream.read()).decode()
