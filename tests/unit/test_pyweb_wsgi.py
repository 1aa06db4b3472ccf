"""The WSGI entry under a real uWSGI: what workers do before they accept requests, and how a start is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import overlay, runtime
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import protocol as uwsgi_protocol

# The parts of Django that the WSGI entry needs: reading the URL patterns imports the views.
DJANGO = """
class Resolver:
    @property
    def url_patterns(self):
        from project import note
        note("views")

def get_resolver():
    return Resolver()

class connections:
    def close_all():
        from project import note
        note("closed")

class got_request_exception:
    def connect(*_receiver, **_how):
        pass

class settings:
    SECRET_KEY = "the key of the settings"
"""
FILES = ("django/__init__", "django/conf", "django/core/__init__", "django/core/signals", "django/db", "django/urls")
PROJECT = """
import os, time
import uwsgi

def note(what):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{uwsgi.worker_id()} {what}\\n")

uwsgi.post_fork_hook = lambda: note("its own")

def app(environ, start_response):
    here = "{HTTP_HOST}{PATH_INFO}?{QUERY_STRING}".format(**environ)
    note(here.encode("latin-1").decode())
    time.sleep(60 if "hang" in here else 0.5 if "slow" in here else 0)
    if "wrong" in here:
        raise ValueError("no such page")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the answer"]
"""


def write_application(folder, site, project):
    for name, text in {
        "project.py": project,
        f"{runtime.WSGI_MODULE}.py": overlay.wsgi(site, "project:app"),
        f"{runtime.ERRORS_MODULE}.py": overlay.errors(),
        **{f"{module}.py": DJANGO for module in FILES},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@dataclass
class Served:
    """A uWSGI with two workers, one of which has begun to warm up."""

    process: subprocess.Popen
    socket: str
    notes: Path

    def noted(self):
        """Return what each process recorded, by its number: 0 is a mule, 1 and 2 are the workers."""
        told = {}
        for line in self.notes.read_text().splitlines():
            number, _space, what = line.partition(" ")
            told.setdefault(int(number), []).append(what)
        return told

    def ask(self):
        return uwsgi_protocol.request(self.socket, "asked.example", "/asked").body


@pytest.fixture
def served(tmp_path):
    """served(site, *options, project) -> a context manager with a running `Served`."""

    @contextlib.contextmanager
    def serve(site, *options, project=PROJECT):
        write_application(tmp_path, site, project)
        notes, socket = tmp_path / "notes", tmp_path / "uwsgi.sock"
        words = ["uwsgi", "--master", "--need-app", "--processes=2", "--threads=2", "--enable-threads", *options]
        words += ["--single-interpreter", "--hook-master-start=unix_signal:15 gracefully_kill_them_all"]
        words += [f"--socket={socket}", f"--module={runtime.WSGI_MODULE}:application"]
        uwsgi = subprocess.Popen(
            words,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "NOTES": str(notes)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while not notes.exists() or "views" not in notes.read_text():
                assert uwsgi.poll() is None, uwsgi.stdout.read().decode()
                time.sleep(0.02)
            yield Served(uwsgi, str(socket), notes)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(uwsgi.pid, signal.SIGKILL)
            uwsgi.communicate(timeout=30)

    return serve


ASKED = "asked.example/asked?"


@pytest.mark.parametrize(
    ("options", "own"),
    # A mule also runs the project's hook and serves no requests. With lazy-apps the hook is over before the import.
    [([], (1, 2)), (["--mule"], (0, 1, 2)), (["--lazy-apps"], ())],
    ids=["preforked", "mule", "lazy-apps"],
)
def test_each_worker_requests_the_warm_up_pages_before_it_accepts_requests(served, options, own):
    """The project's own post-fork hooks run first."""
    [site] = complete([{**goldens.SHOP, "warm_up": ["/slow", "/f%C3%BCr%20alle?page=2"]}])
    steps = ["views", "shop.example.com/slow?", "shop.example.com/f\u00fcr alle?page=2", "closed"]
    wanted = {number: ["its own"] for number in own}
    wanted.update({worker: [*wanted.get(worker, []), *steps] for worker in (1, 2)})
    with served(site, *options) as uwsgi:
        assert uwsgi.ask() == b"the answer"  # requested while they warm up
        deadline = time.monotonic() + 10
        while sum(map(len, uwsgi.noted().values())) <= sum(map(len, wanted.values())) and time.monotonic() < deadline:
            time.sleep(0.05)
        noted = uwsgi.noted()
    [answered] = [worker for worker, what in noted.items() if ASKED in what]
    wanted[answered].append(ASKED)
    assert noted == wanted


