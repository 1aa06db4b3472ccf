# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the doctor asks: commands with a time limit, the ends of logs, accounts. Nothing here writes anything."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..host import path_walk

COMMAND_TIMEOUT = 3.0
# The same for what is asked once a host.
HOST_COMMAND_TIMEOUT = 10.0
LOG_TAIL = 65536
CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}


@dataclass
class Ran:
    """What a command said; `status` is None where it does not exist or did not end in time."""

    status: int | None
    out: str = ""
    err: str = ""


def run(
    argv: Sequence[str],
    timeout: float = COMMAND_TIMEOUT,
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    who: path_walk.Identity | None = None,
) -> Ran:
    """Run a command through pipes only (a disk may be full); after `timeout` seconds it and its children are ended."""
    identity: dict[str, Any] = {}
    if who and who.uid != os.getuid():
        identity = {"user": who.uid, "group": who.gid, "extra_groups": list(who.groups)}
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(environment or CLEAN_ENVIRONMENT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            **identity,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Ran(None, err=str(error))
    try:
        out, err = process.communicate(stdin, timeout)
        return Ran(process.returncode, out, err)
    except subprocess.TimeoutExpired:
        _end(process)
        out, _err = process.communicate()
        return Ran(None, out)
    finally:
        _end(process)


def installed(program: str) -> bool:
    """Whether a program is there, whatever comes of running it."""
    return shutil.which(program, path=CLEAN_ENVIRONMENT["PATH"]) is not None


def account(name: str) -> path_walk.Identity | None:
    """The identity that a process of this user gets when it starts now."""
    with contextlib.suppress(KeyError):
        account = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        groups = os.getgrouplist(account.pw_name, account.pw_gid)
        return path_walk.Identity(account.pw_uid, account.pw_gid, tuple(groups))
    return None


def tail(path: str) -> str:
    """The last part of a log."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(os.fstat(stream.fileno()).st_size - LOG_TAIL, 0))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
