# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the commands of a build or a release as the right user, and say in one sentence why one failed."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}
# The longest that one step may take, in seconds: compiling uWSGI takes 24 s on two cores, a slow index ten times that.
STEP_TIMEOUT = 1200
LOCK_TIMEOUT = 300
# Of builds, checks and migrations: they get a tenth of a core as long as requests want all of it (sched(7)).
NICENESS = 10
PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None)
LOCKS = "/run/lock"
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


@contextlib.contextmanager
def locked(site: str, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the site's lock: two runs at once wait for each other, at most `timeout` seconds.

    What the system refuses meanwhile, on a full disk for instance, is a `StepError` that names the site.
    """
    path = f"{LOCKS}/pyweb.stack.{site}"
    deadline = time.monotonic() + timeout
    with open(path, "a+", encoding="ascii") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    stream.seek(0)
                    holder = stream.read().strip() or "unknown"
                    raise StepError(
                        site, "lock", f"another run (process {holder}) has held {path} for {timeout:g} s"
                    ) from None
                time.sleep(0.1)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        except OSError as error:
            path = f"{error.filename}: " if error.filename else ""
            raise StepError(site, "files", f"{path}{error.strerror or error}") from error


def write(path: str, text: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Put `text` at `path` in one rename, so that nobody ever sees half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".pyweb-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chown(temporary, uid, gid)
        os.chmod(temporary, mode)
        os.rename(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = path
        raise


def link(target: str, path: str) -> None:
    """Make `path` a symbolic link to `target` in one rename. Whoever calls this holds a lock, see `locked`."""
    # Always the same name, so that what a killed run left is replaced.
    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def read(path: str) -> str:
    """A file's text, or '' where there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def read_json(path: str) -> dict[str, Any]:
    """A JSON object from a file; {} where there is none or where a crash left half of one."""
    try:
        found = json.loads(read(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def remove(path: str) -> bool:
    """Remove a file, link or tree; whether there was one."""
    if not os.path.lexists(path):
        return False
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
    return True


def _end_with(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent is dead, by SIGKILL too. Runs between fork and exec."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # dead already
        os._exit(1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the command's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
