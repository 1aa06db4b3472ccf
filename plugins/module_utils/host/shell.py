# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run commands as the right user; a failure says in one sentence why."""

from __future__ import annotations

import base64
import contextlib
import copy
import ctypes
import functools
import os
import signal
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Union

from . import confined, secrecy
from .causes import cause
from .identity import Identity, identity_of
from .sandbox import Directives
from .visible import below, in_measure, one_line, visible

# A file, or subprocess.PIPE or DEVNULL.
Stream = Union[int, IO[Any]]
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}
# The longest that one step may take, in seconds: compiling uWSGI takes 24 s on two cores, a slow index ten times that.
STEP_TIMEOUT = 1200
# Of builds, checks and migrations: they get a tenth of a core as long as requests want all of it (sched(7)).
NICENESS = 10
# So much of what a command prints is kept, in bytes: the end of it.
OUTPUT_MAX = 4 << 20
# A piece of base64 that is shorter may stand in any word.
BASE64_LENGTH = 8
PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None)


class StepError(Exception):
    """A step that failed: `str()` is 'site NAME: STEP failed: CAUSE', then the last `lines` of its output, indented."""

    def __init__(self, site: str, step: str, cause: str, output: str = "", lines: int = 25) -> None:
        self.site, self.step, self.cause, self.output = site, one_line(step), one_line(cause), in_measure(output)
        # Those that were applied before it failed, and stay.
        self.migrations: list[str] = []
        tail = "\n".join(visible(self.output).strip().split("\n")[-lines:])
        # What is shown of the output.
        self.tail = tail if tail != self.cause else ""
        more = f"\n{below(self.tail)}" if self.tail else ""
        super().__init__(f"site '{site}': {self.step} failed: {self.cause}{more}")


@contextlib.contextmanager
def own_fault(site: str, mask: Callable[[str], str]) -> Iterator[None]:
    """Make whatever goes wrong a `StepError` of the site, so that no other site hears of it.

    What nobody foresaw names the place in the code; `mask` hides the site's secrets in it.
    """
    try:
        yield
    except StepError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        cause = f"{type(error).__name__}: {error} ({place}); this is a fault of pyweb.stack, please report it"
        output = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        raise StepError(site, "run", mask(cause), mask(output)) from None


@dataclass
class Running:
    """A command that was started; `unit` is systemd's name for it, '' for a plain process."""

    process: subprocess.Popen[bytes]
    unit: str = ""

    def end(self) -> None:
        """End it and all that it started, and wait for it."""
        lives = self.process.poll() is None
        end(self.process)
        if self.unit and lives:
            # Afterwards: whoever asks systemd to start it is dead by now.
            _stop(self.unit)


