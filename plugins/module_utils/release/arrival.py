# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check that the variables of a release arrive in its processes as the inventory has them.

systemd reads the file and ignores all of it if it contains an invalid character. Only systemd can tell, so it starts a
process in the same way as uWSGI. uWSGI itself may overwrite what /proc shows of its environment.
"""

from __future__ import annotations

import hashlib
import json

from ..host.shell import Shell, StepError
from .release import Release

# Only digests go in, and only names come out, so that no output contains a value.
_PROGRAM = """
import hashlib, json, os, sys
wanted = json.load(sys.stdin)
found = {name.decode(): hashlib.sha256(value).hexdigest() for name, value in os.environb.items() if name.isascii()}
print(json.dumps(sorted(name for name in wanted if found.get(name) != wanted[name])))
"""


def check(shell: Shell, release: Release) -> None:
    """Start a process with the environment of a release on the host. Raises `StepError` with the lost variables."""
    if not release.environment:
        return
    wanted = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in release.environment.items()}
    argv = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--uid={release.user}"]
    argv += [f"--property=EnvironmentFile={release.layout.env(release.id)}", "--property=NoNewPrivileges=yes"]
    argv += ["/usr/bin/python3", "-I", "-S", "-c", _PROGRAM]
    done = shell.run("env", argv, stdin=json.dumps(wanted), timeout=60, check=False)
    if done.returncode:
        raise StepError(
            release.name,
            "env",
            f"no process starts with the variables {', '.join(sorted(wanted))}: one of them is too long for the kernel "
            "(128 KiB), or contains a character that systemd refuses, such as U+FFFE; remove it from env",
            done.stderr,
        )
    if lost := json.loads(done.stdout):
        raise StepError(
            release.name,
            "env",
            f"{', '.join(lost)} of env did not arrive in a process that systemd starts as the inventory has it; "
            "expected every character of it; remove what systemd cannot read",
        )
