"""An unhandled exception writes its traceback to the journal exactly once, whatever the project's LOGGING is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sites import MAIL_ONLY
from test_bad_releases import QUICK, Bad, broken, health
from two_sites import DEPLOY, World

pytestmark = pytest.mark.same_everywhere

SITE = "unix"
SETTINGS, URLS = "mysite/settings.py", "mysite/urls.py"
# What raises: a view, and a response while it is being sent.
RAISING = {
    URLS: """
from django.http import StreamingHttpResponse
from django.urls import path as raising

def boom(request, what):
    try:
        int(what)
    except ValueError as error:
        raise LookupError(f"boom {what}: token correct-horse-battery") from error

def stream(request, what):
    def sent():
        yield "begun"
        raise RuntimeError(f"boom {what}")
    return StreamingHttpResponse(sent())

urlpatterns += [raising("boom/<what>/", boom), raising("stream/<what>/", stream)]
"""
}
SECRET = {"env": {"API_TOKEN": "correct-horse-battery", "FLAG": "true"}}
# Logs to both of uWSGI's streams, each twice.
EVERYWHERE = """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "err": {"class": "logging.StreamHandler"},
        "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"},
        "memory": {"class": "logging.handlers.MemoryHandler", "capacity": 1, "target": "err"},
    },
    "root": {"handlers": ["err", "out"], "level": "INFO"},
    "loggers": {"django": {"handlers": ["err", "out", "memory"], "level": "INFO"}},
}
"""
BROKEN_PAGE = {"templates/500.html": "{% load no_such_library %}"}
OWN_TEMPLATES = '\nTEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]\n'


@pytest.fixture(
    scope="module",
    params=[("mail", {SETTINGS: MAIL_ONLY}), ("everywhere", {SETTINGS: EVERYWHERE})],
    ids=["mail only", "everywhere"],
)
def raising(request: pytest.FixtureRequest, world: World) -> Iterator[World]:
    """Deploy a site with pages that raise, and with its own LOGGING."""
    name, logging = request.param
    world.new_code()
    with broken(world, Bad(name, "", "", add={**RAISING, **logging})):
        world.host.deploy(world.sites[SITE].with_(**SECRET).sites, DEPLOY)
        yield world
    world.new_code()
    world.host.deploy(world.wanted(SITE), DEPLOY)


def journal(world: World) -> str:
    """Return the journal of the live release."""
    release = world.current(SITE).rpartition("/")[2]
    return world.host.told(f"journalctl --sync; journalctl --no-pager --output=cat --unit=uwsgi-{SITE}@{release}")


def test_a_view_that_raises_is_logged_once_with_its_request_and_without_secrets(raising: World) -> None:
    assert raising.ask(SITE, "/boom/marker/?password=hunter2").status == 500
    told, release = journal(raising), raising.current(SITE).rpartition("/")[2]
    assert told.count("pyweb.stack: unhandled exception: GET /boom/marker/ ") == 1, told
    assert f"pyweb.stack: unhandled exception: GET /boom/marker/ (release {release})\n" in told
    assert told.count("LookupError: boom marker") == 1, told
    # The exception that caused it is logged as well.
    assert told.count("ValueError: invalid literal for int() with base 10: 'marker'") == 1, told
    assert "LookupError: boom marker: token ********\n" in told
    assert "correct-horse-battery" not in told


def test_a_response_that_fails_while_it_is_sent_is_logged_once(raising: World) -> None:
    raising.ask(SITE, "/stream/halfway/")
    told = journal(raising)
    assert told.count("GET /stream/halfway/ ") == 1, told
    assert told.count("RuntimeError: boom halfway") == 1, told


def test_if_the_error_page_raises_the_status_is_500_and_both_exceptions_are_logged_once(world: World) -> None:
    world.new_code()
    page = {**RAISING, **BROKEN_PAGE, SETTINGS: MAIL_ONLY + OWN_TEMPLATES}
    with broken(world, Bad("500.html", "", "", add=page)):
        world.host.deploy(world.sites[SITE].with_(**SECRET).sites, DEPLOY)
        answer = world.ask(SITE, "/boom/page/")
    assert (answer.status, "Server Error (500)" in answer.body) == (500, True), answer
    told = journal(world)
    assert told.count("LookupError: boom page") == 1, told
    # Since Django 6.0 the message begins with the template.
    assert len(re.findall(r"TemplateSyntaxError: (?:Template: \S+, )?'no_such_library'", told)) == 1, told
    assert "correct-horse-battery" not in told


@pytest.mark.parametrize(
    ("name", "add"),
    [
        ("LOGGING mails admins only", {SETTINGS: MAIL_ONLY}),
        ("500.html raises", {SETTINGS: MAIL_ONLY + OWN_TEMPLATES, **BROKEN_PAGE}),
    ],
)
def test_a_failed_health_check_shows_the_traceback_of_the_project(world: World, name: str, add: dict[str, str]) -> None:
    """Even if the traceback is longer than what is shown."""
    deep = "def deeper(left):\n        return deeper(left - 1) if left % 3 else deepest(left - 1)\n"
    body = (
        f"{deep}    def deepest(left):\n        return deeper(left) if left > 0 else int('not well')\n"
        "    return deeper(200)"
    )
    world.new_code()
    before = world.current(SITE)
    with broken(world, Bad(name, "", "", add={**add, **health(body)})):
        run = world.host.play(world.sites[SITE].with_(**QUICK).sites, DEPLOY)
    assert run.status != 0
    first = next(line for line in run.error.splitlines() if f"site '{SITE}': " in line)
    assert "ValueError: invalid literal for int() with base 10: 'not well'" in first, run.error
    shown = run.error.partition(first)[2]
    assert "Traceback (most recent call last):" in shown, run.error
    assert re.search(r'File ".*gallery/views\.py", line [0-9]+, in deepest', shown), run.error
    assert "\n  ValueError: invalid literal for int() with base 10: 'not well'" in shown, run.error
    assert "*** Starting uWSGI" not in shown, run.error
    assert world.current(SITE) == before


def test_the_site_can_be_deployed_afterwards(world: World) -> None:
    world.new_code()
    world.assert_settled(SITE)
