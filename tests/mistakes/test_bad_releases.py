"""A bad release never goes live: the old one keeps answering under load, and the error names the cause.

A new case is one entry: the mistake in the commit or inventory, the step that detects it, and a text of the cause.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from client import Load
from mistakes import MIGRATION
from two_sites import DEPLOY, World

pytestmark = pytest.mark.same_everywhere

VIEWS, URLS, WSGI, STYLE = "gallery/views.py", "gallery/urls.py", "mysite/wsgi.py", "static/gallery/style.css"
# The build loads the WSGI entry as well; this fails only when uWSGI runs it.
UNDER_UWSGI = """
import os, signal, time
try:
    import uwsgi
except ImportError:
    pass
else:
    {}
"""
DIES = UNDER_UWSGI.format("uwsgi.post_fork_hook = lambda: os.kill(os.getpid(), signal.SIGKILL)")
MASTER_DIES = UNDER_UWSGI.format("uwsgi.post_fork_hook = lambda: os.kill(uwsgi.masterpid(), signal.SIGKILL)")
# Healthy until it is live, that is, until the running code is that of `current`.
DIES_LIVE = UNDER_UWSGI.format("""
    import threading
    def watch():
        here = os.getcwd()
        while os.path.realpath(os.path.join(here, "../../../current/src")) != here:
            time.sleep(0.01)
        os.kill(uwsgi.masterpid(), signal.SIGKILL)
    uwsgi.post_fork_hook = lambda: threading.Thread(target=watch, daemon=True).start()
""")
# Healthy at first: it dies shortly after its first request, which is the health check.
DIES_SOON = UNDER_UWSGI.format("""
    import threading
    inner = application
    def application(environ, start_response):
        threading.Timer(0.1, os.kill, (uwsgi.masterpid(), signal.SIGKILL)).start()
        return inner(environ, start_response)
