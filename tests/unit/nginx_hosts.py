"""Facts of hosts with an nginx of the administrator, as `state.look` returns them, made from an nginx.conf."""

from __future__ import annotations

import json
from unittest import mock

from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, state

MAIN = "/etc/nginx/nginx.conf"


def host(text, defaults=(), live_ipv6=(), **more):
    """Return the facts of a host with this `nginx -T`; files of the collection have the mark in their first line."""
    files = dict(part.split(":\n", 1) for part in text.split("# configuration file ")[1:])
    ours = {name for name, content in files.items() if "pyweb.stack.nginx" in content.partition("\n")[0]}
    with mock.patch.object(state, "is_ours", lambda path: path in ours):
        found = state._of_config(dump.parse(text), list(defaults), set(live_ipv6))
    base = {"main": "foreign", "user": "web", "group": "web", "sites": [], "kept": [], "taken": []}
    base |= {"sites_enabled": True, "packaged_defaults": [], "beside": False, "default_link": False}
    # As they arrive on the controller: tuples become lists.
    return json.loads(json.dumps({**base, **found, "idle_files": [], **more}))


def conf(**files):
    """Return `nginx -T` of an nginx.conf and of files in conf.d."""
    texts = {MAIN: files.pop("main"), **{f"/etc/nginx/conf.d/{name}.conf": text for name, text in files.items()}}
    return "".join(f"# configuration file {name}:\n{text}\n" for name, text in texts.items())
