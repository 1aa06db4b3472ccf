# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the steps of the tutorial with the site's own parts: Django alone, uWSGI alone, both together, then nginx.

Each step adds one part to the previous one, on a separate loopback port, as the site's user. So the first step that
fails names the broken part. Every rung is a single process (no master, no router, no reloader) that the kernel
kills when this one dies, so that nothing survives, whatever happens. All files are in one directory below /tmp that
belongs to root; the rungs write to a directory in it that belongs to their user.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from ..build.project import named_settings
from ..host import files
from ..host.causes import reason
from ..host.identity import Identity
from ..host.shell import end, end_of, spawn
from ..uwsgi import protocol
from . import ask
from .application import application_of
from .evidence import Site
from .look_uwsgi import loads_as, project_environment

# Seconds until a rung has to answer: importing a large project takes some.
START_TIMEOUT = 8.0
# Seconds between two questions while it starts.
PAUSE = 0.1
RUNGS = (
    "Django alone (runserver)",
    "uWSGI alone, a hello-world over http",
    "uWSGI with Django over http",
    "uWSGI with Django over a socket",
    "through an nginx of its own",
)
HELLO = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello from uWSGI"]
"""
NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 16; }}
http {{
    access_log off;
    {paths}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            uwsgi_pass unix:{folder}/uwsgi.sock;
            {parameters}
        }}
    }}
}}
"""
PARAMETERS = {
    "QUERY_STRING": "$query_string",
    "REQUEST_METHOD": "$request_method",
    "CONTENT_TYPE": "$content_type",
    "CONTENT_LENGTH": "$content_length",
    "REQUEST_URI": "$request_uri",
    "PATH_INFO": "$document_uri",
    "SERVER_PROTOCOL": "$server_protocol",
    "REMOTE_ADDR": "$remote_addr",
    "SERVER_PORT": "$server_port",
    "SERVER_NAME": "$server_name",
    "HTTP_HOST": "$http_host",
}