""")
SLOW = UNDER_UWSGI.format("time.sleep(30)")


@dataclass(frozen=True)
class Bad:
    """`add` is appended to files, `keys` override those of the site; the error is 'site NAME: STEP failed: CAUSE'."""

    name: str
    step: str
    cause: str
    add: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    sites: tuple[str, ...] = ("unix",)
    # The seconds for which the site may fail, if the fault can only be detected after the switch.
    outage: float = 0.0


def health(body: str) -> dict[str, str]:
    return {VIEWS: f"\n\ndef healthz(request):\n    {body}\n"}


def start_page(index: str, app: str = "raise ValueError('not well')") -> dict[str, str]:
    """Return files with a page / that has this body, and a page /app/."""
    views = f"\n\ndef index(request):\n    {index}\n\n\ndef app(request):\n    {app}\n"
    return {VIEWS: views, URLS: '\nurlpatterns += [path("app/", views.app)]\n'}


# A start took more than four seconds during the load and the other steps of a test run.
QUICK = {"health": {"timeout": 10}}
# Without a warm-up, so that the first request is the health check.
ASKED_FIRST = {**QUICK, "warm_up": []}
# The health check of a site whose inventory does not set it: `null` is the default.
DEFAULT = {"health": {"path": None, "status": None, "timeout": 10}}
TO_APP = "return redirect('/app/')"
READS_CACHE = "from django.core.cache import cache; return HttpResponse(cache.get('a', 'b'))"
NO_TABLE = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "never_made"}}
# For faults that the probe must detect before the release shares the ports.
BOTH = ("unix", "tcp")
BAD = [
    Bad("syntax error", "check", "SyntaxError", {VIEWS: "\nthis is no Python\n"}),
    Bad("import error", "wsgi", "ModuleNotFoundError: No module named 'nowhere'", {WSGI: "\nimport nowhere\n"}),
    Bad("missing dependency", "check", "No module named 'requests'", {VIEWS: "\nimport requests\n"}),
    Bad("impossible dependency", "requirements", "pillow==0.0.1", keys={"packages": ["Pillow==0.0.1"]}),
    Bad(
        "health 500",
        "health",
        "answered 500; expected 200 within 10 s; ValueError: not well",
        health("raise ValueError('not well')"),
        QUICK,
        BOTH,
    ),
    Bad(
        "redirects to a page that raises",
        "health",
        "/ as unix.example redirects to /app/, which answered 500; expected a status below 500 within 10 s",
        start_page(TO_APP),
        DEFAULT,
    ),
    Bad(
        "redirects to a page whose cache has no table",
        "health",
        "redirects to /app/, which answered 500",
        start_page(TO_APP, READS_CACHE),
        {**DEFAULT, "settings": {"CACHES": NO_TABLE}},
    ),
    Bad(
        "redirects in a circle",
        "health",
        "/ as unix.example redirects in a loop: / -> /app/ -> /",
        start_page(TO_APP, "return redirect('/')"),
        DEFAULT,
    ),
    Bad(
        "names a style sheet that is not there",
        "health",
        "names /static/gallery/none.css, which is not among the collected static files",
        start_page("return HttpResponse('<link rel=stylesheet href=/static/gallery/none.css>')"),
        DEFAULT,
        BOTH,
    ),
    Bad(
        "the admin's login raises",
        "health",
        "the admin's login page /secret/login/ as unix.example answered 500",
        {
            "templates/admin/login.html": "{% extends 'nowhere.html' %}",
            "mysite/urls.py": '\nurlpatterns[1] = path("secret/", admin.site.urls)\n',
        },
        DEFAULT,
    ),
    Bad("wrong status", "health", "answered 200; expected 204", keys={"health": {"status": [204], "timeout": 10}}),
    Bad("health takes too long", "health", "within 10 s", health("time.sleep(30)"), QUICK),
    Bad("workers die after the start", "health", "within 10 s", {WSGI: DIES}, QUICK, BOTH),
    Bad("the master dies after the start", "(start|health)", "", {WSGI: MASTER_DIES}, QUICK),
    Bad("dies after its first answer", "health", "after its first good answer", {WSGI: DIES_SOON}, ASKED_FIRST, BOTH),
    # On TCP ports, the switch comes before the start.
    Bad("dies after the switch", "(switch|start|health)", "did not", {WSGI: DIES_LIVE}, QUICK, BOTH, outage=1.0),
    Bad("slow start", "start", "not ready within 10 s", {WSGI: SLOW}, QUICK),
    Bad("collectstatic fails", "collectstatic", "missing.png", {STYLE: "\na { background: url(missing.png) }\n"}),
    Bad("migration fails", "migrate", "no such thing to migrate", {"gallery/migrations/0002_broken.py": MIGRATION}),
    Bad("misspelt uWSGI option", "start", "buffer-sise", keys={"uwsgi": {"options": {"buffer-sise": 1}}}),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_bad_release_never_goes_live(world: World, case: Bad) -> None:
    before = {site: (world.version(site), world.current(site)) for site in case.sites}
    hosts = [host for site in case.sites for host in world.sites[site].hosts]
    world.new_code()
    with broken(world, case), contextlib.ExitStack() as stack:
        probers = [stack.enter_context(world.prober(site)) for site in case.sites]
        load = stack.enter_context(Load(world.host.address, hosts, world.work))
        run = world.host.play(
            [wanted for site in case.sites for wanted in world.sites[site].with_(**case.keys).sites], DEPLOY
        )
    assert run.status != 0
    for prober in probers:
        if case.outage:
            assert prober.outage < case.outage, prober.failures
        else:
            assert not prober.failures, prober.failures
    assert case.outage or load.verdict.failed == 0, f"{load.verdict}"
    told = [line.replace("Module failed: ", "") for line in run.error.splitlines()]
    assert told[0].startswith(f"site '{case.sites[0]}': "), run.error
    for site in case.sites:
        first = next((line for line in told if line.startswith(f"site '{site}': ")), "")
        wanted = rf"site '{site}': {case.step} failed: .*{re.escape(case.cause)}.*"
        assert re.fullmatch(wanted, first), run.error
        assert (world.version(site), world.current(site)) == before[site]
        world.assert_whole(site)


def test_redirect_to_a_login_on_another_host_is_healthy(world: World) -> None:
    world.new_code()
    elsewhere = "https://login.example/?next=/"
    with broken(world, Bad("", "", "", start_page(f"return redirect({elsewhere!r})"))):
        world.host.deploy(world.sites["unix"].with_(**DEFAULT).sites, DEPLOY)
    assert (world.ask("unix").status, world.ask("unix").headers["location"]) == (302, elsewhere)


def test_good_release_after_the_bad_ones_goes_live(world: World) -> None:
    """And the bad ones left nothing behind."""
    number = world.new_code()
    world.assert_settled(*BOTH)
    assert {world.version(site) for site in BOTH} == {number}


@contextlib.contextmanager
def broken(world: World, case: Bad) -> Iterator[None]:
    """Add the mistake of the case to the developer's copy of the project, and remove it afterwards."""
    kept = {path: (world.project.folder / path) for path in case.add}
    before = {path: file.read_text(encoding="utf-8") if file.exists() else None for path, file in kept.items()}
    try:
        world.project.write({path: (before[path] or "") + text for path, text in case.add.items()})
        yield
    finally:
        for path, file in kept.items():
            file.unlink()
            if before[path] is not None:
                file.write_text(before[path], encoding="utf-8")
