# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run commands in the sandbox of `sandbox`: systemd runs each one as a transient unit.

There are three processes between a run and its command:

- `GUARD` waits, and stops the unit if the run is killed, because systemd would let it continue.
- `systemd-run` connects standard input and outputs, and waits for the unit.
- `LAUNCHER` is what the unit starts. It reads the environment from standard input, because every user can read command
  lines and the properties of a unit. It also reports how the command ended, which systemd-run does not.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping, Sequence

from .identity import Identity
from .sandbox import Directives

LAUNCHER = r"""
import os, sys
size, cwd, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
block = b""
while len(block) < size:
    block += os.read(0, size - len(block))
environment = dict(entry.split(b"=", 1) for entry in block.split(b"\0") if entry)
child = os.fork()
if child == 0:
    name = cwd
    try:
        os.chdir(cwd)
        name = argv[0]
        os.execvpe(name, argv, environment)
    except OSError as error:
        os.write(2, ("\npyweb-not-started %s: %s\n" % (error.filename or name, error.strerror)).encode())
    os._exit(127)
status = os.waitpid(child, 0)[1]
if os.WIFSIGNALED(status):
    os.write(2, b"\npyweb-killed-by %d\n" % os.WTERMSIG(status))
    sys.exit(128 + os.WTERMSIG(status))
sys.exit(os.WEXITSTATUS(status))
"""
GUARD = r"""
unit=$1; shift
trap 'kill -KILL $! 2>/dev/null; systemctl stop --quiet "$unit" 2>/dev/null; exit 143' TERM
exec 3<&0
"$@" <&3 3<&- &
exec 3<&-
wait $!
"""
# systemd's exit codes for failed preparations of a unit (systemd.exec(5), "Process Exit Codes").
PREPARATIONS = {
    200: "CHDIR",
    216: "GROUP",
    217: "USER",
    218: "CAPABILITIES",
    226: "NAMESPACE",
    228: "SECCOMP",
    244: "ADDRESS_FAMILIES",
}
_NOT_STARTED = re.compile(r"\npyweb-not-started (.*)\n\Z")
_KILLED = re.compile(r"\npyweb-killed-by (\d+)\n\Z")


def unit_name(site: str) -> str:
    """Return a unique unit name for one command of a site."""
    return f"pyweb-run-{site}-{uuid.uuid4().hex[:12]}.service"


def command(
    unit: str, sandbox: Directives, who: Identity, argv: Sequence[str], cwd: str, environment: Mapping[str, str]
) -> tuple[list[str], bytes]:
    """Return the arguments that run `argv` as `who` in a sandbox, and the prefix of its standard input."""
    entries = [os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items()]
    given = b"".join(entries)
    words = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={unit}"]
    words += ["--description=A command of pyweb.stack", f"--uid={who.uid}", f"--gid={who.gid}"]
    # Processes that the command leaves running end with it. If it needs too much memory, only it is killed: `LAUNCHER`
    # reports this.
    own = {"KillSignal": ["SIGKILL"], "OOMPolicy": ["continue"], "UMask": ["0022"], "Nice": [str(os.nice(0))]}
    words += properties({**own, **sandbox})
    started = ["/usr/bin/python3", "-I", "-S", "-c", LAUNCHER, str(len(given)), cwd, *argv]
    # systemd expands variables in a command (systemd.service(5), "Command Lines").
    words += [word.replace("$", "$$") for word in started]
    return ["/bin/sh", "-c", GUARD, "sh", unit, *words], given


def properties(directives: Directives) -> list[str]:
    """Return directives as options of systemd-run."""
    return [f"--property={name}={value}" for name, values in directives.items() for value in values]


def ending(status: int, errors: str) -> tuple[int, str, str]:
    """Return (exit status as for a child process, its stderr, why it could not be started or '')."""
    if found := _NOT_STARTED.search(errors):
        return status, errors[: found.start()], found[1]
    if found := _KILLED.search(errors):
        return -int(found[1]), errors[: found.start()], ""
    if status in PREPARATIONS and not errors.strip():
        return status, errors, f"systemd could not prepare its sandbox: {status}/{PREPARATIONS[status]}"
    return status, errors, ""
