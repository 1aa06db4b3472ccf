#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_set
short_description: Configure nginx, start it, and check the sites through it, in one call
version_added: 0.2.0
description:
  - Installs the files as M(pyweb.stack.config_set) does, either all of them or none. For the role C(nginx).
  - Creates the log files in C(/var/log/nginx) that the files name before nginx does, with the mode that logrotate uses,
    so that other users cannot read them.
  - Then starts and enables the service if necessary, as M(ansible.builtin.systemd_service) does. If it does not start,
    the error contains its messages from the journal. If another process uses its port, the error names that process.
  - Then requests each site as a visitor does, by its own name at the host's own address, and follows redirects within
    the site. Fails if the last response is an error, or if another server of nginx answers for the site. In the second
    case the error names the file and line of that server.
  - If O(ignore:sites[].health.path) is not set, it also requests one style sheet, script or image that the page names.
  - A response of nginx itself counts as the site's response if the inventory asks for it (C(return), C(auth_basic),
    C(deny)) or if the site is in maintenance.
  - Writes the users of sites with C(nginx.basic_auth), each password as a hash. A hash that still matches its password
    is kept.
  - Installs the certificates of O(certificates) first. The link to a site's certificate and key is changed together
    with nginx's files. If nginx serves another certificate than the file, it is reloaded.
