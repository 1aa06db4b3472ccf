"""Facts about a project's settings, from settings and modules like those of Django."""

from __future__ import annotations

import logging
import socket
import sqlite3
import sys
from types import ModuleType, SimpleNamespace

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import settings_facts as looking

SQLITE = "django.db.backends.sqlite3"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """project(text, **settings) -> (settings, the directory of the code); Django's own modules are fakes."""
    code = tmp_path / "src"
    (code / "shop").mkdir(parents=True)
    urls, db = ModuleType("django.urls"), ModuleType("django.db")
    urls.reverse = {}.__getitem__  # raises a LookupError
    db.connection = SimpleNamespace(introspection=SimpleNamespace(table_names=lambda: ["there"]), close=lambda: None)
    for module in (ModuleType("django"), urls, db):
        monkeypatch.setitem(sys.modules, module.__name__, module)

    def make(text="", **values):
        path = code / "shop/settings.py"
        path.write_text(text)
        module = ModuleType("shop.settings")
        module.__file__ = str(path)
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - this test's own text
        monkeypatch.setitem(sys.modules, "shop.settings", module)
        defaults = {
            "SETTINGS_MODULE": "shop.settings",
            "DATABASES": {"default": {"ENGINE": SQLITE, "NAME": str(tmp_path / "state/db.sqlite3")}},
            "MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"],
            "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            "SESSION_ENGINE": "django.contrib.sessions.backends.db",
            "SESSION_CACHE_ALIAS": "default",
            "INSTALLED_APPS": [],
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "localhost",
            "EMAIL_PORT": 1,
            "SECURE_PROXY_SSL_HEADER": None,
        }
        return SimpleNamespace(**{**defaults, **values}), str(code)

    return make


def test_an_ordinary_project(project):
    found = looking.settings_facts(*project())
    assert found["debug_lines"] == found["memory"] == found["secure"] == found["logs"] == found["cache_tables"] == []
    assert found["unused"] == {"database": "", "media": ""}
    assert found["mail"] == {
        "backend": "django.core.mail.backends.smtp.EmailBackend",
        "wanted": False,
        "port": 1,
        "served": False,
    }


DEBUG_LINES = """\
DEBUG = True
TEMPLATES = [{"OPTIONS": {"debug": DEBUG}}]
if not DEBUG:
    SECURE = True
VITE = {
    "dev_mode": DEBUG,
}
"""


def test_lines_that_use_debug(project):
    assert looking.settings_facts(*project(DEBUG_LINES))["debug_lines"] == [
        'shop/settings.py:2: TEMPLATES = [{"OPTIONS": {"debug": DEBUG}}]',
        "shop/settings.py:3: if not DEBUG:",
        'shop/settings.py:6: "dev_mode": DEBUG,',
    ]
    assert looking.settings_facts(*project(DEBUG_LINES.replace("DEBUG = True", "DEBUG = False")))["debug_lines"] == []


def test_lines_of_imported_settings_count_and_those_of_urls_do_not(project, tmp_path, monkeypatch):
    settings, code = project("DEBUG = True\n")
    for name in ("shop.local_settings", "shop.urls"):
        module = ModuleType(name)
        module.__file__ = f"{code}/{name.replace('.', '/')}.py"
        module.DEBUG = True
        (tmp_path / "src" / f"{name.replace('.', '/')}.py").write_text("if DEBUG:\n    pass\n")
        monkeypatch.setitem(sys.modules, name, module)
    assert looking.settings_facts(settings, code)["debug_lines"] == ["shop/local_settings.py:1: if DEBUG:"]


@pytest.mark.parametrize(
    ("imported", "wanted"),
    [
        # Settings that import base and change DEBUG afterwards: too late for what base decided with it.
        ("shop.settings.base", ["shop/settings/base.py:1: if DEBUG:"]),
        ("shop.settings.production.base", ["shop/settings/production/base.py:1: if DEBUG:"]),
        ("shop.base", []),
    ],
)
def test_lines_of_base_settings_count_if_debug_is_true_in_them(project, tmp_path, monkeypatch, imported, wanted):
    settings, code = project("DEBUG = False\n")
    module = ModuleType(imported)
    module.__file__ = f"{code}/{imported.replace('.', '/')}.py"
    module.DEBUG = True
    path = tmp_path / "src" / f"{imported.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("if DEBUG:\n    pass\n")
    monkeypatch.setitem(sys.modules, imported, module)
    assert looking.settings_facts(settings, code)["debug_lines"] == wanted
    module.DEBUG = False
    assert looking.settings_facts(settings, code)["debug_lines"] == []


