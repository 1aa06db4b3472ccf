#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: acme_certificates
short_description: Request certificates for sites from an ACME CA, and enable their renewal
version_added: 0.2.0
description:
  - Calls the distribution's C(certbot) for each site with O(ignore:sites[].tls.acme) whose certificate is missing or
    does not match the site, under the name C(pyweb-NAME). If all certificates are in place, no CA is contacted and
    nothing changes.
  - After it has got or renewed a certificate, C(certbot) calls a script of the site. The script makes nginx serve the
    certificate, and keeps the old one if nginx refuses the new one. Renewal does not need Ansible.
  - Enables and starts the timer of C(certbot) if necessary.
  - Then checks that HTTPS at the host's own address serves the new certificate.
  - If a step fails for a site, the site is served as before. The error gives the cause first, then the message of the
    CA.
  - Ends the renewal of a certificate whose site is V(absent) or has another kind of O(sites[].tls). Certificates of
    C(certbot) that do not belong to this collection are not changed.
author: [pyweb.stack contributors (@pyweb)]
options:
  sites:
    description: The completed sites, as returned by the filter P(pyweb.stack.sites#filter).
    type: list
    elements: dict
    required: true
    suboptions:
      tls:
        description: Where the certificate of the site comes from.
        type: dict
extends_documentation_fragment: [pyweb.stack.set_by_action.secrets]
attributes:
  check_mode:
    support: full
    description:
      - Predicts the changes without contacting a CA. What the host's C(certbot) does not support is refused as well.
  diff_mode:
    support: none
    description: A certificate has no text to compare.
  platform:
    platforms: linux
    support: full
    description: Linux with systemd.
notes:
  - Needs root. Call M(pyweb.stack.nginx_set) before, so that nginx answers the CA on port 80.
  - C(certbot) writes its log to C(/var/log/letsencrypt/letsencrypt.log).
seealso:
  - module: pyweb.stack.nginx_set
"""

EXAMPLES = r"""
- name: Request missing certificates
  pyweb.stack.acme_certificates:
    sites: "{{ web_sites | pyweb.stack.sites }}"
"""

RETURN = r"""
made:
  description: What was done, or would be done in check mode, each after the name of its site.
  returned: success
  type: list
  elements: str
  sample: ["shop: certificate for shop.example.com from acme-v02.api.letsencrypt.org: there is none"]
host:
  description: What was done, or would be done, on the host for all certificates.
  returned: success
  type: list
  elements: str
  sample: ["certbot-renew.timer: start, enable"]
sites_after:
  description:
    - C(made) and C(host) are as in RV(made) and RV(host).
    - C(faulty) lists the sites that failed, C(others) the sites that are in the requested state.
  returned: failure
  type: dict
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import files
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import why_not_root
from ansible_collections.pyweb.stack.plugins.module_utils.host.services import ServiceError
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import (
    BASE_ENVIRONMENT,
    Shell,
    StepError,
    own_fault,
)
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.secrets import hidden_values, own_names
from ansible_collections.pyweb.stack.plugins.module_utils.tls import acme_found, acme_leave, acme_request, acme_timer
from ansible_collections.pyweb.stack.plugins.module_utils.tls.acme_issue import STEP, Certificate

SPEC: dict[str, Any] = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    # The action plugin adds these.
    "secrets": {"type": "str", "default": "{}", "no_log": True},
}


@dataclass
class Certificates:
    """The certificates of all sites of a host, and what was, or in check mode would be, done."""

    secrets: Mapping[str, Any]
    run: acme_found.Run
    check_mode: bool
    made: list[str] = field(default_factory=list)
    host: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    faulty: list[str] = field(default_factory=list)

    def apply(self, site: Mapping[str, Any]) -> None:
        """Do what is wanted for one site; a fault of one does not keep the others from it."""
        name, secrets = site["name"], self.secrets.get(site["name"], {})
        shell = Shell(name, {}, hidden_values(secrets, None, own_names(site)) if secrets else [])
        try:
            with own_fault(name, shell.mask), files.locked(name):
                if acme_request.is_acme(site):
                    self._refuse(site)
                    self._made(site, Certificate(site, secrets, shell, self.check_mode).ensure())
                elif acme_found.lineage(name):
                    purge = site["state"] == "absent" and bool(site.get("purge"))
                    gone = acme_leave.end(Layout.of(site), purge, self.run, self.check_mode)
                    self._made(site, [f"certificate: removed {path}" for path in gone])
        except StepError as error:
            self.faults.append(str(error))
            self.faulty.append(name)

    def renew(self, sites: list[dict[str, Any]]) -> None:
        """Have what is there renewed by the host itself."""
        if not any(acme_request.is_acme(site) for site in sites):
            return
        try:
            self.host += acme_timer.ensure_authorities(self.run, self.check_mode)
            if self.check_mode or any(acme_found.lineage(site["name"]) for site in sites):
                steps = acme_timer.ensure(self.run, self.check_mode)
                self.host += [f"{acme_found.timer() or 'the timer of certbot'}: {', '.join(steps)}"] if steps else []
        except (ServiceError, OSError) as error:
            self.faults.append(f"certificates are not renewed by themselves: {error}")

    def _refuse(self, site: Mapping[str, Any]) -> None:
        """Refuse what the host's certbot cannot do. In check mode it may be what the run would install."""
        if not shutil.which("certbot", path=BASE_ENVIRONMENT["PATH"]):
            if self.check_mode:
                return
            raise StepError(
                site["name"],
                STEP,
                "certbot is not installed; install the distribution's package certbot (EL has it in EPEL: dnf install "
                "epel-release)",
            )
        version = acme_found.version() or self.run(["certbot", "--version"])[1]
        for fault in acme_request.faults([site], version):
            raise StepError(site["name"], STEP, fault.partition(": ")[2])

    def _made(self, site: Mapping[str, Any], what: list[str]) -> None:
        self.made += [f"{site['name']}: {text}" for text in what]


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if fault := why_not_root():
        module.fail_json(msg=fault)
    sites = module.params["sites"]
    secrets = json.loads(module.params["secrets"]).get("sites", {})
    certificates = Certificates(secrets, module.run_command, module.check_mode)
    for site in sites:
        certificates.apply(site)
    certificates.renew(sites)
    done = {"made": certificates.made, "host": certificates.host}
    changed = bool(certificates.made or certificates.host)
    if certificates.faults:
        others = [site["name"] for site in sites if site["name"] not in certificates.faulty]
        after = {**done, "faulty": certificates.faulty, "others": others}
        module.fail_json(msg="\n".join(certificates.faults), changed=changed, sites_after=after)
    module.exit_json(changed=changed, **done)


if __name__ == "__main__":
    main()
