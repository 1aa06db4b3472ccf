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
  - Finishes what a killed C(dpkg) left, when C(apt-get) refuses to work because of it.
  - M(ansible.builtin.apt) installs its own Python binding first and starts again, and the facts then take another call.
    On a bare host that is a third of the time that the packages take.
author: [pyweb.stack contributors]
options:
  name:
    description: Names of packages. What is installed already stays at its version.
    type: list
    elements: str
    required: true
  soon:
    description:
      - Names of packages that only later tasks need. They are installed too, but neither the module nor what comes next
        waits for them.
      - Whoever needs one gives it as O(name) before. That waits for C(apt-get) to end, does what it did not do, or says
        why it cannot.
    type: list
    elements: str
    default: []
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
    description: The packages that come to the host; their versions as well, but not of those in O(soon).
seealso:
  - module: pyweb.stack.host_facts
  - module: ansible.builtin.apt
"""

EXAMPLES = r"""
- name: Install git, and begin to install nginx
  pyweb.stack.apt_install:
    name: [git]
    soon: [nginx]

- name: Fetch what nginx is to serve
  ansible.builtin.git:
    repo: https://git.example.com/site.git
    dest: /srv/site

- name: Be sure that nginx is installed
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
begun:
  description: Those of O(soon) that are being installed.
  returned: success
  type: list
  elements: str
  sample: [nginx]
ansible_facts:
  description: What M(pyweb.stack.host_facts) returns, as it is now.
  returned: outside check mode
  type: dict
"""

import glob
import os
import re
import subprocess
import time
from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import facts as host_look

LISTS_SECONDS = 86400
# What a package asks its administrator takes the answer of its maintainer, and what the administrator wrote stays.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
INSTALL = ["install", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confdef"]
INSTALL += ["-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"]
# Somebody killed an earlier dpkg, or the power went; apt-get refuses to work before it has been made good.
INTERRUPTED = "dpkg was interrupted"
CONFIGURE = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]


def main() -> None:
    spec = {
        "name": {"type": "list", "elements": "str", "required": True},
        "soon": {"type": "list", "elements": "str", "default": []},
        "lock_timeout": {"type": "int", "default": 120},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    apt = [module.get_bin_path("apt-get", required=True), "-y", "-q"]
    apt += ["-o", f"DPkg::Lock::Timeout={module.params['lock_timeout']}"]
    there = host_look.packages(module)
    names = [one for one in module.params["name"] if one not in there]
    soon = [one for one in module.params["soon"] if one not in [*there, *names]]
    if module.check_mode:
        names, soon = names + soon, []

    def run(*words: str) -> tuple:
        return module.run_command([*apt, *words], environ_update=ENVIRONMENT)

    stale = ""
    if (names or soon) and not module.check_mode and not lists_are_fresh():
        stale = fetch_lists(run, module.params["lock_timeout"])
    installed = []
    if names:
        install = [*INSTALL, *(["--simulate"] if module.check_mode else []), *names]
        status, out, err = run(*install)
        if INTERRUPTED in err and not module.check_mode:
            module.run_command(CONFIGURE, environ_update=ENVIRONMENT)
            status, out, err = run(*install)
        if status:
            # Why the lists could not be fetched is mostly why a package was not found.
            why = "; ".join(one for one in (faults(err), stale) if one)
            module.fail_json(msg=f"apt-get install {' '.join(names)}: {why}", stdout=out, stderr=err, rc=status)
        installed = installed_by(out)
    if soon:
        # Behind a build, which has a niceness of 10 and is waited for.
        begin(["nice", "-n", "15", *apt, *INSTALL, *soon])
    after = "".join(f"{one}\n" for one in [*installed, *soon])
    answer = {} if module.check_mode else {"ansible_facts": host_look.facts(module)}
    module.exit_json(
        changed=bool(installed or soon),
        installed=installed,
        begun=soon,
        diff={"before_header": "packages", "after_header": "packages", "before": "", "after": after},
        **answer,
    )


def begin(argv: list[str]) -> None:
    """Run a command that outlives this module and its connection. What it says is in apt's own log."""
    nothing = subprocess.DEVNULL
    environment = {**os.environ, **ENVIRONMENT}
    subprocess.Popen(argv, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


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
