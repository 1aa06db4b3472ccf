# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SELinux: the domain in which a service runs, and the label of a file by its path."""

from __future__ import annotations

import os
import shutil
import subprocess

from .shell import BASE_ENVIRONMENT, spawn

FILESYSTEM = "/sys/fs/selinux"
# The domains of a service without rules in the policy: Fedora's policy, then Debian's, which uses that of init scripts.
SERVICE_DOMAINS = ("unconfined_service_t", "initrc_t")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def service_domain(filesystem: str = FILESYSTEM) -> str:
    """Return the domain in which systemd starts a service without a policy of its own; '' for none."""
    for domain in SERVICE_DOMAINS:
        try:
            # The kernel tells whether the policy has such a context (selinux_check_context(3)).
            with open(f"{filesystem}/context", "r+b", buffering=0) as context:
                context.write(f"system_u:system_r:{domain}:s0\0".encode())
        except OSError:
            continue
        return domain
    return ""


def restore(path: str, filesystem: str = FILESYSTEM) -> None:
    """Set the labels of a tree according to the policy, if SELinux is on.

    New files get the label of their directory, and a program without its own label runs in systemd's domain.
    """
    # A file that cannot be labelled stays as it is; nginx or systemd then report what they are denied.
    _restorecon(filesystem, "-R", "-F", path)


def settle(path: str, filesystem: str = FILESYSTEM) -> None:
    """Set the labels of a tree as `restore` does, if its top has another label, which its contents then have too.

    A tree of uploads may be large, and is walked only once.
    """
    if os.path.exists(path) and _restorecon(filesystem, "-n", "-v", path):
        restore(path, filesystem)


def _restorecon(filesystem: str, *words: str) -> str:
    """Return the output of restorecon; '' if SELinux is off or the program is missing."""
    program = shutil.which("restorecon", path=PATH) if os.path.exists(f"{filesystem}/enforce") else None
    if not program:
        return ""
    process = spawn([program, *words], environment=BASE_ENVIRONMENT, stderr=subprocess.DEVNULL)
    return process.communicate()[0].decode("utf-8", "replace")
