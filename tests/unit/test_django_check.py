"""Which setting a failed system check is about, and how to set it. Django is a fake: the tests do not install it."""

from __future__ import annotations

import contextlib
import sys
import types

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import django_check
from ansible_collections.pyweb.stack.plugins.module_utils.host.causes import cause

PROJECT = {
    "DEBUG": True,
    "MEDIA_URL": "/media/",
    "BROKER_URL": "amqp://u:p@host",
    "EMAIL_HOST": "",
    "ALLOWED_HOSTS": [],
    "CSRF_TRUSTED_ORIGINS": ["a.example"],
}
OVERLAY = {**PROJECT, "DEBUG": False, "ALLOWED_HOSTS": ["shop.example.com"], "SECRET_KEY": "canary"}


class Message:
    """A message of a check, as Django prints it."""

    def __init__(self, msg, id, hint="", level=40):
        self.msg, self.id, self.hint, self.level = msg, id, hint, level

    def is_serious(self):
        return self.level >= 40

    def is_silenced(self):
        return False

    def __str__(self):
        return f"?: ({self.id}) {self.msg}" + (f"\n\tHINT: {self.hint}" if self.hint else "")


class SystemCheckError(Exception):
    pass


@pytest.fixture
def django(monkeypatch):
    """django(check, **overlay): a fake Django with one check and with settings of the overlay."""

    def module(name, **values):
        found = types.ModuleType(name)
        vars(found).update(values)
        monkeypatch.setitem(sys.modules, name, found)
        return found

    def playing(check, **more):
        settings = types.SimpleNamespace(**OVERLAY, SILENCED_SYSTEM_CHECKS=["a.W001"], DATABASES={})
        vars(settings).update(more)

        @contextlib.contextmanager
        def override(**values):
            before = dict(vars(settings))
            vars(settings).update(values)
            try:
                yield
            finally:
                vars(settings).clear()
                vars(settings).update(before)

        def call_command(*_words, stdout, **_options):
            failed = [message for message in check(settings) if message.is_serious()]
            if failed:
                said = "\n".join(map(str, failed))
                raise SystemCheckError(f"SystemCheckError: System check identified some issues:\n\nERRORS:\n{said}\n")
            stdout.write("System check identified no issues.\n")

        for name in ("django", "django.core", "django.test"):
            module(name)
        module("django.conf", settings=settings, global_settings=types.SimpleNamespace(CSRF_TRUSTED_ORIGINS=[]))
        module("django.conf.global_settings", CSRF_TRUSTED_ORIGINS=[])
        module("django.core.checks", run_checks=lambda: check(settings))
        module("django.core.management", call_command=call_command)
        module("django.core.management.base", SystemCheckError=SystemCheckError)
        module("django.test.utils", override_settings=override)
        module("pyweb_settings", **{**OVERLAY, **more})
        monkeypatch.setattr(
            django_check, "project_settings", lambda _settings: types.SimpleNamespace(**PROJECT), raising=False
        )

    return playing


def first_line():
    """Return what the run prints of the failure."""
    with pytest.raises(SystemExit) as caught:
        django_check.checked("pyweb_settings")
    return cause(str(caught.value))


def failing(msg, when, id="shop.E001", hint=""):
    return lambda settings: [Message(msg, id, hint)] if when(settings) else []


def test_a_project_without_errors_is_reported(django):
    django(lambda _settings: [Message("look", "a.W002", level=30)])
    assert django_check.checked("pyweb_settings") == "System check identified no issues."


def test_a_setting_that_is_required_without_debug_is_named(django):
    django(failing("EMAIL_HOST is empty.", lambda found: not found.DEBUG and not found.EMAIL_HOST, hint="Ask."))
    assert first_line() == (
        "?: (shop.E001) EMAIL_HOST is empty. HINT: Ask; it is caused by DEBUG, which is false on a server; set "
        '`settings: {EMAIL_HOST: ...}` of the site, or `settings: {SILENCED_SYSTEM_CHECKS: ["a.W001", "shop.E001"]}` '
        "if that does not matter"
    )


def test_a_setting_of_the_overlay_that_causes_an_error_is_named(django):
    wrong = failing("MEDIA_URL must end with a slash", lambda settings: settings.MEDIA_URL[-1] != "/", "urls.E006")
    django(wrong, MEDIA_URL="/media")
    assert 'caused by MEDIA_URL, which is "/media" on a server; set `settings: {MEDIA_URL: "/media/"}`' in first_line()


def test_origins_of_old_projects_get_a_scheme(django):
    def check(settings):
        wrong = "a.example" in settings.CSRF_TRUSTED_ORIGINS
        return [Message("CSRF_TRUSTED_ORIGINS has no scheme", "4_0.E001")] if wrong else []

    django(check, CSRF_TRUSTED_ORIGINS=["a.example", "http://b.example"])
    assert 'set `settings: {CSRF_TRUSTED_ORIGINS: ["https://a.example", "http://b.example"]}`' in first_line()


@pytest.mark.parametrize(
    ("msg", "id", "words"),
    [
        ("for developers only", "bar.debug", "on a server; if that does not matter on a server, set `settings"),
        ("DATABASES is too small", "shop.E2", "set `database:` of the site, or `settings: {SILENCED_SYSTEM_CHECKS: "),
        ("SECRET_KEY is too short", "shop.E002", "set DJANGO_SECRET_KEY in `env:` of the site, or"),
        ("a TEST_KEY is in use", "recaptcha.test_key", "set `settings: {TEST_KEY: ...}` of the site, or"),
        ("DEBUG has to be on", "shop.E003", "caused by DEBUG, which is false on a server; if that does not matter"),
    ],
)
def test_which_setting_to_change(django, msg, id, words):
    django(failing(msg, lambda settings: not settings.DEBUG, id))
    line = first_line()
    assert line.startswith(f"?: ({id}) {msg}; it is caused by DEBUG")
    assert words in line
    assert "canary" not in line


def test_a_value_that_may_be_secret_is_not_shown(django):
    named = failing("BROKER_URL is wrong", lambda settings: settings.BROKER_URL == "canary@x", "shop.E004")
    django(named, BROKER_URL="canary@x")
    assert (
        "caused by BROKER_URL, which has another value on a server; set `settings: {BROKER_URL: ...}`" in first_line()
    )
    named = failing("a token is wrong", lambda settings: settings.TOKEN == "canary", "shop.E004")
    django(named, TOKEN="canary")
    assert first_line() == "?: (shop.E004) a token is wrong"


def test_an_error_that_no_setting_of_the_server_causes_is_shown_alone(django):
    django(failing("a model is wrong.", lambda _settings: True, "models.E015"))
    assert first_line() == "?: (models.E015) a model is wrong"


def test_a_check_that_raises_with_a_changed_setting_is_no_result(django):
    def check(settings):
        if settings.DEBUG:
            raise LookupError
        return [Message("wrong", "shop.E005")]

    django(check)
    assert first_line() == "?: (shop.E005) wrong"


def test_all_messages_are_printed_after_the_first_line(django):
    django(lambda _settings: [Message("one", "a.E001"), Message("two", "a.E002")])
    with pytest.raises(SystemExit) as caught:
        django_check.checked("pyweb_settings")
    assert "(a.E002) two" in str(caught.value)