TELLS_ITS_SCHEME = PROJECT.replace(
    'here = "{HTTP_HOST}{PATH_INFO}?{QUERY_STRING}".format(**environ)', 'here = environ["wsgi.url_scheme"]'
)


def test_a_site_with_tls_is_warmed_up_over_https(served):
    [site] = complete([{**goldens.SHOP, "warm_up": ["/"], "tls": "selfsigned"}])
    with served(site, project=TELLS_ITS_SCHEME) as uwsgi:
        deadline = time.monotonic() + 10
        while "closed" not in str(uwsgi.noted()) and time.monotonic() < deadline:
            time.sleep(0.05)
        # Either worker can be the first.
        noted = [what for told in uwsgi.noted().values() for what in told]
    assert "https" in noted


def test_a_release_from_before_tls_recognizes_https_from_nginx(served):
    """Its settings have no header, but uWSGI passes HTTPS: Django accepts the Origin of a form as its own host."""
    [site] = complete([{**goldens.SHOP, "warm_up": []}])
    with served(site, project=TELLS_ITS_SCHEME) as uwsgi:
        for scheme in ("https", "http"):
            uwsgi_protocol.request(uwsgi.socket, "shop.example:8443", "/", headers={"X-Forwarded-Proto": scheme})
        noted = [what for told in uwsgi.noted().values() for what in told]
    assert sorted(what for what in noted if what.startswith("http")) == ["http", "https"]


def test_no_page_is_requested_without_warm_up_pages(served):
    [site] = complete([{**goldens.SHOP, "warm_up": []}])
    with served(site) as uwsgi:
        assert uwsgi.ask() == b"the answer"
        [answered] = [what for what in uwsgi.noted().values() if ASKED in what]
    assert answered == ["its own", "views", "closed", ASKED]


@pytest.mark.parametrize(
    ("path", "then"),
    [("/hang", []), ("/wrong", ["closed"])],
)
def test_a_failing_warm_up_page_does_not_block_a_worker(served, path, then):
    [site] = complete([{**goldens.SHOP, "warm_up": [path]}])
    with served(site) as uwsgi:
        started = time.monotonic()
        assert uwsgi.ask() == b"the answer"
        assert time.monotonic() - started < overlay.WARM_UP_SECONDS + 1
        [answered] = [what for what in uwsgi.noted().values() if ASKED in what]
    assert answered == ["its own", "views", f"shop.example.com{path}?", *then, ASKED]


def test_stop_does_not_wait_for_a_worker_that_warms_up(served):
    [site] = complete([{**goldens.SHOP, "warm_up": ["/hang"]}])
    with served(site) as uwsgi:
        uwsgi.process.terminate()
        # The master checks once a second whether its workers have ended.
        uwsgi.process.wait(overlay.WARM_UP_SECONDS + 2)


