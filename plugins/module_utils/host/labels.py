# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What SELinux knows: in which domain a service runs, and what a file is by its place."""

from __future__ import annotations

import os
import shutil
import subprocess

FILESYSTEM = "/sys/fs/selinux"
# The domains of a service that the policy has no rules for: Fedora's policy, then Debian's, which takes the one of init
# scripts.
SERVICE_DOMAINS = ("unconfined_service_t", "initrc_t")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def service_domain(filesystem: str = FILESYSTEM) -> str:
    """Return the domain in which systemd starts a service of nobody's, by the policy that is loaded; '' for none."""
    for domain in SERVICE_DOMAINS:
        try:
            # The kernel says whether the policy has such a context (selinux_check_context(3)).
            with open(f"{filesystem}/context", "r+b", buffering=0) as context:
                context.write(f"system_u:system_r:{domain}:s0\0".encode())
        except OSError:
            continue
        return domain
    return ""


def restore(path: str, filesystem: str = FILESYSTEM) -> None:
    """Label a tree as the policy wants it at its place, where SELinux is on.

    New files are labelled like their directory, and a program that is not labelled as one runs in systemd's own domain.
    """
    # What cannot be labelled stays as it is; then nginx or systemd say what they may not.
    _restorecon(filesystem, "-R", "-F", path)


def settle(path: str, filesystem: str = FILESYSTEM) -> None:
    """Label a tree as `restore` does, where its top has another label: what is in it was labelled like that.

    A tree of uploads may be large, and is walked once.
    """
    if os.path.exists(path) and _restorecon(filesystem, "-n", "-v", path):
        restore(path, filesystem)


def _restorecon(filesystem: str, *words: str) -> str:
    """Return what restorecon printed; '' where SELinux is off, or has no such program."""
    program = shutil.which("restorecon", path=PATH) if os.path.exists(f"{filesystem}/enforce") else None
    if not program:
        return ""
    done = subprocess.run(
        [program, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
    )
    return done.stdout
