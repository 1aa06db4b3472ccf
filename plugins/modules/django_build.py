#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: django_build
short_description: Make the builds of Django sites
version_added: 0.1.0
description:
  - A build is the code, the virtualenv, the collected static files and the settings overlay of one site, in
    C(/opt/sites/NAME/builds/ID). Its id is a hash of all that goes into it, so a build that is there is right.
  - All steps run as C(build-NAME), an account of the site for nothing else; the finished build belongs to root. Code
    that is used in place and lies in the hands of the site's user is built by that user.
  - A failing step removes what was begun and leaves everything else as it was.
  - Makes the site's accounts and directories as well.
author: [pyweb.stack contributors]
options:
  sites:
    description:
      - Completed sites, as the filters P(pyweb.stack.sites#filter) and P(pyweb.stack.choose_pythons#filter) return
        them.
    type: list
    elements: dict
    required: true
  installer:
    description: What installs requirements. V(uv) is several times faster; V(pip) knows every option of pip.
    type: str
    choices: [uv, pip]
    default: uv
  environment:
    description:
      - The environment of every step that installs or fetches, for instance a proxy, a CA bundle, a package index.
      - Names that only pip reads (E(PIP_INDEX_URL), E(PIP_CERT), ...) are translated for uv.
    type: dict
    default: {}
  web_group:
    description: The group of nginx's workers, which the media belong to. Without it, the platform's own.
    type: str
    default: ""
  secrets:
    description: Internal. The action plugin puts here what may never be shown of O(sites), and O(environment).
    type: str
    default: "{}"
  uploads:
    description: Internal. The sources that the action plugin copied to the host, site name to file.
    type: dict
    default: {}
  inline:
    description: Internal. The small sources that travel with the call, site name to base64.
    type: dict
    default: {}
  unpacked:
    description: Internal. The sources that the action plugin could not pack, site name to the reason.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Predicts which builds would be made; a branch is looked up, nothing is fetched or run.
  diff_mode:
    support: full
    description: Shows the inputs of the build before and after.
seealso:
  - module: pyweb.stack.uwsgi_release
"""

EXAMPLES = r"""
- name: Build all sites
  pyweb.stack.django_build:
    sites: "{{ web_sites | pyweb.stack.sites | pyweb.stack.choose_pythons(offered, ansible_facts.pyweb.pythons) }}"
  register: django_builds
"""

RETURN = r"""
builds:
  description: Site name to the build's manifest.
  returned: success
  type: dict
  contains:
    id:
      description: The build's id; empty in check mode where it cannot be known yet.
      type: str
    path:
      description: Where the build lies.
      type: str
    wsgi:
      description: The WSGI entry, given or discovered.
      type: str
    settings_module:
      description: The project's own settings module, given or discovered.
      type: str
    django:
      description: The version of Django that was installed.
      type: str
    check:
      description: What C(check --deploy) said.
      type: str
    subject:
      description: The first line of the commit's message.
      type: str
    predicted:
      description: Present in check mode when the build would have to be made.
      type: bool
made:
  description: What was made or, in check mode, would be, each after the name of its site.
  returned: success
  type: list
  elements: str
sites_after:
  description:
    - What a report needs to know of the sites, and what a play needs that goes on with the others. C(made) is as in
      RV(made), C(builds) has the id and the notes of the sites that have a build.
    - C(live) is site name to what is live there, as M(pyweb.stack.uwsgi_release) returns it.
    - C(faulty) are the names of the sites that have no build, C(others) those of the sites that do not need them.
  returned: failure
  type: dict
"""

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.build.run import Run
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import why_not_root
from ansible_collections.pyweb.stack.plugins.module_utils.host.live import live
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import NICENESS
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout

SPEC: dict[str, dict[str, Any]] = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    "installer": {"type": "str", "choices": ["uv", "pip"], "default": "uv"},
    # The action plugin takes it out and puts it among the secrets: a proxy's URL may have a password in it.
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "web_group": {"type": "str", "default": ""},
    "secrets": {"type": "str", "default": "{}", "no_log": True},
    "uploads": {"type": "dict", "default": {}},
    "inline": {"type": "dict", "default": {}, "no_log": True},  # no secret, but nothing for the journal either
    "unpacked": {"type": "dict", "default": {}},
}


# What of a manifest stands below an error. The rest of it lies with the build.
SHORT = ("id", "predicted", "notes", "hints")


def in_short(build: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a build beside the fault of another site."""
    return {key: build[key] for key in SHORT if key in build}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if fault := why_not_root():
        module.fail_json(msg=fault)
    # A build compiles and collects for as long as it takes; what the host serves meanwhile comes first.
    os.nice(NICENESS)
    given = module.params
    secrets = json.loads(given["secrets"])
    environment = {name: str(value) for name, value in secrets.get("environment", {}).items()}
    os.environ.update(environment)  # for open_url: proxy and CA bundle

    def fetch(url: str, path: str) -> None:
        # Only here: with cryptography on the host it takes 0.1 s, and most runs fetch nothing themselves.
        from ansible.module_utils.urls import open_url

        with open_url(url, timeout=60, ca_path=environment.get("SSL_CERT_FILE")) as answer, open(path, "wb") as stream:
            shutil.copyfileobj(answer, stream)

    run = Run(
        secrets=secrets.get("sites", {}),
        environment=environment,
        installer=given["installer"],
        fetch=fetch,
        scratch=module.tmpdir,
        web_group=given["web_group"],
        uploads=given["uploads"],
        inline=given["inline"],
        check_mode=module.check_mode,
        unpacked=given["unpacked"],
    )
    results = run.all(given["sites"])
    if results.faults and not results.uploads_wanted:
        untouched = {"switched": False, "migrations": []}
        module.fail_json(
            msg="\n".join(results.faults),
            changed=bool(results.made),
            sites_after={
                "live": {site["name"]: {**live(Layout.of(site)), **untouched} for site in given["sites"]},
                "made": results.made,
                "builds": {name: in_short(build) for name, build in results.builds.items()},
                "faulty": results.faulty,
                "others": [site["name"] for site in given["sites"] if site["name"] not in results.faulty],
            },
            diff=results.diff,
        )
    module.exit_json(**results.answer())


if __name__ == "__main__":
    main()
