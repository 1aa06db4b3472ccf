#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_install
short_description: Install Debian packages and look at the host afterwards, in one call
version_added: 0.1.0
description:
  - Installs packages with C(apt-get), without those that they only recommend. Configuration files stay as they are.
  - Fetches the package lists first when they are older than a day. When that fails it tries with those that are there.
  - M(ansible.builtin.apt) installs its own Python binding first and starts again, and the facts then take another call.
    On a bare host that is a third of the time that the packages take.
author: [pyweb.stack contributors]
options:
  name:
    description: Names of packages.
    type: list
    elements: str
    required: true
  lock_timeout:
    description: Seconds to wait while another program works with the packages.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Says what C(apt-get --simulate) says; for that the host needs package lists.
  diff_mode:
    support: full
    description: The packages that come to the host, with their versions.
seealso:
  - module: pyweb.stack.host_facts
  - module: ansible.builtin.apt
"""

EXAMPLES = r"""
- name: Install nginx
  pyweb.stack.apt_install:
    name: [nginx]
"""

RETURN = r"""
installed:
  description: Every package that was installed or brought up to date, with its version.
  returned: success
  type: list
  elements: str
  sample: [nginx 1.22.1-9+deb12u3]
ansible_facts:
  description: What M(pyweb.stack.host_facts) returns, as it is now.
  returned: when packages were installed
  type: dict
"""

import glob
import os
import re
import time
from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils import host_look

LISTS_SECONDS = 86400
# What a package asks its administrator takes the answer of its maintainer, and what the administrator wrote stays.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
INSTALL = ["install", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confdef"]
INSTALL += ["-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"]


def main() -> None:
    spec = {
        "name": {"type": "list", "elements": "str", "required": True},
        "lock_timeout": {"type": "int", "default": 120},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    apt = module.get_bin_path("apt-get", required=True)
    names = module.params["name"]

    def run(*words: str) -> tuple:
        argv = [apt, "-y", "-q", "-o", f"DPkg::Lock::Timeout={module.params['lock_timeout']}", *words]
        return module.run_command(argv, environ_update=ENVIRONMENT)

    stale = ""
    if not module.check_mode and not lists_are_fresh():
        stale = fetch_lists(run, module.params["lock_timeout"])
    status, out, err = run(*INSTALL, *(["--simulate"] if module.check_mode else []), *names)
    if status:
        # Why the lists could not be fetched is mostly why a package was not found.
        why = "; ".join(one for one in (faults(err), stale) if one)
        module.fail_json(msg=f"apt-get install {' '.join(names)}: {why}", stdout=out, stderr=err, rc=status)
    installed = installed_by(out)
    after = "".join(f"{one}\n" for one in installed)
    answer = {} if module.check_mode else {"ansible_facts": host_look.facts(module)}
    module.exit_json(
        changed=bool(installed),
        installed=installed,
        diff={"before_header": "packages", "after_header": "packages", "before": "", "after": after},
        **answer,
    )


def lists_are_fresh() -> bool:
    """Whether there are package lists, and apt fetched them within a day."""
    if not glob.glob("/var/lib/apt/lists/*_Packages*"):
        return False
    # apt keeps the server's time on the lists themselves, and touches this directory whenever it fetches any.
    return time.time() - os.stat("/var/lib/apt/lists/partial").st_mtime < LISTS_SECONDS


def fetch_lists(run: Callable[..., tuple], patience: float) -> str:
    """Why the package lists could not be fetched, '' when they were.

    `run` calls apt-get. Another one may be at it just now, as on a machine that has just booted; the lock of the lists
    is the one for which apt-get itself does not wait.
    """
    deadline = time.monotonic() + patience
    while True:
        status, _out, err = run("update")
        if status == 0:
            return ""
        if "/var/lib/apt/lists/lock" not in err or time.monotonic() > deadline:
            return f"apt-get update: {faults(err)}"
        time.sleep(1)


def faults(err: str) -> str:
    """The errors of what apt-get said, without its warnings."""
    found = re.findall(r"(?m)^E: (.+)$", err)
    return "; ".join(dict.fromkeys(one.strip() for one in found)) or err.strip()


def installed_by(out: str) -> list[str]:
    """Packages with their versions, from what apt-get did or would do."""
    done = re.findall(r"(?m)^Setting up ([^\s:]+)\S* \((\S+)\) ?\.\.\.$", out)
    simulated = re.findall(r"(?m)^Inst (\S+) (?:\[\S+\] )?\((\S+) ", out)
    return sorted(f"{name} {version}" for name, version in done or simulated)


if __name__ == "__main__":
    main()
