# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which distribution a host runs, in the facts and words of Ansible's own module `setup`.

Ansible's fact collectors say it for every system that there is. They are 100 KB of what travels with a module, and cost
each call 0.1 s on the host and the first one 0.2 s on the controller. What is used here travels with every module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ansible.module_utils.common.sys_info import get_distribution_version

from .files import read_or_empty

# os-release(5): ID, and what `setup` calls it. Another one keeps its NAME.
NAMES = {
    "almalinux": "AlmaLinux",
    "centos": "CentOS",
    "debian": "Debian",
    "fedora": "Fedora",
    "ol": "OracleLinux",
    "rhel": "RedHat",
    "rocky": "Rocky",
    "ubuntu": "Ubuntu",
}
FAMILIES = {"debian": "Debian", "ubuntu": "Debian", "rhel": "RedHat", "centos": "RedHat", "fedora": "RedHat"}


def facts() -> dict[str, str]:
    """Return os_family, distribution, its version and major version, and pkg_mgr."""
    release = _os_release()
    kind = release.get("ID", "")
    name = NAMES.get(kind) or release.get("NAME") or "Linux"
    # What it descends from says which packages it has.
    ancestors = [kind, *release.get("ID_LIKE", "").split()]
    family = next((FAMILIES[word] for word in ancestors if word in FAMILIES), name)
    version = get_distribution_version() or ""
    return {
        "os_family": family,
        "distribution": name,
        "distribution_version": version,
        "distribution_major_version": version.partition(".")[0],
        "pkg_mgr": _package_manager(family),
    }


def key(found: Mapping[str, str]) -> str:
    """Return the platform's key in the tables of the roles, such as RedHat-9 or Ubuntu-24.04. `found` are the facts.

    The relatives of RHEL and Debian have the same major versions as these. Ubuntu needs the full version: 24.10 is not
    24.04. Distributions based on Ubuntu have their own versions, such as Linux Mint 22.
    """
    if found["distribution"] == "Ubuntu":
        return f"Ubuntu-{found['distribution_version']}"
    return f"{found['os_family']}-{found['distribution_major_version']}"


def _os_release() -> dict[str, str]:
    text = read_or_empty("/etc/os-release") or read_or_empty("/usr/lib/os-release")
    return dict(re.findall(r"""(?m)^([A-Z_]+)=["']?(.*?)["']?$""", text))


def _package_manager(family: str) -> str:
    if family == "Debian":
        return "apt"
    if family != "RedHat":
        return "unknown"
    if os.path.exists("/run/ostree-booted"):
        return "atomic_container"
    for path in ("/usr/bin/dnf", "/usr/bin/microdnf"):
        if os.path.exists(path):
            return "dnf5" if os.path.realpath(path) == "/usr/bin/dnf5" else "dnf"
    return "unknown"
