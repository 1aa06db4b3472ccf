#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: site_doctor
short_description: Say which hop between a client and a Django site is broken, why, and what mends it
version_added: 0.1.0
description:
  - Walks the chain of every site from outside to inside, client, name, firewalld, host, nginx, location, socket, uWSGI,
    application, Django, database, static files and media, and says of every hop whether it is ok, broken, degraded or
    unknown, by which evidence, for which cause, and what mends it.
  - It finds out by itself how a site is set up, from C(nginx -T), the process table, the sockets and the ini that uWSGI
    was started with, so it works on a host that was set up by hand as well.
  - Of https it looks at the certificate that is served and at the file that it comes from, at who renews it and with
    which success, at redirects, and at proxies in front of nginx.
  - It speaks the protocols itself, to whatever C(uwsgi_pass) or C(proxy_pass) really points to.
  - It changes nothing, needs nothing on the host but Python, and takes less than five seconds a site.
  - A broken site is no failure of the module; look at RV(broken).
author: [pyweb.stack contributors]
options:
  sites:
    description:
      - The sites, each with at least C(name) and C(domains). C(web_sites) will do as it is, completed or not.
      - Only what the doctor needs of them leaves the controller, and no secret is among it.
    type: list
    elements: dict
    required: true
  names:
    description: Examine only these sites. A name that is not in O(sites) is an error, which lists those that are.
    type: list
    elements: str
    default: []
  deep:
    description:
      - Climb the ladder as well. Django alone, uWSGI alone with a hello-world application over http, uWSGI with Django
        over http, then over a socket, then through an nginx, each on loopback, as the site's user. The lowest rung that
        fails is the answer.
      - Takes some seconds a site; all that it started is ended, and what it wrote below C(/tmp) is removed.
    type: bool
    default: false
  patience:
    description:
      - How many seconds to wait for what does not answer. A site takes at most about one second longer than this.
      - Give a slow machine more, when too much of its report is V(unknown).
    type: float
    default: 4
  controller_time:
    description:
      - The controller's clock, in seconds since 1970, to compare the host's with. The controller's half sets it.
    type: float
    default: 0
attributes:
  check_mode:
    support: full
    description: It only looks.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: pyweb.stack.uwsgi_ping
  - module: pyweb.stack.doctor_report
"""

EXAMPLES = r"""
- name: Ask what is wrong with a site that was set up by hand
  pyweb.stack.site_doctor:
    sites:
      - name: mysite
        domains: [example.com]
  register: doctor

- name: Say it in one sentence
  ansible.builtin.debug:
    msg: "{{ doctor.sites[0].first.cause }} -- {{ doctor.sites[0].first.mend }}"
  when: doctor.broken

- name: Climb the tutorial's own steps to the one that fails
  pyweb.stack.site_doctor:
    sites: "{{ web_sites }}"
    names: [mysite]
    deep: true
"""

RETURN = r"""
broken:
  description: Whether a hop of any site is broken.
  returned: always
  type: bool
sites:
  description: One entry a site, in the order of O(sites).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The site's name.
      type: str
    domains:
      description: Its domains, a wildcard with V(www) in place of the star.
      type: list
      elements: str
    managed:
      description: Whether this collection has released the site on this host.
      type: bool
    status:
      description: The worst status of its hops, V(ok), V(unknown), V(degraded) or V(broken).
      type: str
      sample: broken
    seconds:
      description: How long the examination took, without the ladder.
      type: float
    first:
      description:
        - The first fault that does not follow from another one; null when there is none.
        - Its keys are those of RV(sites[].hops[].faults).
      type: dict
      sample:
        fault: socket.protocol
        hop: socket
        status: broken
        cause: >-
          protocol mismatch: nginx speaks uwsgi (uwsgi_pass) to 127.0.0.1:8001, where uWSGI's HTTP router (--http)
          listens: it waits for HTTP, and nginx gives up with 504
        mend: >-
          either start uWSGI with `socket = 127.0.0.1:8001` instead of `http = 127.0.0.1:8001`, or let nginx say
          `proxy_pass http://127.0.0.1:8001;` instead of `uwsgi_pass 127.0.0.1:8001;`
        evidence: ["a uwsgi request to 127.0.0.1:8001: no complete answer within 2.5 s; one in http was answered"]
        follows: ""
    hops:
      description: The chain, from outside to inside.
      type: list
      elements: dict
      contains:
        hop:
          description: Its name, V(client), V(name), V(firewalld), V(host), V(nginx), V(location), V(socket), V(uwsgi),
            V(app), V(django), V(database), V(static) or V(media).
          type: str
        status:
          description: V(ok), V(broken), V(degraded) or V(unknown).
          type: str
        evidence:
          description: What was seen, the exact line, errno, mode or header.
          type: list
          elements: str
        cause:
          description: The cause in one plain sentence; empty where the hop is ok.
          type: str
        mend:
          description: The inventory variable or the command that mends it.
          type: str
        follows:
          description: The hop whose fault this one merely follows from.
          type: str
        faults:
          description: Every fault of the hop, the worst first, each with C(fault), C(hop), C(status), C(cause),
            C(mend), C(evidence) and C(follows).
          type: list
          elements: dict
    changes:
      description:
        - What has changed since the host's own timer last saw the site well; see C(docs/monitoring.md). Null for a site
          that is not broken or degraded, and where the timer has never seen it well.
      type: dict
      contains:
        since:
          description: When that was, in seconds since 1970.
          type: float
        how:
          description: V(ok) where all was ok then, V(degraded) where it worked then and does not now.
          type: str
        found:
          description: The changes, each with C(kind), V(release), V(package), V(unit), V(nginx), V(certificate) or
            V(disk), and C(what) in words. Empty where none was found.
          type: list
          elements: dict
    ladder:
      description: The rungs that were climbed with O(deep), the lowest first.
      type: list
      elements: dict
      contains:
        rung:
          description: What was tried.
          type: str
        status:
          description: V(ok), V(broken), or V(unknown) for what was not tried.
          type: str
        evidence:
          description: What came of it.
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
