#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: django_build
short_description: Build Django sites
version_added: 0.1.0
description:
  - A build is the code, the virtualenv, the collected static files and the settings overlay of one site, in
    C(/opt/sites/NAME/builds/ID). Its id is a hash of all its inputs, so an existing build is never made again.
  - All steps run as C(build-NAME), an account that is used for nothing else. The finished build is owned by root. Code
    that is used in place and that the site's user can change is built by that user.
  - If a step fails, the unfinished build is removed and everything else stays as it was.
  - Also creates the site's accounts and directories.
author: [pyweb.stack contributors (@pyweb)]
options:
  sites:
    description:
      - The completed sites, as returned by the filters P(pyweb.stack.sites#filter) and
        P(pyweb.stack.choose_pythons#filter).
    type: list
    elements: dict
    required: true
  installer:
    description:
      - The program that installs requirements. V(uv) is several times faster. V(pip) supports every option of pip.
    type: str
    choices: [uv, pip]
    default: uv
  environment:
    description:
      - Environment variables for every step that downloads or installs something, for example a proxy, a CA bundle or a
        package index.
      - Variables that only pip reads (E(PIP_INDEX_URL), E(PIP_CERT), ...) are translated for uv.
    type: dict
    default: {}
  web_group:
    description: The group of nginx's workers, which owns the media files. If empty, the platform's default is used.
    type: str
    default: ""
  secrets:
    description: Internal. The action plugin passes the secret parts of O(sites), and O(environment), in this option.
    type: str
    default: "{}"
  uploads:
    description: Internal. The sources that the action plugin copied to the host, a mapping of site names to files.
    type: dict
    default: {}
  inline:
    description: Internal. Small sources that are sent with the call, a mapping of site names to base64.
    type: dict
    default: {}
  unpacked:
    description: Internal. The sources that the action plugin could not pack, a mapping of site names to reasons.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Predicts which builds would be made. A branch is looked up; nothing is downloaded or run.
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
  description: A mapping of site names to the manifests of the builds.
  returned: success
  type: dict
  contains:
    id:
      description: The id of the build. Empty in check mode if it is not known yet.
      type: str
    path:
      description: The directory of the build.
      type: str
    wsgi:
      description: The WSGI entry point, given or discovered.
      type: str
    settings_module:
      description: The project's own settings module, given or discovered.
      type: str
    django:
      description: The version of Django that was installed.
      type: str
    check:
      description: The output of C(check --deploy).
      type: str
    subject:
      description: The first line of the commit's message.
      type: str
    predicted:
      description: Present in check mode if the build would have to be made.
      type: bool
made:
  description: What was made, or would be made in check mode, each after the name of its site.
  returned: success
  type: list
  elements: str
sites_after:
  description:
    - The state of the sites, for a report and for a play that continues with the others. C(made) is as in RV(made).
      C(builds) has the id and the notes of the sites that have a build.
    - C(live) is a mapping of site names to what is live there, as M(pyweb.stack.uwsgi_release) returns it.
    - C(faulty) lists the sites whose build failed, C(others) all other sites.
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
