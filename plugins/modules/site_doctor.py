#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: site_doctor
short_description: Find out which part of the chain between a client and a Django site is broken, why, and how to fix it
version_added: 0.1.0
description:
  - Checks the chain of each site from outside to inside, which is client, name, firewalld, host, nginx, location,
    socket, uWSGI, application, Django, database, static files, media and background processes. For each part it
    reports whether it is ok, broken, degraded or unknown, with the evidence, the cause and the fix.
  - Finds out how a site is set up from C(nginx -T), the process table, the sockets and the ini file with which uWSGI
    was started. It therefore also works on a host that was set up by hand.
  - For HTTPS it checks the certificate that is served and the file that it comes from, who renews it and whether the
    last renewal succeeded, redirects, and proxies in front of nginx.
  - It speaks the HTTP and uwsgi protocols itself, to the address in C(uwsgi_pass) or C(proxy_pass).
  - It changes nothing, needs only Python on the host, and takes less than five seconds for each site.
  - The module does not fail if a site is broken. Check RV(broken).
author: [pyweb.stack contributors (@pyweb)]
options:
  sites:
    description:
      - The sites, each with at least C(name) and C(domains). Both C(web_sites) as it is and completed sites are
        accepted.
      - Only the keys that the doctor needs are sent to the host. No secret is among them.
    type: list
    elements: dict
    required: true
  names:
    description:
      - Check only these sites. It is an error if a name is not in O(sites). The error lists the names that are.
    type: list
    elements: str
    default: []
  deep:
    description:
      - Also start parts of the chain on loopback addresses, as the site's user. In this order, Django alone, uWSGI
        alone with a hello-world application over HTTP, uWSGI with Django over HTTP, then over a socket, then behind an
        nginx. The fault is in the first of these steps that fails.
      - Takes some seconds for each site. Afterwards the module stops everything that it started and removes what it
        wrote below C(/tmp).
    type: bool
    default: false
  patience:
    description:
      - How many seconds to wait for an answer. A site takes at most about one second longer than this.
      - Increase it for a slow host if too many parts are reported as V(unknown).
    type: float
    default: 4
  controller_time:
    description:
      - The clock of the controller, in seconds since 1970, to compare the host's clock with. Set by the action plugin.
    type: float
    default: 0
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: pyweb.stack.uwsgi_ping
  - module: pyweb.stack.doctor_report
"""

EXAMPLES = r"""
- name: Check a site that was set up by hand
  pyweb.stack.site_doctor:
    sites:
      - name: mysite
        domains: [example.com]
  register: doctor

- name: Show the cause and the fix
  ansible.builtin.debug:
    msg: "{{ doctor.sites[0].first.cause }} -- {{ doctor.sites[0].first.fix }}"
  when: doctor.broken

- name: Also start parts of the chain, to find the first that fails
  pyweb.stack.site_doctor:
    sites: "{{ web_sites }}"
    names: [mysite]
    deep: true
"""

RETURN = r"""
broken:
  description: Whether any part of any site is broken.
  returned: always
  type: bool
sites:
  description: One entry for each site, in the order of O(sites).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The site's name.
      type: str
    domains:
      description: Its domains. In a wildcard, the star is replaced by V(www).
      type: list
      elements: str
    managed:
      description: Whether this collection has released the site on this host.
      type: bool
    status:
      description: The worst status of its parts, V(ok), V(unknown), V(degraded) or V(broken).
      type: str
      sample: broken
    seconds:
      description: How long the check took, without the steps of O(deep).
      type: float
    first:
      description:
        - The first fault that is not a consequence of another one. Null if there is none.
        - Its keys are those of RV(sites[].hops[].faults).
      type: dict
      sample:
        fault: socket.protocol
        hop: socket
        status: broken
        cause: >-
          protocol mismatch: nginx speaks uwsgi (uwsgi_pass) to 127.0.0.1:8001, where uWSGI's HTTP router (--http)
          listens: it waits for HTTP, and nginx gives up with 504
        fix: >-
          either start uWSGI with `socket = 127.0.0.1:8001` instead of `http = 127.0.0.1:8001`, or use
          `proxy_pass http://127.0.0.1:8001;` instead of `uwsgi_pass 127.0.0.1:8001;`
        evidence: ["a uwsgi request to 127.0.0.1:8001: no complete answer within 2.5 s; one in http was answered"]
        follows: ""
    hops:
      description: The parts of the chain, from outside to inside.
      type: list
      elements: dict
      contains:
        hop:
          description:
            - Its name, V(client), V(name), V(firewalld), V(host), V(nginx), V(location), V(socket), V(uwsgi), V(app),
              V(django), V(database), V(static), V(media) or V(background).
          type: str
        status:
          description: V(ok), V(broken), V(degraded) or V(unknown).
          type: str
        evidence:
          description: What was found, for example the exact line, errno, mode or header.
          type: list
          elements: str
        cause:
          description: The cause in one sentence. Empty if the part is ok.
          type: str
        fix:
          description: The inventory variable or the command that fixes it.
          type: str
        follows:
          description: The part whose fault caused this one.
          type: str
        faults:
          description:
            - All faults of the part, the worst first, each with C(fault), C(hop), C(status), C(cause), C(fix),
              C(evidence) and C(follows).
          type: list
          elements: dict
    changes:
      description:
        - What has changed since the host's own timer last found that the site worked; see C(docs/monitoring.md). Null
          if the site is neither broken nor degraded, or if the timer has never found that it worked.
      type: dict
      contains:
        since:
          description: When that was, in seconds since 1970.
          type: float
        how:
          description: V(ok) if everything was ok then, V(degraded) if the site was degraded then and is broken now.
          type: str
        found:
          description:
            - The changes, each with C(kind) and C(what). C(kind) is one of V(release), V(package), V(unit), V(nginx),
              V(certificate) and V(disk), C(what) is a description. Empty if no change was found.
          type: list
          elements: dict
    ladder:
      description: The steps of O(deep), in the order in which they ran.
      type: list
      elements: dict
      contains:
        rung:
          description: What was started.
          type: str
        status:
          description: V(ok), V(broken), or V(unknown) for a step that did not run.
          type: str
        evidence:
          description: The result of the step.
          type: list
          elements: str
        cause:
          description: Why it failed.
          type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.examine import RequestError, examine
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import why_not_root

SPEC: dict[str, Any] = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "deep": {"type": "bool", "default": False},
    "patience": {"type": "float", "default": 4},
    "controller_time": {"type": "float", "default": 0},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if fault := why_not_root():
        module.fail_json(msg=fault)
    try:
        found = examine(module.params)
    except RequestError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
