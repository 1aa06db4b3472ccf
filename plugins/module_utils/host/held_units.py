# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hold back units that Debian's packages start after installation, until a role has configured them.

apt-get runs `HOOK` between the download and the installation. It masks the units of the packages at run time, so that a
boot removes the masks; units of installed packages are not changed. `release` removes the masks, of this run or of a
killed one. The units then neither run nor start at boot, because a package does not enable a masked unit.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from ..model.layout import LOCKS
from . import files

# Executes an argument list, like a module's `run_command`.
Run = Callable[[Sequence[str]], Any]

# Held while packages are installed, also by an installation in the background.
LOCK = f"{LOCKS}/packages.lock"
# The masked units, and the packages whose installation was started, one on each line.
HELD = f"{LOCKS}/held-units"
BEGUN = f"{LOCKS}/begun-packages"
MASKS = "/run/systemd/system"
ENABLED = "/etc/systemd/system/*.wants"
UNPACKED = ("/lib/systemd/system", "/usr/lib/systemd/system")
# Packages with some or all files unpacked that dpkg has not configured (dpkg-query(1)).
_UNFINISHED = re.compile(r"(?m)^.[HUF]\S* +(\S+)$")
_UNIT = re.compile(r"(?m)^/\S*/systemd/system/([^/@\s]+\.(?:service|socket))$")

# Completes an interrupted dpkg. Configuration that an administrator changed is kept.
CONFIGURE = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]

# Gets the paths of the packages on its input (apt.conf(5), DPkg::Pre-Install-Pkgs). Maintainer scripts name the units
# that they start, on lines of debhelper (deb-systemd-invoke(1p)) or on their own (invoke-rc.d(8)).
HOOK = rf"""
umask 022
name='[A-Za-z0-9][A-Za-z0-9_.:-]*'
units=$(
    while read -r package; do dpkg-deb --info "$package" postinst 2>/dev/null; done |
    sed -nE \
        -e "/deb-systemd-(invoke|helper enable)/s/[[:space:]'\"]+/\n/gp" \
        -e "s/.*invoke-rc\.d +(--[a-z-]+ +)*($name) +(re)?start.*/\2.service/p" |
    grep -xE "$name\.(service|socket)" |
    sort -u
)
set --
for unit in $units; do
    for folder in /etc /run /usr/local/lib /usr/lib /lib; do
        [ ! -e "$folder/systemd/system/$unit" ] && [ ! -L "$folder/systemd/system/$unit" ] || continue 2
    done
    systemctl is-active --quiet "$unit" || set -- "$@" "$unit"
done
[ "$#" -gt 0 ] || exit 0
printf '%s\n' "$@" >> {HELD}
systemctl mask --quiet --runtime "$@" 2>/dev/null
"""


def begin(packages: Sequence[str]) -> None:
    """Note packages that are about to be installed; the caller holds `LOCK`, and `release` removes the note."""
    files.write(BEGUN, "".join(f"{name}\n" for name in packages))


def begun() -> list[str]:
    """Return the packages whose installation continues in the background, ended a moment ago, or was killed.

    Whether they are installed is undetermined, so no decision may depend on it. A role that needs one waits for it.
    """
    return files.read_or_empty(BEGUN).split()


def release(run: Run, forget: bool = True) -> None:
    """Remove the masks of `HOOK`; the caller holds `LOCK`. A unit that was unmasked in the meantime is not changed.

    In the background, `forget` is false and the started packages stay noted, because a later task waits for them.
    """
    units = list(dict.fromkeys(files.read_or_empty(HELD).split()))
    masked = [unit for unit in units if files.read_link(f"{MASKS}/{unit}") == os.devnull]
    if masked:
        run(["systemctl", "unmask", "--quiet", "--runtime", *masked])
    # A package that ignores the mask may have enabled its unit.
    enabled = [unit for unit in masked if glob.glob(f"{ENABLED}/{unit}")]
    if enabled:
        run(["systemctl", "disable", "--quiet", *enabled])
    files.forget(HELD)
    if forget:
        files.forget(BEGUN)


def hold_unfinished(run: Run) -> None:
    """Mask the units of packages that a killed dpkg unpacked: the next apt-get configures them without `HOOK`.

    As with `HOOK`, units that run or start at boot are not changed: their package was only being upgraded.
    """
    names = _UNFINISHED.findall(run(["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package}\\n"])[1])
    listed = run(["dpkg-query", "--listfiles", *names])[1] if names else ""
    idle = [
        unit
        for unit in dict.fromkeys(_UNIT.findall(listed))
        if any(os.path.exists(f"{folder}/{unit}") for folder in UNPACKED)
        and not glob.glob(f"{ENABLED}/{unit}")
        and run(["systemctl", "is-active", "--quiet", unit])[0]
    ]
    if idle:
        files.write(HELD, files.read_or_empty(HELD) + "".join(f"{unit}\n" for unit in idle))
        run(["systemctl", "mask", "--quiet", "--runtime", *idle])
