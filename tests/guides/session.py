"""A terminal in a container in which a person types blocks of commands and answers prompts."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass, field

from host import Host

PASSWORD = "correct horse"
VAULT_PASSWORD = "battery staple"
BLOCK_SECONDS = 900
ANSWERS = {
    r"BECOME password.*: $": PASSWORD,
    r"SSH password.*: $": PASSWORD,
    r"\[sudo\] password for \w+: $": PASSWORD,
    r"[Vv]ault password.*: $": VAULT_PASSWORD,
    r"continue connecting \(yes/no/\[fingerprint\]\)\? $": "yes",
}
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
# Nothing that waits for a key, and no colours.
PLAIN = {
    "PAGER": "cat",
    "SYSTEMD_PAGER": "cat",
    "GIT_PAGER": "cat",
    "NO_COLOR": "1",
    "ANSIBLE_NOCOLOR": "1",
    "TERM": "dumb",
}
STATE = "/var/lib/guide"
# The block is read by a shell that has what the one before has left: its directory and its environment.
RUN = f"""
[ ! -e {STATE}-$USER/environment ] || {{ . {STATE}-$USER/environment; cd "$(cat {STATE}-$USER/directory)"; }}
trap 'export -p >{STATE}-$USER/environment; pwd >{STATE}-$USER/directory' EXIT
set -e
. {STATE}-$USER/block
"""
READ = "utf-8", "replace"


@dataclass
class Done:
    """How a block of commands ended, and all that the terminal showed."""

    status: int
    output: str


@dataclass
class Session:
    """The terminal of a user on a host. What a block exports and its directory hold for the next one."""

    host: Host
    user: str
    environment: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=lambda: dict(ANSWERS))
    seconds: float = BLOCK_SECONDS

    @property
    def directory(self) -> str:
        """Where the last block has ended."""
        return self.host.run(f"cat {STATE}-{self.user}/directory 2>/dev/null").stdout.strip() or self.home

    @property
    def home(self) -> str:
        return self.host.told(f"getent passwd {self.user} | cut -d: -f6")

    def type(self, commands: str) -> Done:
        """Run a block of commands and wait until it ends."""
        folder = f"{STATE}-{self.user}"
        self.host.told(f"install -d -o {self.user} {folder}; cat >{folder}/block", stdin=commands)
        environment = {**PLAIN, **self.environment, "USER": self.user, "HOME": self.home}
        words = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        command = ["docker", "exec", "--interactive", "--tty", "--user", self.user, "--workdir", self.home, *words]
        return self._watched([*command, self.host.name, "bash", "-c", RUN])

    def _watched(self, command: list[str]) -> Done:
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, start_new_session=True)
        os.close(side)
        try:
            return self._answered(process, main)
        finally:
            process.kill()
            process.wait()
            os.close(main)

    def _answered(self, process: subprocess.Popen[bytes], terminal: int) -> Done:
        read, answered = b"", 0
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 1)[0]:
                try:
                    more = os.read(terminal, 65536)
                except OSError:  # the other side has been closed
                    more = b""
                if not more:
                    return Done(process.wait(10), _shown(read))
                read += more
                if answer := self._answer(_shown(read[answered:])):
                    os.write(terminal, f"{answer}\n".encode())
                    answered = len(read)
        raise TimeoutError(f"not ended after {self.seconds:.0f} s; so far:\n{_shown(read)[-3000:]}")

    def _answer(self, shown: str) -> str:
        """Return what a person types at the prompt with which the screen ends; '' at none."""
        last = shown.rpartition("\n")[2]
        return next((answer for prompt, answer in self.answers.items() if re.search(prompt, last)), "")


def _shown(read: bytes) -> str:
    return ESCAPES.sub("", read.decode(*READ)).replace("\r\n", "\n").replace("\r", "\n")
