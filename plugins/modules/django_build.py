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
  - All steps run as the site's user; the finished build belongs to root. A failing step removes what was begun and
    leaves everything else as it was.
  - Makes the site's user and directories as well.
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
    predicted:
      description: Present in check mode when the build would have to be made.
      type: bool
"""

import base64
import json
import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.pyweb.stack.plugins.module_utils.build.build import Build
from ansible_collections.pyweb.stack.plugins.module_utils.host import accounts, files
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import NICENESS, Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout

SPEC = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    "secrets": {"type": "str", "default": "{}", "no_log": True},
    "uploads": {"type": "dict", "default": {}},
    "inline": {"type": "dict", "default": {}, "no_log": True},  # no secret, but nothing for the journal either
    "installer": {"type": "str", "choices": ["uv", "pip"], "default": "uv"},
    "web_group": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    # A build compiles and collects for as long as it takes; what the host serves meanwhile comes first.
    os.nice(NICENESS)
    secrets = json.loads(module.params["secrets"])
    environment = {name: str(value) for name, value in secrets.pop("environment", {}).items()}
    group = accounts.web_group(module.params["web_group"])
    os.environ.update(environment)  # for open_url: proxy and CA bundle

    def fetch(url: str, path: str) -> None:
        with open_url(url, timeout=60, ca_path=environment.get("SSL_CERT_FILE")) as answer, open(path, "wb") as stream:
            shutil.copyfileobj(answer, stream)

    builds, missing, made, diff, faults = {}, {}, [], [], []
    for site in module.params["sites"]:
        name = site["name"]
        if site["state"] != "present":
            continue
        try:
            changes = accounts.ensure(
                Layout.of(site), site["user"], site["managed_user"], group, Shell(name, environment), module.check_mode
            )
            made += [f"{name}: {one}" for one in changes]
            if module.check_mode and changes:
                # Without the site's user nothing can be asked; what is missing here has no build yet.
                builds[name] = {"id": "", "predicted": True}
                made.append(f"{name}: a build")
                continue
            upload = module.params["uploads"].get(name) or unpacked(module, name)
            build = Build(site, secrets["sites"][name], environment, module.params["installer"], fetch, upload)
            build_id = build.identify()
            builds[name] = build.present(build_id)
            if not builds[name]:
                builds[name] = {"id": build_id, "predicted": True}
                made.append(f"{name}: build {build_id}, {built_with(site)}")
                diff.append({"before": "", "after": f"build {build_id}\n", "before_header": name, "after_header": name})
                missing[name] = build
        except StepError as error:
            faults.append(str(error))
    uploads = [name for name, build in missing.items() if build.needs_upload()]
    if module.check_mode or uploads:
        missing = {}  # only predicted, or made by the call that comes with the uploads
    for name, build in missing.items():
        try:
            with files.locked(name):
                # Another run may have made it while this one waited.
                builds[name] = build.present(builds[name]["id"]) or build.make(builds[name]["id"])
        except StepError as error:
            faults.append(str(error))
    result = {"changed": bool(made), "builds": builds, "made": made, "diff": diff}
    if uploads and not module.check_mode:
        module.exit_json(uploads_wanted=uploads, **result)
    if faults:
        module.fail_json(msg="\n".join(faults), changed=bool(made), diff=diff)
    module.exit_json(**result)


def built_with(site: dict) -> str:
    """Which Python was chosen, for those who said `auto`."""
    if site["virtualenv"]:
        return "the system's Python" if site["virtualenv"] == "none" else f"the virtualenv {site['virtualenv']}"
    chosen = site["interpreter"]
    return f"Python {chosen['version']}" if chosen["version"] else chosen["path"]


def unpacked(module: AnsibleModule, name: str) -> str:
    """The archive that came with the call, as a file; '' where none did."""
    if module.check_mode or name not in module.params["inline"]:
        return ""
    path = os.path.join(module.tmpdir, f"{name}.archive")
    with open(path, "wb") as stream:
        stream.write(base64.b64decode(module.params["inline"][name]))
    return path


if __name__ == "__main__":
    main()
