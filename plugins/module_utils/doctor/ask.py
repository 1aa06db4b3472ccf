# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the doctor collects evidence: commands with a time limit, the ends of logs, accounts. Writes nothing."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from ..host import answers
from ..host.identity import Identity, identity_of
from ..host.shell import end, spawn
from ..model import regular
from .evidence import Ran

# Seconds.
COMMAND_TIMEOUT = 3.0
# The same for what is run once per host.
HOST_COMMAND_TIMEOUT = 10.0
# Bytes.
LOG_TAIL = 65536
CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}


def run(
    argv: Sequence[str],
    timeout: float = COMMAND_TIMEOUT,
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    who: Identity | None = None,
) -> Ran:
    """Run a command through pipes only (a disk may be full); after `timeout` seconds it and its children are ended."""
    try:
        process = spawn(
            argv,
            who,
            cwd=cwd,
            environment=environment or CLEAN_ENVIRONMENT,
            stdin=subprocess.PIPE,
            # Commands run side by side in threads: the kernel takes the thread for the parent, and a fork that runs
            # Python beside other threads may hang.
            die_with_parent=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Ran(None, err=str(error))
    said = answers.talk(process, stdin.encode(), timeout, end)
    if said.too_much:
        return Ran(None, _text(said.out), f"it printed more than {answers.MOST >> 20} MiB")
    return Ran(process.returncode, _text(said.out), _text(said.err)) if said.ended else Ran(None, _text(said.out))


def installed(program: str) -> bool:
    """Return whether a program exists, even if it fails."""
    return shutil.which(program, path=CLEAN_ENVIRONMENT["PATH"]) is not None


def account(name: str) -> Identity | None:
    """Return the identity that a process of this user gets when it starts now; None if there is no such user."""
    with contextlib.suppress(KeyError):
        return identity_of(pwd.getpwuid(int(name)).pw_name if name.isdigit() else name)
    return None


def tail(path: str, most: int = LOG_TAIL) -> str:
    """Return the last part of a log, `most` bytes of it."""
    try:
        with regular.opened(path) as stream:
            stream.seek(max(os.fstat(stream.fileno()).st_size - most, 0))
            return _text(stream.read(most))
    except OSError:
        return ""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