@pytest.mark.parametrize(
    ("engine", "name", "wanted"),
    [
        (SQLITE, ":memory:", True),
        (SQLITE, "file:x?mode=memory&cache=shared", True),
        ("django.contrib.gis.db.backends.spatialite", ":memory:", True),
        (SQLITE, "/srv/db", False),
        ("django.db.backends.postgresql", ":memory:", False),
    ],
)
def test_a_database_in_memory(project, engine, name, wanted):
    settings, code = project(DATABASES={"default": {"ENGINE": engine, "NAME": name}})
    assert looking.settings_facts(settings, code)["memory"] == (["default"] if wanted else [])


def test_sessions_and_https(project):
    settings, code = project(
        SECURE_SSL_REDIRECT=True, CSRF_COOKIE_SECURE=True, SECURE_PROXY_SSL_HEADER=("HTTP_X", "https")
    )
    found = looking.settings_facts(settings, code)
    assert found["secure"] == ["SECURE_SSL_REDIRECT", "CSRF_COOKIE_SECURE"]
    assert found["https_header"] is True
    assert found["sessions"]["cache"].endswith("LocMemCache")
    assert looking.settings_facts(*project(MIDDLEWARE=[]))["sessions"] == {}
    names = {"SESSION_COOKIE_NAME": "__Secure-sessionid", "CSRF_COOKIE_NAME": "csrftoken"}
    assert looking.settings_facts(*project(**names))["secure"] == ["SESSION_COOKIE_NAME"]


def table(name):
    return {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": name}


def test_the_tables_of_caches(project, tmp_path):
    settings, code = project(CACHES={"default": table("there"), "other": table("lacking")})
    # The database's file does not exist: connecting would create it.
    assert looking.settings_facts(settings, code)["cache_tables"] == ["there", "lacking"]
    assert not (tmp_path / "state").exists()
    (tmp_path / "state").mkdir()
    (tmp_path / "state/db.sqlite3").write_text("x")
    assert looking.settings_facts(settings, code)["cache_tables"] == ["lacking"]


def test_mail_settings_and_a_running_mail_server(project):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings, code = project("EMAIL_PORT = 1\n", EMAIL_PORT=port)
        found = looking.settings_facts(settings, code)["mail"]
    assert (found["wanted"], found["port"], found["served"]) == (False, port, True)
    settings, code = project("EMAIL_PORT = 1\n")
    assert looking.settings_facts(settings, code)["mail"]["wanted"]
    assert looking.settings_facts(*project(ADMINS=[("a", "a@example.com")]))["mail"]["wanted"]
    assert looking.settings_facts(*project(EMAIL_HOST="mail.example.com"))["mail"]["port"] == 0


def test_mail_settings_of_django_6_1(project):
    mailers = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"port": 1}}}
    settings, code = project("MAILERS = 1\n", MAILERS=mailers)
    del settings.EMAIL_BACKEND
    found = looking.settings_facts(settings, code)["mail"]
    assert (found["wanted"], found["port"], found["served"]) == (True, 1, False)
    del settings.MAILERS
    assert looking.settings_facts(settings, code)["mail"] == {}


def test_a_log_inside_the_code(project, tmp_path):
    settings, code = project()
    (tmp_path / "data").mkdir()
    (tmp_path / "src/linked").symlink_to(tmp_path / "data")
    handlers = [
        logging.FileHandler(path, delay=True)
        for path in (tmp_path / "src/shop.log", tmp_path / "src/linked/a.log", tmp_path / "data/b.log")
    ]
    try:
        assert looking.settings_facts(settings, code)["logs"] == ["shop.log"]
    finally:
        for handler in handlers:
            handler.close()


def test_data_in_the_source(project, tmp_path):
    settings, code = project(f"MEDIA_ROOT = {str(tmp_path / 'src/media')!r}\n")
    (tmp_path / "src/media").mkdir()
    (tmp_path / "src/media/.gitkeep").touch()
    (tmp_path / "src/db.sqlite3").touch()
    assert looking.settings_facts(settings, code)["unused"] == {"database": "", "media": ""}
    (tmp_path / "src/media/a.jpg").touch()
    connection = sqlite3.connect(tmp_path / "src/db.sqlite3")
    connection.execute("CREATE TABLE a (b)")
    connection.commit()
    connection.close()
    assert looking.settings_facts(settings, code)["unused"] == {"database": "db.sqlite3", "media": "media"}
    (tmp_path / "state").mkdir()
    (tmp_path / "state/db.sqlite3").write_text("the site has one")
    assert looking.settings_facts(settings, code)["unused"]["database"] == ""


def test_the_projects_own_settings_are_those_below_the_overlay(project, monkeypatch):
    settings, code = project("DEBUG = True\nif DEBUG:\n    pass\n")
    settings.SETTINGS_MODULE = "pyweb_settings"
    assert looking.settings_facts(settings, code)["debug_lines"] == []  # a build of 0.1 does not record the module
    prepared = ModuleType("pyweb_environment")
    prepared.PROJECT = "shop.settings"
    monkeypatch.setitem(sys.modules, "pyweb_environment", prepared)
    assert len(looking.settings_facts(settings, code)["debug_lines"]) == 1
