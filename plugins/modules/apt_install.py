#!/usr/bin/python
# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_install
short_description: Install Debian packages and gather facts about the host, in one call
version_added: 0.1.0
description:
  - Installs packages with C(apt-get), without recommended packages. Existing configuration files are kept.
  - Updates the package lists first if they are older than a day. If that fails, it uses the existing lists.
  - If C(apt-get) refuses to work because an earlier C(dpkg) was killed, it completes that installation first.
  - Starts no services. A unit of a new package is masked at run time while the package is installed. Afterwards it is
    neither running nor enabled. Packages that were installed before, and services that were running, are not changed.
    Masks left by a killed run are removed by the next run, and by a reboot.
  - M(ansible.builtin.apt) first installs its own Python binding and starts again, and gathering facts takes another
    call. On a new host this is a third of the time that the installation takes.
author: [pyweb.stack contributors (@pyweb)]
options:
  name:
    description: Names of packages. Packages that are already installed keep their version.
    type: list
    elements: str
    required: true
  soon:
    description:
      - Names of packages that only later tasks need. They are installed in the background; neither this module nor the
        following tasks wait for them.
      - A task that needs one of them must first name it in O(name). That call waits for C(apt-get) to end, installs
        what is still missing, or fails with the reason. Until then the facts do not list the package, even if
        C(apt-get) has already installed it.
    type: list
    elements: str
    default: []
  lock_timeout:
    description: Seconds to wait for another program that uses the package manager.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: Reports what C(apt-get --simulate) reports. The host must have package lists for that.
  diff_mode:
    support: full
    description:
      - Shows the packages that are installed, with their versions, except for the versions of those in O(soon).
seealso:
  - module: pyweb.stack.host_facts
  - module: ansible.builtin.apt
"""

EXAMPLES = r"""
- name: Install git, and start to install nginx in the background
  pyweb.stack.apt_install:
    name: [git]
    soon: [nginx]

- name: Download the files that nginx will serve
  ansible.builtin.git:
    repo: https://git.example.com/site.git
    dest: /srv/site

- name: Wait until nginx is installed
  pyweb.stack.apt_install:
    name: [nginx]
"""

RETURN = r"""
installed:
  description: Every package that was installed or upgraded, with its version.
  returned: success
  type: list
  elements: str
  sample: [nginx 1.22.1-9+deb12u3]
begun:
  description: The packages of O(soon) that are being installed.
  returned: success
  type: list
  elements: str
  sample: [nginx]
ansible_facts:
  description: The facts that M(pyweb.stack.host_facts) returns, after the installation.
  returned: outside check mode
  type: dict
"""

import glob
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pyweb.stack.plugins.module_utils.host import files, held_units, memory, packages
from ansible_collections.pyweb.stack.plugins.module_utils.host.advice import advice_on
from ansible_collections.pyweb.stack.plugins.module_utils.host.facts import facts
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import spawn

ARGUMENTS = {
    "name": {"type": "list", "elements": "str", "required": True},
    "soon": {"type": "list", "elements": "str", "default": []},
    "lock_timeout": {"type": "int", "default": 120},
}
LISTS_SECONDS = 86400
BACKGROUND_SECONDS = 600
# What a package asks its administrator takes the answer of its maintainer, and what the administrator wrote stays.
# needrestart, which is installed on Ubuntu servers, only lists services and does not restart them.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "NEEDRESTART_MODE": "l"}
INSTALL = ["install", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confdef"]
INSTALL += ["-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"]
INSTALL += ["-o", f"DPkg::Pre-Install-Pkgs::={held_units.HOOK}"]
# Somebody killed an earlier dpkg, or the power failed; apt-get refuses to work until dpkg has finished.
INTERRUPTED = "dpkg was interrupted"

# What a command gave: status, output, errors.
Answer = tuple[int, str, str]


class AptError(Exception):
    """Why the packages were not installed, and what apt-get said."""

    def __init__(self, text: str, answer: Answer) -> None:
        super().__init__(text)
        self.status, self.out, self.err = answer


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    apt = Apt(module.get_bin_path("apt-get", required=True), module.params["lock_timeout"], module.run_command)
    try:
        with alone(module, apt):
            done = install(module.params, packages.installed(module), apt, module.check_mode)
    except AptError as error:
        module.fail_json(msg=str(error), stdout=error.out, stderr=error.err, rc=error.status)
        raise
    if not module.check_mode:
        done["ansible_facts"] = facts(module)
        # Not what apt-get said: what was begun earlier may have ended while this one waited for its lock.
        memory.note_packages(packages.installed(module), done["begun"])
    module.exit_json(**done)


@contextmanager
def alone(module: AnsibleModule, apt: Apt) -> Iterator[None]:
    """Wait until what was begun in the background has ended, and leave no unit masked, whatever happens."""
    if module.check_mode:
        yield
        return

    def busy(process: str) -> AptError:
        return AptError(f"packages are being installed by another run (process {process})", (1, "", ""))

    try:
        with files.hold(held_units.LOCK, apt.patience, busy):
            held_units.release(apt.run_command)
            try:
                yield
            finally:
                if not apt.in_background:
                    held_units.release(apt.run_command)
    except PermissionError as error:
        raise AptError(f"only root can install packages: {error}; set become: true", (1, "", "")) from error


@dataclass
class Apt:
    """apt-get on this host. `run_command` is a module's."""

    path: str
    lock_timeout: int
    run_command: Callable[..., Answer]
    in_background: bool = False

    def argv(self, *words: str) -> list[str]:
        return [self.path, "-y", "-q", "-o", f"DPkg::Lock::Timeout={self.lock_timeout}", *words]

    def run(self, *words: str) -> Answer:
        return self.run_command(self.argv(*words), environ_update=ENVIRONMENT)

    @property
    def patience(self) -> int:
        """How long the installation in the background may take: to wait for the lock, to download and to unpack."""
        return self.lock_timeout + BACKGROUND_SECONDS

    def finish_dpkg(self) -> None:
        """Configure what a killed dpkg left."""
        self.run_command(held_units.CONFIGURE, environ_update=ENVIRONMENT)

    def begin(self, *words: str) -> None:
        """Run apt-get in a process that outlives this module and its connection. What it says is in apt's own log.

        The process inherits the lock, and leaves no unit masked.
        """
        if os.fork():
            self.in_background = True
            return
        try:
            os.setsid()
            os.nice(15)  # behind a build, which has a niceness of 10 and is waited for
            nothing = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nothing, descriptor)
            environment = {**os.environ, **ENVIRONMENT}
            spawn(
                self.argv(*words), environment=environment, stdout=nothing, stderr=nothing, die_with_parent=False
            ).wait()
            held_units.release(subprocess.call, forget=False)
        finally:
            os._exit(0)