# Moments of a start: the project, what is recorded at that moment (None: uWSGI stops itself), uWSGI's options.
LOADING = 'note("loading")\ntime.sleep(60)\n'
HOOK = "--hook-master-start=unix_signal:15 gracefully_kill_them_all"
STOP = "--hook-master-start=callint:raise 15"
MOMENTS = {
    "while the project is loaded": (PROJECT + LOADING, ["0 loading"], [HOOK]),
    "while lazy workers load the project": (PROJECT + LOADING, ["1 loading", "2 loading"], [HOOK, "--lazy-apps"]),
    "before hook-master-start": (PROJECT, None, [STOP, HOOK]),
    "before a worker warms up": (
        PROJECT.replace('lambda: note("its own")', "lambda: time.sleep(60)"),
        None,
        [HOOK, STOP],
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_stop_during_the_start_ends_uwsgi(tmp_path, moment):
    """uWSGI ignores signals that are too early, or reloads; systemd would have to send SIGKILL a minute later."""
    project, wanted, options = MOMENTS[moment]
    [site] = complete([{**goldens.SHOP, "warm_up": []}])
    write_application(tmp_path, site, project)
    notes, log = tmp_path / "notes", tmp_path / "log"
    notes.touch()
    words = ["uwsgi", "--master", "--need-app", "--processes=2", "--enable-threads", "--single-interpreter", *options]
    # The wheel's uWSGI needs it for a reload, and the ini of a release contains it.
    words += [f"--binary-path={sys.executable}", f"--socket={tmp_path}/uwsgi.sock"]
    words += [f"--module={runtime.WSGI_MODULE}:application"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NOTES": str(notes)}
    with log.open("w") as said:
        uwsgi = subprocess.Popen(
            words, cwd=tmp_path, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        if wanted is not None:
            ready = "(master-start)" if "--lazy-apps" in options else ""
            while not set(wanted) <= set(notes.read_text().splitlines()) or ready not in log.read_text():
                assert uwsgi.poll() is None, log.read_text()
                time.sleep(0.02)
            uwsgi.terminate()
        uwsgi.wait(20)  # on a busy machine; if it did not end, this would take 60
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(uwsgi.pid, signal.SIGKILL)
        uwsgi.wait(30)


def test_a_reload_long_after_the_start_is_not_treated_as_a_stop(tmp_path):
    """The elapsed time is simulated."""
    [site] = complete([{**goldens.SHOP, "warm_up": []}])
    write_application(tmp_path, site, "import os\napp = os.environ['PYWEB_LOADED']\n")
    (tmp_path / "uwsgi.py").write_text("def worker_id(): return 0\n")
    code = f"import time; from {runtime.WSGI_MODULE} import application; print(application)"

    def load(ago):
        loaded = str(time.monotonic() - ago)
        environment = {"PYTHONPATH": str(tmp_path), "PYWEB_LOADED": loaded}
        argv = [sys.executable, "-c", code]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert load(overlay.RELOAD_SECONDS + 0.1).returncode == 0
    refused = load(0)
    assert refused.returncode == 1
    assert refused.stderr.endswith("RuntimeError: uWSGI reloads right after its start: it was told to stop\n")


RAISING = """
import os

def note(what):
    pass

class Sent:
    def __iter__(self):
        yield b"begun"
        raise RuntimeError("while it was sent")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/sent":
        start_response("200 OK", [])
        return Sent()
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    raise ValueError(f"no {os.environ['API_TOKEN']} in {environ['PATH_INFO']}")
"""


@pytest.mark.parametrize("options", [[], ["--lazy-apps"]], ids=["preforked", "lazy-apps"])
def test_an_unhandled_exception_is_logged_once_and_answered(tmp_path, options):
    """Under the real uWSGI, which also logs exceptions that reach it."""
    [site] = complete([{**goldens.SHOP, "warm_up": []}])
    write_application(tmp_path, site, RAISING)
    log, socket = tmp_path / "log", f"{tmp_path}/uwsgi.sock"
    words = ["uwsgi", "--master", "--need-app", "--processes=1", "--threads=2", "--single-interpreter", *options]
    words += [f"--socket={socket}", f"--stats={tmp_path}/0123456789ab.stats", "--disable-logging"]
    words += [f"--module={runtime.WSGI_MODULE}:application"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "API_TOKEN": "correct-horse"}
    with log.open("w") as said:
        uwsgi = subprocess.Popen(
            words, cwd=tmp_path, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        while "spawned uWSGI worker" not in log.read_text():
            assert uwsgi.poll() is None, log.read_text()
            time.sleep(0.02)
        raised, sent, file = (
            uwsgi_protocol.request(socket, "shop.example.com", path, 30) for path in ("/raise?key=1", "/sent", "/file")
        )
    finally:
        os.killpg(uwsgi.pid, signal.SIGKILL)
        uwsgi.wait(30)
        print(log.read_text())
    assert (raised.status, b"Server Error (500)" in raised.body) == (500, True)
    assert (sent.status, sent.body) == (200, b"begun")
    assert (file.status, file.body) == (200, RAISING.encode())
    told = log.read_text()
    assert told.count("Traceback (most recent call last):") == 2, told
    assert told.count("pyweb.stack: unhandled exception: GET /raise (release 0123456789ab)\n") == 1, told
    assert told.count("\nValueError: no ******** in /raise\n") == 1, told
    assert told.count("pyweb.stack: unhandled exception: GET /sent (release 0123456789ab)\n") == 1, told
    assert told.count("\nRuntimeError: while it was sent\n") == 1, told
    assert "correct-horse" not in told
