#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: uwsgi_ping
short_description: Send a request to a uWSGI server in the uwsgi protocol
version_added: 0.1.0
description:
  - Sends a request or a ping in the uwsgi protocol to a unix or TCP socket, and returns what kind of server answered.
  - Changes nothing, so it also runs in check mode.
author: [pyweb.stack contributors (@pyweb)]
options:
  address:
    description: The address of the socket, for example V(unix:/opt/sites/shop/current/uwsgi.sock) or V(127.0.0.1:8000).
    type: str
    required: true
  host:
    description: The Host header of the request. If it is not set, only a ping is sent.
    type: str
  path:
    description: The path and query of the request.
    type: str
    default: /
  status:
    description: The statuses that count as good. If empty, every status below 500 does.
    type: list
    elements: int
    default: []
  timeout:
    description: Seconds within which the complete response must arrive.
    type: int
    default: 10
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: ansible.builtin.uri
"""

EXAMPLES = r"""
- name: Request the site from uWSGI directly, without nginx
  pyweb.stack.uwsgi_ping:
    address: unix:/opt/sites/shop/current/uwsgi.sock
    host: shop.example.com
    path: /healthz
    status: [200]
"""

RETURN = r"""
server:
  description: The kind of server that answered.
  returned: always
  type: str
  sample: uwsgi
status:
  description: The HTTP status of the response.
  returned: when O(host) is given and a response was received
  type: int
  sample: 200
headers:
  description: The headers of the response, with names in lowercase.
  returned: when O(host) is given and a response was received
  type: dict
elapsed:
  description: Seconds until the response was complete.
  returned: when a response was received
  type: float
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol

ARGUMENTS = {
    "address": {"type": "str", "required": True},
    "host": {"type": "str"},
    "path": {"type": "str", "default": "/"},
    "status": {"type": "list", "elements": "int", "default": []},
    "timeout": {"type": "int", "default": 10},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    try:
        found = ask(given)
    except protocol.ProtocolError as error:
        module.fail_json(msg=str(error.strerror), server=protocol.kind(given["address"], given["timeout"]))
        raise
    wrong = complaint(given, found)
    if wrong:
        module.fail_json(msg=wrong, **found)
    module.exit_json(changed=False, **found)


def ask(given: dict[str, Any]) -> dict[str, Any]:
    """Send a request, or a ping where no host is given; return what came back. Raises `ProtocolError`."""
    # A request tells more than a ping, and a distribution may have left the ping plugin out (Debian's has).
    if not given["host"]:
        return {"server": "uwsgi", "elapsed": protocol.ping(given["address"], given["timeout"])}
    answer = protocol.request(given["address"], given["host"], given["path"], given["timeout"])
    return {"server": "uwsgi", "status": answer.status, "headers": answer.headers, "elapsed": answer.seconds}


def complaint(given: dict[str, Any], found: dict[str, Any]) -> str:
    """Return what is wrong with the answer, or ''."""
    status = found.get("status")
    if status is None or (status in given["status"] if given["status"] else status < 500):
        return ""
    expected = " or ".join(map(str, given["status"])) or "below 500"
    return f"{given['address']} answered {status} to {given['host']}{given['path']}; expected {expected}"


if __name__ == "__main__":
    main()
