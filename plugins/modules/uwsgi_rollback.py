#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: uwsgi_rollback
short_description: Make an earlier release of a Django site live again
version_added: 0.1.0
description:
  - Starts a release that M(pyweb.stack.uwsgi_release) made earlier, and requests it until it passes the health checks
    with which it went live. Then it switches C(current) to it, waits until the other release has finished its requests,
    and stops that one. No request fails, and nothing is downloaded.
  - Restores code, virtualenv, static files, options and environment of that release. The database and the media files
    are not changed.
  - Refuses if the database has migrations that the release does not know.
  - If nginx serves the site through the role nginx, the site must answer there by its own name at the end. If it
    answered before the rollback but does not afterwards, the rollback is undone. If it did not answer before either,
    the module fails but the rollback stays.
author: [pyweb.stack contributors (@pyweb)]
options:
  sites:
    description: The completed sites, as returned by the filter P(pyweb.stack.sites#filter).
    type: list
    elements: dict
    required: true
  site:
    description: The name of the site. May be omitted if there is only one.
    type: str
    default: ""
  to:
    description: The id of the release. If empty, the release that was live before.
    type: str
    default: ""
  ignore_migrations:
    description: Roll back even if the database has migrations that the release does not know.
    type: bool
    default: false
extends_documentation_fragment: [pyweb.stack.set_by_action.who]
attributes:
  check_mode:
    support: full
    description: Reports whether it would refuse.
  diff_mode:
    support: full
    description: Shows the C(uwsgi.ini) before and after.
seealso:
  - module: pyweb.stack.uwsgi_release
"""

EXAMPLES = r"""
- name: Roll back to the previous release
  pyweb.stack.uwsgi_rollback:
    sites: "{{ web_sites | pyweb.stack.sites }}"
    site: shop

- name: Roll back to a release by its id
  pyweb.stack.uwsgi_rollback:
    sites: "{{ web_sites | pyweb.stack.sites }}"
    site: shop
    to: 5d0c1f9a77be
"""

RETURN = r"""
release:
  description: The id of the live release, or of the one that would be live in check mode.
  returned: success
  type: str
previous:
  description: The release that was live before.
  returned: success
  type: str
releases:
  description: A mapping of the site's name to what is live now, as in RV(pyweb.stack.uwsgi_release#module:releases).
  returned: success
  type: dict
made:
  description: What was done, or would be done in check mode, after the name of the site.
  returned: success
  type: list
  elements: str
sites_after:
  description:
    - The state of the site, for a report. C(live) is as M(pyweb.stack.uwsgi_release) returns it. If the release is live
      but does not answer through nginx, C(releases) and C(made) are as after a success.
  returned: failure
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import why_not_root
from ansible_collections.pyweb.stack.plugins.module_utils.host.live import code, live
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import nearest
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.types import Site
from ansible_collections.pyweb.stack.plugins.module_utils.release.rollback import roll_back, wrong_id
from ansible_collections.pyweb.stack.plugins.module_utils.release.shelf import Shelf

SPEC: dict[str, Any] = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    "site": {"type": "str", "default": ""},
    "to": {"type": "str", "default": ""},
    "ignore_migrations": {"type": "bool", "default": False},
    # The action plugin adds this.
    "who": {"type": "str", "default": ""},
}


def pick(sites: list[Site], name: str) -> Site:
    """Return the site of this name, or the only one where `name` is ''. Raises ValueError that says what is wrong."""
    present = {site["name"]: site for site in sites if site["state"] == "present"}
    if not name and len(present) > 1:
        raise ValueError(f"which site? rollback_site is one of {', '.join(present)}")
    name = name or next(iter(present), "")
    if name not in present:
        raise ValueError(f"there is no site {name!r}{nearest(name, present)}")
    return present[name]


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if fault := why_not_root():
        module.fail_json(msg=fault)
    given = module.params
    try:
        layout = Layout.of(pick(given["sites"], given["site"]))
    except ValueError as error:
        module.fail_json(msg=str(error))
    if wrong := wrong_id(given["to"]):
        module.fail_json(msg=f"to is {wrong}")
    before = live(layout)["id"]
    try:
        asked = given["to"], given["who"], given["ignore_migrations"]
        change, unanswered = roll_back(layout, *asked, module.check_mode)
    except StepError as error:
        now = live(layout)
        after = {layout.name: {**now, "switched": now["id"] != before, "migrations": []}}
        module.fail_json(msg=str(error), sites_after={"live": after})
    header = layout.live_ini
    manifest = Shelf(layout).record_of(change.release).get("manifest", {})
    release = {"id": change.release, "previous": change.previous, "migrations": [], **code(manifest)}
    done = {
        "releases": {layout.name: release},
        "made": [f"{layout.name}: {text}" for text in change.what],
    }
    diff = {"before_header": header, "after_header": header, "before": change.before, "after": change.after}
    if unanswered:
        module.fail_json(msg=str(unanswered), changed=bool(change.what), diff=diff, sites_after=done)
    module.exit_json(changed=bool(change.what), release=change.release, previous=change.previous, diff=diff, **done)


if __name__ == "__main__":
    main()
