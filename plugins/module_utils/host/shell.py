# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the commands of a build or a release as the right user, and say in one sentence why one failed."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import pwd
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}
# The longest that one step may take, in seconds: compiling uWSGI takes 24 s on two cores, a slow index ten times that.
STEP_TIMEOUT = 1200
# Of builds, checks and migrations: they get a tenth of a core as long as requests want all of it (sched(7)).
NICENESS = 10
PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None)
# What programs mark a reason with: git, ssh, uv (older ones with × and ╰─▶); then Python, then Django's system check.
_REASON = re.compile(r"(fatal|error|cause|ssh): |[×╰]|.*(Permission denied \(|Host key verification failed)")
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|DoesNotExist|NotFound|Configured)(: |$)")
_CHECK = re.compile(r".*\(\w+\.E[0-9]{3}\) ")


class StepError(Exception):
    """A step that failed: `str()` is 'site NAME: STEP failed: CAUSE', then the end of its output."""

    def __init__(self, site: str, step: str, cause: str, output: str = "") -> None:
        self.site, self.step, self.cause = site, step, cause
        tail = "\n".join(output.strip().splitlines()[-25:])
        super().__init__(f"site '{site}': {step} failed: {cause}" + (f"\n{tail}" if tail and tail != cause else ""))


class Shell:
    """Runs commands for one site. `secrets` are blotted out wherever output is shown."""

    def __init__(self, site: str, environment: Mapping[str, str], secrets: Sequence[str] = ()) -> None:
        self.site = site
        self.environment = {**BASE_ENVIRONMENT, **environment}
        self.secrets = sorted((one for one in secrets if len(one) > 3), key=len, reverse=True)

    def run(
        self,
        step: str,
        argv: Sequence[str],
        user: str = "root",
        cwd: str = "/",
        environment: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = STEP_TIMEOUT,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` as `user`; its output comes back with the secrets blotted out. Raises `StepError`.

        The command gets a process group of its own, and whatever it left running there is ended with it. It does not
        outlive whoever runs it either: the next run would find its files changing.
        """
        account = pwd.getpwnam(user)
        identity: dict[str, Any] = {}
        if account.pw_uid != os.getuid():
            identity = {
                "user": account.pw_uid,
                "group": account.pw_gid,
                "extra_groups": os.getgrouplist(user, account.pw_gid),
            }
        env = {"HOME": "/nonexistent", **self.environment, **(environment or {})}
        # Files, not pipes: a child that the command left running would hold a pipe open, and the reader with it.
        with contextlib.ExitStack() as stack:
            given, out, err = (
                stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
                for _one in range(3)
            )
            given.write(stdin)
            given.seek(0)
            try:
                process = subprocess.Popen(
                    list(argv),
                    cwd=cwd,
                    env=env,
                    stdin=given,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                    umask=0o022,
                    preexec_fn=functools.partial(_end_with, os.getpid()),
                    **identity,
                )
            except OSError as error:
                raise StepError(self.site, step, f"{error.filename or argv[0]}: {error.strerror}") from None
            ended = True
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                ended = False
            finally:
                _end(process)
                process.wait()
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(self.blot(stream.read()))
        if not ended:
            raise StepError(self.site, step, f"no end after {timeout:g} s", "".join(said))
        done = subprocess.CompletedProcess(process.args, process.returncode, *said)
        if check and done.returncode:
            output = done.stderr.strip() + "\n" + done.stdout.strip()
            why = cause(output) or f"exit status {done.returncode}"
            if done.returncode < 0:
                why = f"ended by signal {-done.returncode}"
            raise StepError(self.site, step, why, output)
        return done

    def hide(self, secret: str) -> None:
        """Blot this out, too."""
        if len(secret) > 3:
            self.secrets = sorted({*self.secrets, secret}, key=len, reverse=True)

    def blot(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "********")
        return text


def cause(output: str) -> str:
    """What a program's output says of why it failed, in one line; the last line when nothing looks like a reason."""
    lines = [one.strip() for one in output.splitlines() if one.strip()]
    for found in (
        [one for one in lines if _CHECK.match(one)][:1],
        [one for one in lines if ": fatal error: " in one][:1],  # a compiler's; what follows comes of it
        [one for one in lines if _RAISED.match(one)][-1:],
    ):
        if found:
            return found[0]
    reasons = [re.sub(r"^(fatal|error|cause): |^[×╰─▶> ]+", "", one) for one in lines if _REASON.match(one)]
    if reasons:
        # What failed comes first, the reason of all reasons last.
        return ": ".join(dict.fromkeys([reasons[0].rstrip(".:"), reasons[-1]]))
    errors = [one for one in lines if re.search(r"\berror\b", one, re.IGNORECASE)]
    return (errors or lines or [""])[-1]


def _end_with(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent is dead, by SIGKILL too. Runs between fork and exec."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # dead already
        os._exit(1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the command's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
