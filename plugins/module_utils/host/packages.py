# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages that the package manager of a host has installed and offers."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

from .files import read_or_empty

# Lists the installed packages, and finds their names in the output.
_LISTS = (
    (["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package}\\n"], r"(?m)^.i\S* +(\S+)$"),
    (["rpm", "--query", "--all", "--queryformat", "%{NAME}\\n"], r"(?m)^(\S+)$"),
)


def installed(module: Any) -> list[str]:
    """Return the names of the installed packages. `module` runs the host's own tools.

    Read once, so that no role has to call the package manager to find that nothing changes.
    """
    for argv, names in _LISTS:
        if module.get_bin_path(argv[0]):
            return sorted(set(re.findall(names, module.run_command(argv)[1])))
    return []


def module_streams() -> list[str]:
    """Return dnf's enabled module streams with an installed profile, such as @nginx:1.26 (dnf.modularity(7))."""
    found = []
    for path in sorted(glob.glob("/etc/dnf/modules.d/*.module")):
        values = dict(re.findall(r"(?m)^(\w+)\s*=\s*(\S+)", read_or_empty(path)))
        if values.get("state") == "enabled" and values.get("profiles") and values.get("stream"):
            found.append(f"@{values.get('name')}:{values['stream']}")
    return found


def offered(module: Any, names: list[str]) -> list[str]:
    """Return those of `names` that an enabled repository of dnf contains; all of them if there is no dnf."""
    if not names or not module.get_bin_path("dnf"):
        return names
    argv = ["dnf", "--quiet", "repoquery", "--queryformat", "%{name}\\n", *names]
    return sorted(set(names) & set(module.run_command(argv)[1].split()))


def lists_present() -> bool:
    """Return whether the package manager knows what it offers: apt needs package lists, dnf downloads them itself."""
    return not os.path.exists("/usr/bin/apt-get") or bool(glob.glob("/var/lib/apt/lists/*_Packages*"))