@dataclass
class _Part:
    """A process of a rung, and the file that it talks into."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]


@dataclass
class Rung:
    """What came of one step: `status` is ok, broken, or unknown where it was not tried."""

    rung: str
    status: str = "unknown"
    evidence: list[str] = field(default_factory=list)
    cause: str = ""


def climb(site: Site, good: Callable[[int], bool]) -> list[Rung]:
    """Climb until a rung fails. `good` says whether a status is one of a healthy site."""
    rungs = [Rung(name) for name in RUNGS]
    found = site.uwsgi
    who, why_not = loads_as(found)
    if not who or not found.command:
        rungs[0].cause = why_not if found.command else "there is no uWSGI to take the parts from"
        return rungs
    folder = tempfile.mkdtemp(prefix="pyweb-doctor-")
    try:
        os.chmod(folder, 0o711)  # noqa: S103 - the rungs pass through, to files that are named to them
        os.mkdir(f"{folder}/own", 0o700)
        os.chown(f"{folder}/own", who.uid, who.gid)
        climber = _Climber(site, who, folder, good)
        for rung, step in zip(rungs, (climber.django, climber.hello, climber.http, climber.socket, climber.nginx)):
            try:
                step(rung)
            except OSError as error:
                rung.status, rung.cause = "broken", f"it could not be started: {error.strerror or error}"
            if rung.status == "broken":
                break
    finally:
        # What a rung left behind must not hide what it found.
        shutil.rmtree(folder, ignore_errors=True)
    return rungs


class _Climber:
    """Starts the parts of one site, one rung at a time."""

    def __init__(self, site: Site, who: Identity, folder: str, good: Callable[[int], bool]) -> None:
        self.site, self.who, self.folder, self.own, self.good = site, who, folder, f"{folder}/own", good
        self.options = site.uwsgi.options
        self.environment = project_environment(site.uwsgi)
        self.chdir = self.options.last("chdir") or "/"

    def django(self, rung: Rung) -> None:
        port = _free_port()
        argv = [self.site.uwsgi.python, "-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"]
        environment = {**self.environment, "DJANGO_SETTINGS_MODULE": settings_module(self.site, self.environment)}
        with self._running(argv, environment, self.chdir) as part:
            self._judge(rung, part, f"127.0.0.1:{port}", protocol.http_request, self.site.path)

    def hello(self, rung: Rung) -> None:
        path = self._written("hello.py", HELLO)
        port = _free_port()
        argv = [*self._uwsgi(), "--http-socket", f"127.0.0.1:{port}", "--wsgi-file", path]
        with self._running(argv, self.environment, self.own) as part:
            self._judge(rung, part, f"127.0.0.1:{port}", protocol.http_request, "/", b"hello from uWSGI")

    def http(self, rung: Rung) -> None:
        port = _free_port()
        argv = [*self._uwsgi(), *self._application(), "--http-socket", f"127.0.0.1:{port}"]
        with self._running(argv, self.environment, self.chdir) as part:
            self._judge(rung, part, f"127.0.0.1:{port}", protocol.http_request, self.site.path)

    def socket(self, rung: Rung) -> None:
        path = f"{self.own}/uwsgi.sock"
        argv = [*self._uwsgi(), *self._application(), "--socket", path]
        with self._running(argv, self.environment, self.chdir) as part:
            self._judge(rung, part, f"unix:{path}", protocol.request, self.site.path)

    def nginx(self, rung: Rung) -> None:
        if not ask.installed("nginx"):
            rung.status, rung.cause = "broken", "there is no nginx on this host"
            return
        port, path = _free_port(), f"{self.own}/uwsgi.sock"
        argv = ["nginx", "-p", self.own, "-c", self._written("nginx.conf", _nginx_conf(self.own, port))]
        below = [*self._uwsgi(), *self._application(), "--socket", path]
        clean, where = ask.CLEAN_ENVIRONMENT, f"127.0.0.1:{port}"
        starting = (502, 504)  # while uWSGI starts
        with self._running(below, self.environment, self.chdir), self._running(argv, clean, self.own) as part:
            self._judge(rung, part, where, protocol.http_request, self.site.path, again=starting)

    # --- the parts ---

    def _written(self, name: str, text: str) -> str:
        """Write a file of root's that everybody may read; return its path."""
        path = f"{self.folder}/{name}"
        files.write(path, text)
        return path

    def _uwsgi(self) -> list[str]:
        """Return the site's own uWSGI program with the plugins and the virtualenv that its options name, only these."""
        program = []
        for word in self.site.uwsgi.command:
            if word.startswith("-") or word.endswith((".ini", ".xml", ".yaml", ".json")):
                break
            program.append(word)
        words = program or ["uwsgi"]
        for name in ("plugins", "plugin", "plugins-dir", "home"):
            for value in self.options.values.get(name, []):
                words += [f"--{name}", value]
        return [*words, "--need-app", "--buffer-size", "32768"]

    def _application(self) -> list[str]:
        module, name = application_of(self.options)
        words = ["--chdir", self.chdir]
        for path in self.options.values.get("pythonpath", []):
            words += ["--pythonpath", path]
        return [*words, "--wsgi-file" if module.endswith(".py") else "--module", module, "--callable", name]

    @contextlib.contextmanager
    def _running(self, argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> Iterator[_Part]:
        """Run a process of the site's user that ends with the block, or with this process."""
        with tempfile.TemporaryFile() as said:
            # No thread runs while the ladder is climbed.
            process = spawn(argv, self.who, cwd=cwd, environment=environment, stdout=said, stderr=said)
            try:
                yield _Part(process, said)
            finally:
                end(process)

    def _judge(
        self,
        rung: Rung,
        part: _Part,
        address: str,
        request: Callable[..., protocol.Answer],
        path: str,
        wanted: bytes = b"",
        again: Sequence[int] = (),
    ) -> None:
        """Ask until an answer comes, the process ends or the time is over. A status in `again` is no answer yet."""
        deadline = time.monotonic() + START_TIMEOUT
        failure = ""
        while time.monotonic() < deadline and part.process.poll() is None:
            try:
                left = max(deadline - time.monotonic(), 0.1)
                answer = request(address, self.site.domains[0], path, left, self.site.told)
            except protocol.ProtocolError as error:
                failure = error.cause
                time.sleep(PAUSE)
                continue
            failure = f"it answers {answer.status}"
            if answer.status in again:
                time.sleep(PAUSE)
                continue
            rung.evidence.append(f"GET {path} at {address} -> {answer.status} {answer.reason}")
            if self.good(answer.status) and wanted in answer.body:
                rung.status = "ok"
                return
            break
        output = end_of(part.said)
        ended = part.process.poll()
        why = reason(output) if ended is not None or "Traceback" in output else ""
        rung.status = "broken"
        rung.cause = "; ".join(text for text in (failure if ended is None else f"it ended with {ended}", why) if text)
        rung.evidence += [line for line in output.splitlines() if line.strip()][-6:]


def settings_module(site: Site, environment: Mapping[str, str]) -> str:
    """Return the settings that the project was loaded with, else those that its environment or its files name."""
    loaded = site.inside.get("settings", {}).get("module")
    if loaded or environment.get("DJANGO_SETTINGS_MODULE"):
        return str(loaded or environment["DJANGO_SETTINGS_MODULE"])
    options = site.uwsgi.options
    module, _name = application_of(options)
    relative = module if module.endswith(".py") else module.replace(".", "/") + ".py"
    for folder in [*options.values.get("pythonpath", []), options.last("chdir") or "/"]:
        for name in (relative, "manage.py"):
            found = named_settings(files.read_or_empty(os.path.join(folder, name)))
            if found:
                return found
    return ""


def _nginx_conf(folder: str, port: int) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return NGINX.format(
        folder=folder,
        port=port,
        paths=" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
        parameters=" ".join(f"uwsgi_param {name} {value};" for name, value in PARAMETERS.items()),
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
