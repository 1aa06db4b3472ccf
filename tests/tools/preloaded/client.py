"""Run a program of Ansible as a fork of a process that has imported Ansible: client.py PROGRAM [ARGUMENT...].

The scripts beside this file, first on the PATH, replace the programs of the virtualenv. This saves what each start
costs: the imports, and packing the modules, more than half of the controller's CPU time of a run. With a terminal, for
`--version`, or if PYWEB_COLD is set, the program itself runs.

A server (server.py) is started for each set of what a run reads before its playbook: the environment, the
configuration and the code of the plugins. If one of them has changed, that is another set.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(f"{HERE}/../../..")
FOLDER = f"{ROOT}/.cache/preloaded"
VENV = os.environ.get("VIRTUAL_ENV", f"{ROOT}/.venv")
NAMES = ("HOME", "LANG", "PATH", "VIRTUAL_ENV")
PREFIXES = ("ANSIBLE_", "LC_", "PYTHON")


def main(name: str, arguments: list[str]) -> int:
    program = f"{VENV}/bin/{name}"
    terminal = any(os.isatty(descriptor) for descriptor in (0, 1, 2))
    if terminal or "--version" in arguments or os.environ.get("PYWEB_COLD"):
        os.execv(program, [program, *arguments])  # noqa: S606, it replaces this process
    os.makedirs(FOLDER, exist_ok=True)
    os.umask(mask := os.umask(0))
    argv = [program, *arguments]
    request = {"argv": argv, "cwd": os.getcwd(), "umask": mask, "environment": dict(os.environ)}
    # A server that has waited long enough may end at this moment.
    for _attempt in range(2):
        with server(digest(arguments)) as connection:
            status = answer(connection, request)
        if status is not None:
            break
    else:
        raise SystemExit(f"the server of preloaded runs ended twice before it took {name}; its log is in {FOLDER}")
    if status < 0:
        os.kill(os.getpid(), abs(status))
    return status


def answer(connection: socket.socket, request: dict[str, object]) -> int | None:
    """Return the exit status of a run, negative for a signal; None if the server ended before it took the run."""
    try:
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
        taken = connection.recv(1)
    except (BrokenPipeError, ConnectionResetError):
        return None
    if not taken:
        return None
    if not (status := connection.recv(64)):
        raise SystemExit(f"the server of preloaded runs was killed during this one; its log is in {FOLDER}")
    return int(status)


def digest(arguments: list[str]) -> str:
    """Return the name of what must be equal for two runs that share a server."""
    return hashlib.sha256("\0".join(shared(arguments)).encode()).hexdigest()[:16]


def shared(arguments: list[str]) -> Iterator[str]:
    """Yield what a server has read, or what its runs share."""
    for name, value in sorted(os.environ.items()):
        if name in NAMES or name.startswith(PREFIXES):
            yield f"{name}={value}"
    yield os.getcwd()
    # Collections beside a playbook are found first.
    folders = {f"{os.path.dirname(os.path.realpath(word))}/collections" for word in arguments if word.endswith(".yml")}
    yield from sorted(filter(os.path.isdir, folders))
    # By its content: Molecule writes the same file before each run.
    with open(os.environ.get("ANSIBLE_CONFIG", f"{ROOT}/ansible.cfg")) as config:
        yield config.read()
    for folder, _folders, names in os.walk(f"{ROOT}/plugins"):
        for path in (f"{folder}/{name}" for name in names if name.endswith(".py")):
            status = os.stat(path)
            yield f"{path} {status.st_mtime_ns} {status.st_size}"


def server(name: str) -> socket.socket:
    """Return a connection to the server of this name, which is started if there is none."""
    folder = os.open(FOLDER, os.O_PATH)
    # The address of a Unix socket has 107 bytes at most, a checkout's path may have more.
    path = f"/proc/self/fd/{folder}/{name}"
    if connection := connected(path):
        return connection
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection := connected(path):
            return connection
        if os.path.exists(path):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX) as listener, open(f"{path}.log", "a") as log:
            listener.bind(path)
            listener.listen(64)
            subprocess.Popen(
                [f"{VENV}/bin/python", f"{HERE}/server.py", str(listener.fileno())],
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
            )
            connection = connected(path)
        if not connection:
            raise SystemExit(f"the server of preloaded runs has not started; its log is {FOLDER}/{name}.log")
        return connection


def connected(path: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
