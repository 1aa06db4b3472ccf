# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the variables of a release arrive in its processes as the inventory has them.

systemd reads the file, and it alone knows how: one character that it does not like, and it drops all of them. So it is
asked, with a process that it starts as it will start uWSGI. uWSGI itself may write over what /proc shows of its own.
"""

from __future__ import annotations

import hashlib
import json

from ..host.shell import Shell, StepError
from .release import Release

# Only digests go in, and only names come out: no output has a value.
_PROGRAM = """
import hashlib, json, os, sys
wanted = json.load(sys.stdin)
found = {name.decode(): hashlib.sha256(value).hexdigest() for name, value in os.environb.items() if name.isascii()}
print(json.dumps(sorted(name for name in wanted if found.get(name) != wanted[name])))
"""


def check(shell: Shell, release: Release) -> None:
    """Start a process with the environment of a release that is on the host. Raises `StepError` naming what is lost."""
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
            "(128 KiB), or has what systemd takes for no text, such as U+FFFE; take that out of env",
            done.stderr,
        )
    if lost := json.loads(done.stdout):
        raise StepError(
            release.name,
            "env",
            f"{', '.join(lost)} of env did not arrive in a process that systemd starts as the inventory has it; "
            "expected every character of it; take out what systemd does not read",
        )