author: [pyweb.stack contributors (@pyweb)]
options:
  service:
    description: The unit to start and enable, for example V(nginx.service). If empty, no unit is started.
    type: str
    default: ''
  sites:
    description:
      - The sites to request, completed, as returned by the filter P(pyweb.stack.sites#filter). Sites with
        C(state=absent) are ignored.
    type: list
    elements: dict
    default: []
  certificates:
    description:
      - The sites whose certificates are to be installed or removed, completed. Sites that have no C(tls) and no
        certificate on the host take no time.
      - A V(selfsigned) certificate is created again 30 days before it expires, and if the domains change. A certificate
        from the inventory is checked again on the host. With C(acme), a self-signed certificate is used until
        M(pyweb.stack.acme_certificates) has got one.
    type: list
    elements: dict
    default: []
  relabel:
    description:
      - Directories of the sites that nginx reads or in which it connects to sockets. If SELinux is enabled and one of
        them does not have the label that the policy has for its path, it is relabelled with everything in it.
    type: list
    elements: str
    default: []
  secrets:
    description:
      - Internal. The action plugin passes the private keys and the users of the inventory in this option, as JSON.
    type: str
    default: ''
extends_documentation_fragment:
  - pyweb.stack.file_set
attributes:
  check_mode:
    support: full
    description:
      - O(check) also runs in check mode, unless its program is not installed yet (see RV(checked)). A unit that does
        not exist yet counts as one to start. No site is requested, because the host is not in its new state yet.
  diff_mode:
    support: full
    description: Shows the files. Of certificates it shows the names and dates.
  platform:
    platforms: linux
    support: full
    description: Linux with systemd.
notes:
  - Needs root. In check mode an ordinary user gets a comparison without the check.
seealso:
  - module: pyweb.stack.config_set
  - module: pyweb.stack.site_doctor
"""

EXAMPLES = r"""
- name: Serve the sites
  pyweb.stack.nginx_set:
    name: nginx
    files:
      - path: /etc/nginx/conf.d/shop.conf
        template: etc/nginx/conf.d/site.conf.j2
        vars:
          site: "{{ shop }}"
    check: [nginx, -t]
    private: [/run, /var/log/nginx]
    apply:
      - [systemctl, reload-or-restart, nginx]
    service: nginx.service
    sites: "{{ web_sites | pyweb.stack.sites }}"
    certificates: "{{ web_sites | pyweb.stack.sites }}"
"""

RETURN = r"""
files:
  description: What happened to each path, or would happen in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The path.
      type: str
    state:
      description: V(created), V(changed), V(removed) or V(unchanged).
      type: str
  sample: [{path: /etc/nginx/nginx.conf, state: changed}]
notes:
  description: The O(files[].note) of every file that changed, and the files that could not be restored.
  returned: success
  type: list
  elements: str
checked:
  description: Whether O(check) ran and accepted the files.
  returned: success
  type: bool
unchecked_because:
  description: The reason why O(check) did not run.
  returned: when RV(checked) is false
  type: str
  sample: nginx is not installed yet
applied:
  description: Whether O(apply) ran.
  returned: success
  type: bool
started:
  description: What was done to O(service), or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: [start, enable]
asked:
  description: A mapping of site names to the requested URLs.
  returned: success
  type: dict
  sample: {shop: "http://shop.example.com/"}
certificates:
  description: A mapping of site names to what happened to the certificate, or would happen in check mode.
  returned: success
  type: dict
  contains:
    state:
      description: V(created), V(renewed), V(changed), V(reloaded), V(removed) or V(unchanged).
      type: str
    ends:
      description: The day on which it expires. Empty if that was not checked.
      type: str
    placeholder:
      description: Whether it is used only until a CA has issued one.
      type: bool
  sample: {shop: {state: created, ends: '2027-12-28', placeholder: false}}
output:
  description: The output of the program that refused or failed, or of the service that did not start.
  returned: when O(check) or O(apply) fails, or O(service) does not start
  type: str
set_after:
  description:
    - RV(notes), RV(started), RV(asked) and RV(certificates) as after a success, and the RV(files) that changed.
    - C(faulty) lists the sites that do not answer, C(others) the sites that do.
  returned: when O(service) does not start, a certificate is wrong, or a site does not answer
  type: dict
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pyweb.stack.plugins.module_utils.host import accounts, files, labels
from ansible_collections.pyweb.stack.plugins.module_utils.host.file_set_module import ARGUMENTS, FILE, FileSetModule
from ansible_collections.pyweb.stack.plugins.module_utils.host.services import ServiceError, start
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError, own_fault
from ansible_collections.pyweb.stack.plugins.module_utils.host.visible import one_line
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import htpasswd, logs
from ansible_collections.pyweb.stack.plugins.module_utils.release.front import STEP, Front, Look
from ansible_collections.pyweb.stack.plugins.module_utils.tls.certificates import Certificates

SPEC: dict[str, Any] = {
    **ARGUMENTS,
    "service": {"type": "str", "default": ""},
    "sites": {"type": "list", "elements": "dict", "default": []},
    "certificates": {"type": "list", "elements": "dict", "default": []},
    "relabel": {"type": "list", "elements": "str", "default": []},
    # The action plugin adds this. Ansible hides the value wherever it shows up, so no text of nginx is the default.
    "secrets": {"type": "str", "default": "", "no_log": True},
}


def main() -> None:
    module = FileSetModule(argument_spec=SPEC, supports_check_mode=True)
    given = module.params
    secrets = json.loads(given["secrets"] or "{}").get("sites", {})
    keys = {name: one["tls_key"] for name, one in secrets.items() if one.get("tls_key")}
    certificates = Certificates(given["certificates"], keys, module.check_mode)
    certificates.prepare()
    for path in [] if module.check_mode else given["relabel"]:
        labels.settle(path)
    given["files"] += logins(secrets)
    done = {**installed(module, certificates), "started": [], "asked": {}}
    refused = done.pop("refused", {})
    try:
        if given["service"]:
            done["started"] = start(given["service"], module.run, module.check_mode)
    except ServiceError as error:
        done["started"] = error.done
        fail(module, done, str(error), output=error.output)
    wrong = settled(module, certificates, refused, done)
    done["changed"] = done["changed"] or bool(done["started"])
    as_before = {*refused, *certificates.faults}
    looks = {} if module.check_mode else looked_at([site for site in given["sites"] if site["name"] not in as_before])
    done["asked"] = {name: look.url for name, look in looks.items()}
    for look in looks.values():
        if look.warning:
            module.warn(one_line(look.warning))
    stays = "nginx keeps its previous configuration of the site"
    faults = {name: str(StepError(name, "nginx", f"{text}; {stays}")) for name, text in refused.items()}
    faults.update(certificates.faults)
    faults.update(wrong)
    faults.update({name: str(StepError(name, STEP, look.wrong)) for name, look in looks.items() if look.wrong})
    if faults:
        present = [site["name"] for site in given["certificates"] if site["state"] == "present"]
        others = [name for name in dict.fromkeys([*looks, *present]) if name not in faults]
        fail(module, {**done, "faulty": list(faults), "others": others}, "\n".join(faults.values()))
    module.exit_json(**done, **shown(module))


def logins(secrets: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files that say who may log in to which site."""
    users = {name: found.get("basic_auth") or {} for name, found in secrets.items()}
    return htpasswd.entries(users, accounts.web_group()) if any(users.values()) else []


def installed(module: FileSetModule, certificates: Certificates) -> dict[str, Any]:
    """Install the files and the links to the certificates; before nginx opens the logs that they name, make these."""
    options: Mapping[str, Any] = FILE
    blank = {key: option.get("default") for key, option in options.items()}
    module.params["files"] += [{**blank, **entry} for entry in certificates.entries()]
    if certificates.unknown:
        module.params["check"] = []  # nginx would miss the certificate
    texts = [file["content"] for file in module.params["files"] if isinstance(file["content"], str)]
    made = logs.ensure(logs.named(texts), module.check_mode)
    try:
        done = module.install(certificates.faults)
    except SystemExit:
        logs.forget([] if module.check_mode else made)
        raise
    found = [file for file in done["files"] if not certificates.is_own(file["path"])]
    if certificates.unknown:
        done["unchecked_because"] = "openssl, which makes the certificate, is not installed yet"
    return {**done, "files": [*found, *made], "changed": done["changed"] or bool(made)}


def settled(
    module: FileSetModule, certificates: Certificates, refused: dict[str, str], done: dict[str, Any]
) -> dict[str, str]:
    """Do what comes after nginx has the certificates; return what is wrong, site -> text.

    nginx is reloaded where it serves another certificate than the file: somebody has replaced it, or a run was killed.
    """
    certificates.finish(refused)
    for name in certificates.faults:
        refused.pop(name, None)
    wrong, stale = {}, certificates.stale()
    for name in stale:
        certificates.changes[name].state = "reloaded"
    if stale and not module.check_mode:
        failed = module.apply_again()
        for name in stale if failed else certificates.stale():
            why = (
                failed or "after a reload it serves it still; look for another server of nginx with this name and port"
            )
            text = f"nginx serves another certificate than {Layout.of(certificates.sites[name]).certificate}: {why}"
            wrong[name] = str(StepError(name, "certificate", text))
    done["certificates"] = certificates.shown()
    done["notes"] = [*done["notes"], *certificates.notes]
    done["changed"] = done["changed"] or certificates.changed
    if "diff" in done:
        others = [one for one in done["diff"] if not certificates.is_own(one.get("before_header", ""))]
        done["diff"] = [*others, *certificates.diff()]
    return wrong


def looked_at(sites: Sequence[Mapping[str, Any]]) -> dict[str, Look]:
    """Ask for every site through nginx; return site name -> what was found."""
    found = {}
    for site in sites:
        name, layout = site["name"], Layout.of(site)
        shell = Shell(name, {})
        try:
            with own_fault(name, shell.mask):
                found[name] = Front.of(shell, site, files.recorded(layout.live_record).get("manifest", {})).look()
        except StepError as error:
            found[name] = Look(error.cause)
    return found


def fail(module: FileSetModule, done: Mapping[str, Any], message: str, **more: Any) -> None:
    """End with an error, and with what was done all the same: in one key, which Ansible shows below the message."""
    after = {key: done[key] for key in ("notes", "started", "asked", "certificates", "faulty", "others") if key in done}
    after["files"] = [file for file in done["files"] if file["state"] != "unchanged"]
    diff = {"diff": done["diff"]} if "diff" in done else {}
    changed = done["changed"] or bool(done["started"])
    module.fail_json(msg=message, changed=changed, set_after=after, **diff, **more, **shown(module))


def shown(module: FileSetModule) -> dict[str, Any]:
    """Return what Ansible shows of the arguments: of files the paths, of sites the names."""
    found = module.shown()
    for key in ("sites", "certificates"):
        found["invocation"]["module_args"][key] = [site["name"] for site in module.params[key]]
    found["invocation"]["module_args"].pop("secrets")
    return found


if __name__ == "__main__":
    main()