class Shell:
    """Runs commands for one site, and hides its secrets wherever their output is shown.

    What it runs as another user than root is in `sandbox`, where there is one.
    """

    def __init__(
        self, site: str, environment: Mapping[str, str], secrets: Sequence[str] = (), sandbox: Directives | None = None
    ) -> None:
        self.site = site
        self.environment = {**BASE_ENVIRONMENT, **environment}
        self.sandbox = sandbox or {}
        self.secrets: list[str] = []
        # What of base64 holds them.
        self.pieces: list[str] = []
        for secret in secrets:
            self.hide(secret)

    def within(self, sandbox: Directives) -> Shell:
        """Return the same shell with a sandbox."""
        inside = copy.copy(self)
        inside.sandbox = sandbox
        return inside

    def run(
        self,
        step: str,
        argv: Sequence[str],
        user: str = "root",
        cwd: str = "/",
        environment: Mapping[str, str] | None = None,
        stdin: str | IO[bytes] = "",
        timeout: float = STEP_TIMEOUT,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` as `user` and return its output without the secrets. Raises `StepError`.

        What the command leaves running is ended with it. The command does not outlive this process either: the next
        run would find its files changing.
        """
        # Files, not pipes: a child that the command left running would hold a pipe open, and the reader with it.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                running = self.start(argv, user, cwd, environment, stdin, out, err)
            except OSError as error:
                raise StepError(self.site, step, f"{error.filename or argv[0]}: {error.strerror}") from None
            in_time = True
            try:
                running.process.wait(timeout)
            except subprocess.TimeoutExpired:
                in_time = False
            finally:
                running.end()
            said = [end_of(stream) for stream in (out, err)]
        status, refused = running.process.returncode, ""
        if running.unit:
            status, said[1], refused = confined.ending(status, said[1])
        output, errors = map(self.mask, said)
        if not in_time:
            raise StepError(self.site, step, f"no end after {timeout:g} s", output + errors)
        if refused:
            raise StepError(self.site, step, self.mask(refused))
        done = subprocess.CompletedProcess(list(argv), status, output, errors)
        if check and done.returncode:
            output = done.stderr.strip() + "\n" + done.stdout.strip()
            why = cause(output) or f"exit status {done.returncode}"
            if done.returncode < 0:
                why = f"ended by signal {-done.returncode}"
            raise StepError(self.site, step, why, output)
        return done

    def start(
        self,
        argv: Sequence[str],
        user: str,
        cwd: str,
        environment: Mapping[str, str] | None = None,
        stdin: str | IO[bytes] = "",
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.PIPE,
    ) -> Running:
        """Start `argv` as `run` does; whoever calls ends it. Raises OSError when it cannot be started."""
        env = {"HOME": "/nonexistent", **self.environment, **(environment or {})}
        who, unit, before = identity_of(user), "", b""
        if self.sandbox and who.uid != 0 and os.getuid() == 0:
            unit = confined.unit_name(self.site)
            argv, before = confined.command(unit, self.sandbox, who, argv, cwd, env)
            who, cwd, env = identity_of("root"), "/", BASE_ENVIRONMENT
        with tempfile.TemporaryFile() as text:
            given: IO[bytes] = text
            if isinstance(stdin, str):
                text.write(before + stdin.encode("utf-8", "replace"))
                text.seek(0)
            elif unit:
                raise TypeError("the standard input of a command in a sandbox begins with its environment: give a text")
            else:
                given = stdin
            death = signal.SIGTERM if unit else signal.SIGKILL
            process = spawn(argv, who, cwd=cwd, environment=env, stdin=given, stdout=stdout, stderr=stderr, death=death)
        return Running(process, unit)

    def hide(self, secret: str) -> None:
        """Hide this secret, too. Up to three characters are no secret: they would be hidden inside of words."""
        if len(secret) > 3:
            # The longest first: of a secret that another one begins with, the rest would stay.
            self.secrets = sorted({*self.secrets, secret}, key=len, reverse=True)
            self.pieces = sorted({*self.pieces, *_in_base64(secret)}, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """Return the text with its secrets replaced, in every form that programs give them."""
        for secret in self.secrets:
            text = secrecy.without(text, secret)
        for piece in self.pieces:
            text = text.replace(piece, secrecy.SHOWN)
        return text


def spawn(
    argv: Sequence[str],
    who: Identity | None = None,
    *,
    environment: Mapping[str, str],
    cwd: str = "/",
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.PIPE,
    stderr: Stream = subprocess.PIPE,
    die_with_parent: bool = True,
    death: int = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a process with the ids of `who`, in a process group of its own, with exactly this environment.

    With `die_with_parent` the kernel sends it the signal `death` as soon as this process is dead, by SIGKILL too; not
    what it started. Raises OSError when it cannot be started. See `end`.
    """
    ids: dict[str, Any] = {}
    if who and who.uid != os.getuid():
        ids = {"user": who.uid, "group": who.gid, "extra_groups": list(who.groups)}
    return subprocess.Popen(  # pylint: disable=ansible-bad-function # run_command sets no ids, and ends with its output
        list(argv),
        cwd=cwd,
        env=dict(environment),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        umask=0o022,
        preexec_fn=functools.partial(_end_with, os.getpid(), death) if die_with_parent else None,
        **ids,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all that is left of its process group, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stop(unit: str) -> None:
    """Stop a command in a sandbox and all that it started, also if this process dies meanwhile."""
    argv, nowhere = ["systemctl", "stop", "--quiet", unit], subprocess.DEVNULL
    spawn(argv, environment=BASE_ENVIRONMENT, stdout=nowhere, stderr=nowhere, die_with_parent=False).wait()


def end_of(stream: IO[bytes]) -> str:
    """Return the last part of what a command has printed, with line ends as Python's."""
    stream.seek(max(os.fstat(stream.fileno()).st_size - OUTPUT_MAX, 0))
    return stream.read(OUTPUT_MAX).decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def _in_base64(text: str) -> list[str]:
    """Return what base64 of any text with this one in it holds, in both alphabets (RFC 4648).

    Three bytes become four characters, so it may begin at three places; what the neighbours decide is left out. The
    header of basic authentication is `user:password` in base64, for instance.
    """
    content, found = text.encode("utf-8", "surrogateescape"), []
    for before in range(3):
        whole = base64.b64encode(bytes(before) + content).decode()
        first, last = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        piece = whole[first:last]
        if len(piece) >= BASE64_LENGTH:
            found += [piece, piece.replace("+", "-").replace("/", "_")]
    return found


def _end_with(parent: int, death: int) -> None:
    """Let the kernel kill this process when its parent dies. Runs between fork and exec."""
    _LIBC.prctl(PR_SET_PDEATHSIG, death)
    if os.getppid() != parent:  # dead already
        os._exit(1)