def install(given: dict[str, Any], there: Sequence[str], apt: Apt, check_mode: bool) -> dict[str, Any]:
    """Install what of `given` is not `there`; return what the module returns. Raises `AptError`."""
    names = [name for name in given["name"] if name not in there]
    soon = [name for name in given["soon"] if name not in [*there, *names]]
    if check_mode:
        names, soon = names + soon, []
    stale = ""
    if (names or soon) and not check_mode:
        held_units.begin([*names, *soon])
        held_units.hold_unfinished(apt.run_command)
        if not lists_are_fresh():
            stale = fetch_lists(apt.run, apt.lock_timeout)
    installed = install_now(names, apt, stale, check_mode) if names else []
    if soon:
        held_units.begin(soon)
        apt.begin(*INSTALL, *soon)
    after = "".join(f"{package}\n" for package in [*installed, *soon])
    return {
        "changed": bool(installed or soon),
        "installed": installed,
        "begun": soon,
        "diff": {"before_header": "packages", "after_header": "packages", "before": "", "after": after},
    }


def install_now(names: list[str], apt: Apt, stale: str, check_mode: bool) -> list[str]:
    """Install packages, or simulate that; return them with their versions. `stale` says why the lists may be old."""
    words = [*INSTALL, *(["--simulate"] if check_mode else []), *names]
    status, out, err = apt.run(*words)
    if INTERRUPTED in err and not check_mode:
        apt.finish_dpkg()
        status, out, err = apt.run(*words)
    if status:
        # Why the lists could not be fetched is mostly why a package was not found.
        why = "; ".join(reason for reason in (faults(err), stale) if reason)
        advice = advice_on(why, why)
        raise AptError(f"apt-get install {' '.join(names)}: {why}{advice and f'; {advice}'}", (status, out, err))
    return installed_by(out)


def lists_are_fresh() -> bool:
    """Return whether there are package lists, and apt fetched them within a day."""
    if not glob.glob("/var/lib/apt/lists/*_Packages*"):
        return False
    # apt keeps the server's time on the lists themselves, and touches this directory whenever it fetches any.
    return time.time() - os.stat("/var/lib/apt/lists/partial").st_mtime < LISTS_SECONDS


def fetch_lists(run: Callable[..., Answer], patience: float) -> str:
    """Fetch the package lists; return why that failed, or ''.

    `run` calls apt-get. Another one may do the same just now, as on a machine that has just booted; the lock of the
    lists is the one for which apt-get itself does not wait.
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
    """Return the errors of what apt-get said, without its warnings."""
    found = re.findall(r"(?m)^E: (.+)$", err)
    return "; ".join(dict.fromkeys(fault.strip() for fault in found)) or err.strip()


def installed_by(out: str) -> list[str]:
    """Return packages with their versions, from what apt-get did or would do."""
    done = re.findall(r"(?m)^Setting up ([^\s:]+)\S* \((\S+)\) ?\.\.\.$", out)
    simulated = re.findall(r"(?m)^Inst (\S+) (?:\[\S+\] )?\((\S+) ", out)
    return sorted(f"{name} {version}" for name, version in done or simulated)


if __name__ == "__main__":
    main()
