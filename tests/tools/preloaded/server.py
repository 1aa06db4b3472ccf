"""Run Ansible's programs as forks of one process that has imported Ansible: server.py FD.

FD is a listening Unix socket. A connection is one run: a line of JSON with what the program would find (`argv`, `cwd`,
`umask`, `environment`), and its stdin, stdout and stderr as descriptors. The answer is `TAKEN`, and at the end a line
with the exit status, negative for a signal. A run whose caller has gone is killed, with its process group.

The runs share Ansible's local temporary directory, so that a module is packed only once. The server ends after
`IDLE_SECONDS` without a run.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

PYWEB = Path(__file__).resolve().parents[3] / "plugins"
IDLE_SECONDS = 60
# Without it, the server ended before it took the run, and another one may be asked.
TAKEN = b"+"
LINE_MOST = 1 << 20
PROGRAMS = {"ansible": "ansible.cli.adhoc", "ansible-playbook": "ansible.cli.playbook"}
PLUGINS = {
    "action": "add_host assert debug fail gather_facts group_by include_vars normal set_fact set_stats template",
    "become": "sudo",
    "cache": "memory",
    "callback": "default",
    "connection": "local",
    "filter": "core mathstuff urls urlsplit",
    "inventory": "auto host_list ini yaml",
    "lookup": "env file template",
    "shell": "sh",
    "strategy": "linear",
    "test": "core files mathstuff uri",
    "vars": "host_group_vars",
}
COLLECTIONS = {
    "ansible.posix": ["callback.json"],
    "community.docker": ["connection.docker"],
    "pyweb.stack": [
        f"{path.parent.name}.{path.stem}" for kind in ("action", "filter") for path in PYWEB.glob(f"{kind}/*.py")
    ],
}
# What Ansible imports late, and what the collection's checks import.
LIBRARIES = ("cryptography.x509", "dataclasses", "ansible.executor.module_common", "ansible.executor.task_executor")


@dataclass(frozen=True)
class Request:
    """What the caller would have given to the program itself."""

    argv: list[str]
    cwd: str
    umask: int
    environment: dict[str, str]


class Server:
    """The runs in progress: the connection of each, by the id of its process."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener, self.runs = listener, dict[int, socket.socket]()
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self.accept)
        # The end of a run wakes the selector.
        self.ended, self.signalled = socket.socketpair()
        self.ended.setblocking(False)
        self.signalled.setblocking(False)
        self.selector.register(self.ended, selectors.EVENT_READ, self.reap)
        signal.set_wakeup_fd(self.signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def serve(self) -> None:
        while (ready := self.selector.select(IDLE_SECONDS)) or self.runs:
            for key, _events in ready:
                key.data()

    def accept(self) -> None:
        connection, _address = self.listener.accept()
        text, descriptors, _flags, _sender = socket.recv_fds(connection, LINE_MOST, 3)
        while text and not text.endswith(b"\n"):
            more = connection.recv(LINE_MOST)
            text = text + more if more else b""
        if not text:  # the caller was killed before it had said what to run
            connection.close()
        elif process := os.fork():
            _lead_group(process)
            self.runs[process] = connection
            with contextlib.suppress(OSError):
                connection.sendall(TAKEN)
            self.selector.register(connection, selectors.EVENT_READ, partial(self.abandon, process))
        else:
            run(Request(**json.loads(text)), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    def abandon(self, process: int) -> None:
        """Kill a run whose caller has gone."""
        self.selector.unregister(self.runs[process])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)

    def reap(self) -> None:
        """Answer the callers of all runs that have ended."""
        with contextlib.suppress(BlockingIOError):
            self.ended.recv(LINE_MOST)
        while self.runs:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            connection = self.runs.pop(process)
            with contextlib.suppress(KeyError):  # abandoned
                self.selector.unregister(connection)
            with contextlib.suppress(OSError), connection:
                connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def run(request: Request, descriptors: list[int]) -> NoReturn:
    """Be the program, in this process."""
    status = 250
    try:
        _lead_group(0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        # Also the connections of the other runs.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.chdir(request.cwd)
        os.umask(request.umask)
        os.environ.clear()
        os.environ.update(request.environment)
        sys.argv = request.argv
        status = importlib.import_module(PROGRAMS[os.path.basename(request.argv[0])]).main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        # Not sys.exit: the handlers at its exit would remove the directory that the runs share.
        os._exit(status or 0)


def preload() -> None:
    """Import what every run imports, and keep the garbage collector away from it.

    A collection would touch all objects, and so copy all pages that the forks share. The runs are short, and need none.
    """
    plugins = [f"ansible.plugins.{kind}.{name}" for kind, names in PLUGINS.items() for name in names.split()]
    for name in (*PROGRAMS.values(), *LIBRARIES, *plugins):
        importlib.import_module(name)
    preload_collections()
    gc.collect()
    gc.freeze()
    gc.disable()


def preload_collections() -> None:
    """Import plugins of collections; a run that finds the same collections gets these modules.

    Ansible looks for collections in each run, because playbooks can have some beside them.
    """
    folders: dict[str, str] = {}
    modules: dict[str, dict[str, ModuleType]] = {}

    def note(collection_name: str, collection_path: str) -> None:
        folders[collection_name] = os.path.realpath(collection_path)

    def give(collection_name: str, collection_path: str) -> None:
        if folders.get(collection_name) == os.path.realpath(collection_path):
            sys.modules.update(modules[collection_name])

    init_plugin_loader()
    AnsibleCollectionConfig.on_collection_load += note
    for collection, plugins in COLLECTIONS.items():
        for plugin in plugins:
            # The collections that this one needs may not be installed.
            with contextlib.suppress(ImportError):
                importlib.import_module(f"ansible_collections.{collection}.plugins.{plugin}")
    # As if none had been looked for.
    _AnsibleCollectionFinder._remove()
    AnsibleCollectionConfig.on_collection_load -= note
    AnsibleCollectionConfig.on_collection_load += give
    found = {
        name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "ansible_collections"
    }
    for collection in folders:
        start = f"ansible_collections.{collection}.plugins"
        modules[collection] = {name: module for name, module in found.items() if f"{name}.".startswith(f"{start}.")}


def _lead_group(process: int) -> None:
    """Make a process the leader of a group; parent and child both do, so that neither has to wait for the other."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(process, 0)


if __name__ == "__main__":
    preload()
    Server(socket.socket(fileno=int(sys.argv[1]))).serve()
