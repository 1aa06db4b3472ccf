# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sites for the later steps of a run, after a build or a release of some has failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import upstreams


def sites_after(sites: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the completed sites without those that have nothing to serve after their failure.

    `results` are those of `django_build` and `uwsgi_release`. A site whose previous release is still live is kept, as
    `kept`: its configuration of nginx and the firewall is not changed, and its `nginx.upstream` is that release's. A
    site that is to be absent and could not be removed is left out.
    """
    failed = _failed(results)
    found = []
    for site in sites:
        live = failed.get(site["name"])
        if live is None:
            found.append(dict(site))
        elif live.get("id") and site["state"] == "present":
            found.append({**site, "kept": True, "nginx": {**site["nginx"], "upstream": _upstream(site, live)}})
    return found


def _failed(results: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the live release of each site whose change failed: site name -> live.

    If the new release is live, whatever failed after the switch, this is no failure for the later steps.
    """
    found = {}
    for result in results:
        after = (result.get("sites_after") or {}) if result.get("failed") else {}
        for name in after.get("faulty") or []:
            live = after["live"].get(name) or {}
            if not live.get("switched"):
                found[name] = live
    return found


def _upstream(site: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Return where nginx finds the live release: not at a new place that only the inventory has."""
    given, layout, before = list(site["nginx"]["upstream"]), Layout.of(site), live.get("socket")
    moved = before is not None and given == upstreams(site["uwsgi"]["socket"], layout)
    return upstreams(list(before or []), layout) if moved else given
