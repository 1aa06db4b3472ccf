# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process table and the listening sockets, read from /proc."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import json
import os
import re
import signal
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import answers
from .files import read_or_empty
from .identity import Identity

PROC = "/proc"
# A child that looks as somebody else takes milliseconds.
RUN_AS_SECONDS = 10.0
_TCP_LISTEN = "0A"
_UNIX_LISTENS = 0x10000  # __SO_ACCEPTCON


@dataclass
class Process:
    """One process; `started` is in seconds since the epoch."""

    pid: int
    parent: int
    name: str
    command: list[str]
    identity: Identity
    started: float
    unit: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    cwd: str = ""

    def __str__(self) -> str:
        return f"{' '.join(self.command)[:80] or self.name} (pid {self.pid}, {self.identity.name})"


@dataclass
class Listener:
    """One listening socket: 'unix:/path' or 'host:port' ('[::1]:8000'); `queue` is how many wait to be accepted."""

    address: str
    inode: int
    queue: int = 0
    pids: list[int] = field(default_factory=list)

    @property
    def port(self) -> int:
        return 0 if self.address.startswith("unix:") else int(self.address.rpartition(":")[2])


def processes(proc: str = PROC) -> dict[int, Process]:
    """Return every process, by its id; one that ends meanwhile is left out."""
    found = {}
    booted = float((re.search(r"^btime (\d+)", read_or_empty(f"{proc}/stat"), re.MULTILINE) or ["", "0"])[1])
    ticks = os.sysconf("SC_CLK_TCK")
    for entry in os.listdir(proc):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                found[int(entry)] = _process(f"{proc}/{entry}", booted, ticks)
    return found


def details(process: Process, proc: str = PROC) -> None:
    """Fill in the environment and the working directory; read as the process's own user where root may not."""
    folder = f"{proc}/{process.pid}"

    def look() -> list[str]:
        environment, cwd = read_or_empty(f"{folder}/environ"), ""
        with contextlib.suppress(OSError):
            cwd = os.readlink(f"{folder}/cwd")
        return [environment, cwd]

    environment, cwd = look()
    if not (environment and cwd):
        seen = run_as(process.identity, look)
        environment, cwd = (environment or seen[0], cwd or seen[1]) if isinstance(seen, list) else (environment, cwd)
    process.cwd = cwd
    process.environment = dict(entry.split("=", 1) for entry in environment.split("\0") if "=" in entry)


def listeners(proc: str = PROC, pids: dict[int, Process] | None = None) -> list[Listener]:
    """Return every listening unix and TCP socket, with those of `pids` that hold it as far as /proc shows them."""
    found = []
    for line in read_or_empty(f"{proc}/net/unix").splitlines()[1:]:
        # Num RefCount Protocol Flags Type St Inode Path
        words = line.split(None, 7)
        if len(words) == 8 and int(words[3], 16) & _UNIX_LISTENS and words[7].startswith("/"):
            found.append(Listener("unix:" + words[7], int(words[6])))
    for name in ("tcp", "tcp6"):
        for line in read_or_empty(f"{proc}/net/{name}").splitlines()[1:]:
            words = line.split()
            if words[3] == _TCP_LISTEN:
                queue = int(words[4].split(":")[1], 16)
                found.append(Listener(address(words[1]), int(words[9]), queue))
    find_owners(found, pids or {}, proc)
    return found


def address(text: str) -> str:
    """Return 'host:port' for an address as the files in /proc/net have it, '0100007F:1F90' for 127.0.0.1:8080."""
    host, port = text.split(":")
    return f"{_host(host)}:{int(port, 16)}"


def find_owners(found: list[Listener], pids: dict[int, Process], proc: str = PROC) -> None:
    """Note in each listener which of `pids` hold it, as far as /proc shows them."""
    by_inode: dict[int, list[Listener]] = {}
    for listener in found:
        by_inode.setdefault(listener.inode, []).append(listener)

    def inodes(folder: str) -> list[int]:
        result = []
        for entry in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"{folder}/{entry}"))
                result += [int(match[1])] if match else []
        return result

    for pid, process in pids.items():
        folder = f"{proc}/{pid}/fd"
        try:
            seen = inodes(folder)
        except FileNotFoundError:
            continue
        except OSError:
            # Root without CAP_SYS_PTRACE, as in a container, may not look; the process's own user may.
            if "uwsgi" not in process.name.lower():
                continue
            mine = run_as(process.identity, functools.partial(inodes, folder))
            seen = mine if answers.fits(mine, [int]) else []
        for inode in seen:
            for listener in by_inode.get(inode, []):
                listener.pids.append(pid)


def run_as(who: Identity, look: Callable[[], Any]) -> Any:
    """Return what `look` returns (text, numbers and lists of them) in a child process with the ids of `who`.

    The ids of this process never change. An exception in the child comes back as its last line.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            if os.getuid() == 0:
                os.setgroups(list(who.groups or (who.gid,)))
                os.setgid(who.gid)
                os.setuid(who.uid)
            os.write(writing, json.dumps(look()).encode())
            status = 0
        except BaseException:
            os.write(writing, json.dumps(traceback.format_exc().strip().splitlines()[-1]).encode())
        finally:
            os._exit(status)
    os.close(writing)
    # The child has the ids of somebody who may stop it, or speak for it.
    said = answers.piped(reading, RUN_AS_SECONDS)
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with contextlib.suppress(ValueError):
        return answers.parsed(said) if said else None
    return None


def _process(folder: str, booted: float, ticks: int) -> Process:
    status = read_or_empty(f"{folder}/status")

    def numbers(key: str) -> list[int]:
        match = re.search(rf"^{key}:(.*)$", status, re.MULTILINE)
        return [int(number) for number in match[1].split()] if match else []

    name = re.search(r"^Name:\s*(.*)$", status, re.MULTILINE)
    command = [word for word in read_or_empty(f"{folder}/cmdline").split("\0") if word]
    # The name may hold spaces and brackets; the fields begin after the last bracket.
    started = int(read_or_empty(f"{folder}/stat").rpartition(")")[2].split()[19]) / ticks
    unit = re.search(r"/([^/\n]+\.service)(?:/|$)", read_or_empty(f"{folder}/cgroup"), re.MULTILINE)
    return Process(
        int(os.path.basename(folder)),
        numbers("PPid")[0],
        name[1] if name else "",
        command,
        Identity(numbers("Uid")[1], numbers("Gid")[1], tuple(numbers("Groups"))),
        booted + started,
        unit[1] if unit else "",
    )


def _host(text: str) -> str:
    """The kernel writes addresses as hexadecimal words of the machine's own byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return f"[{address}]" if address.version == 6 else str(address)
